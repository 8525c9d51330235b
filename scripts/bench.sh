#!/usr/bin/env bash
# Measures Iris beside its yardsticks, in one run, on release builds. Quote ratios: machines differ.
# Arguments (`policy`, `calls`, `record`, `messages`, `transcript`, `pending`, `programs`, `freeze`, `remote`) name the parts to measure; none: all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

need_packages "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
need_toolchains
step "User interface: packages" ui_packages
step "User interface: build" ui_build
step "Claude Code $CLAUDE_VERSION for tests" claude_code
step "Iris: release build" cargo build --release --locked -p iris-desktop -p iris-cli
say "Iris: measuring …"
exec env -u DISPLAY -u WAYLAND_DISPLAY -u DBUS_SESSION_BUS_ADDRESS \
  cargo bench --locked -p iris-tests --bench iris -- "$@"
