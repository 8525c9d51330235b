#!/usr/bin/env bash
# Builds Iris and starts it: the tray application, or `iris serve` where there is no display.
# Installs what is missing first (as root; others are told the one command).
#
#   scripts/run.sh [--build-only] [ARGUMENTS FOR IRIS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh

build_only=false
if [[ ${1:-} == --build-only ]]; then
  build_only=true
  shift
fi

need_packages "${RUN_PACKAGES[@]}"
need_toolchains
[[ -x target/release/iris-desktop ]] || say "The first build takes eight to fifteen minutes on two cores."
step "User interface: packages" ui_packages
step "User interface: build" ui_build
step "Iris: release build" cargo build --release --locked -p iris-desktop -p iris-cli
if $build_only; then
  say "Built: target/release/iris-desktop and target/release/iris"
  exit
fi

if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]]; then
  say "Starting Iris. Look for its icon in the tray; \`target/release/iris status\` works, too."
  exec target/release/iris-desktop "$@"
fi
say "There is no display (DISPLAY and WAYLAND_DISPLAY are not set), so Iris runs without a window."
say "Use it from another terminal: target/release/iris status | pending | approve ID | --help"
exec target/release/iris serve "$@"
