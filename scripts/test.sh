#!/usr/bin/env bash
# Every check and every test. Installs what they need first (as root; others are told the one
# command). Needs no display: desktop tests bring their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

need_rust_components() {
  local component
  for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 ||
      fail "cargo $component is missing." "Run: rustup component add rustfmt clippy"
  done
}

ui_checks() {
  (cd ui && npm run --silent check && npm test --silent)
}

own_docs() {
  RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --quiet
}

need_packages "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
need_toolchains
need_rust_components
step "Scripts: shellcheck" shellcheck -x scripts/*.sh .ci/run crates/engine/src/remote/*.sh
step "Format" cargo fmt --all --check
step "Claude Code $CLAUDE_VERSION for tests" claude_code
step "MCP clients for tests" mcp_clients
step "User interface: packages" ui_packages
step "User interface: checks and tests" ui_checks
step "User interface: build" ui_build
# What only speeds up the next build takes as much disk as all the rest, and CI has no next build.
[[ -z ${CI:-} ]] || export CARGO_INCREMENTAL=0
# Whole workspace, all targets, each time: another selection has other features of tokio and tauri,
# and would compile both twice.
step "Iris: build" cargo build --locked --workspace --all-targets
step "Iris: lints" cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
# Nothing may be skipped here, and agents must not find the display or the session of who runs this.
step "Iris: tests" env -u DISPLAY -u WAYLAND_DISPLAY -u DBUS_SESSION_BUS_ADDRESS \
  IRIS_TEST_STRICT=1 cargo test --locked --workspace --lib --bins --tests --no-fail-fast
step "Iris: documentation" own_docs
step "Fuzz" scripts/fuzz.sh 20
say "All checks and tests passed. Pictures of the windows: tests/artifacts/"
