# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are for the scripts that source this
# What run.sh and test.sh share: they source this file. It says what it does, with the time since
# the start, and changes the system only as root.

STARTED=$SECONDS

# The oldest that work: Rust as Cargo.toml says, Node as Vite needs.
RUST_MIN=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
NODE_MIN=20.19

# To build and run: GTK and WebKit for the window, Ayatana for the tray, D-Bus for notifications.
RUN_PACKAGES=(
  build-essential pkg-config curl ca-certificates
  libwebkit2gtk-4.1-dev libayatana-appindicator3-dev librsvg2-dev libdbus-1-dev libssl-dev
  openssh-client
)
# To test: a private desktop, a keyring, a WebDriver, pictures of the screen, a linter for scripts, a
# remote host with the login shells that it may have, and with one-time codes, an MCP client in Python.
TEST_PACKAGES=(
  xvfb xterm dbus gnome-keyring libsecret-tools libglib2.0-bin webkit2gtk-driver imagemagick
  shellcheck util-linux fonts-dejavu-core openssh-server iproute2 zsh fish tcsh busybox
  libpam-google-authenticator python3-venv
)
# To measure the tray application beside a real panel.
BENCH_PACKAGES=(xfce4-panel xfconf)

# The real Claude Code that the journeys run. Pinned: it changes about daily, and what Iris relies
# on was measured with this version. It may not be redistributed, so it is fetched here.
CLAUDE_VERSION=2.1.330
CLAUDE_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/iris-test/claude-$CLAUDE_VERSION

# MCP clients that the tests put before Iris, with a Node that runs them. The directory's name says
# which versions are in it.
CLIENTS_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/iris-test/clients

say() {
  printf '[%3ds] %s\n' "$((SECONDS - STARTED))" "$*"
}

fail() {
  printf '[%3ds] FAILED: %s\n' "$((SECONDS - STARTED))" "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# Runs a step: its name, then the command. Says how long it took; stops everything if it fails.
# Inside a step `set -e` has no effect: a function with several commands must chain them.
step() {
  local name=$1 began=$SECONDS
  shift
  say "$name …"
  "$@" || fail "$name" "The command was: $*"
  say "$name: ok ($((SECONDS - began)) s)"
}

# Installs what is missing of these Debian packages. As root; others are told the one command.
need_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    local program missing_programs=()
    for program in cc pkg-config curl; do
      command -v "$program" >/dev/null || missing_programs+=("$program")
    done
    if ((${#missing_programs[@]} == 0)) && pkg-config --exists webkit2gtk-4.1 2>/dev/null; then
      say "This is not Debian or Ubuntu; what the build needs is here, so it goes on."
      return
    fi
    fail "This system is not Debian or Ubuntu, so nothing can be installed for you." \
      "Install the equivalents of: $*" "Then run this again."
  fi
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    fail "System packages are missing. Run this one command, then this script again:" \
      "sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
  fi
  say "Installing system packages: ${missing[*]}"
  apt-get update -qq ||
    fail "The package lists cannot be fetched." "Check the network, and the sources of apt."
  # A line for each package that is ready; the rest is noise.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" |
    awk '/^Setting up/ { print "       " $0; fflush() }' ||
    fail "The packages cannot be installed." "Try: apt-get install ${missing[*]}"
}

# Whether version $1 is at least $2.
at_least() {
  [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# Rust and Node are the user's own choice of installation: they are checked, never installed.
need_toolchains() {
  local version
  if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  command -v cargo >/dev/null ||
    fail "Rust is missing." \
      "Install Rust $RUST_MIN or newer with rustup (https://rustup.rs), then run this again."
  version=$(cargo --version | cut -d ' ' -f 2)
  at_least "$version" "$RUST_MIN" ||
    fail "Rust $version is too old: Iris needs $RUST_MIN or newer." "Run: rustup update stable"
  command -v npm >/dev/null ||
    fail "Node.js with npm is missing." \
      "Install Node.js $NODE_MIN or newer (https://nodejs.org), then run this again."
  version=$(node --version)
  version=${version#v}
  at_least "$version" "$NODE_MIN" ||
    fail "Node.js $version is too old: Iris needs $NODE_MIN or newer." "See https://nodejs.org for a newer one."
}

# The packages of the user interface, only when package-lock.json changed since the last time.
ui_packages() {
  local stamp=ui/node_modules/.installed-for
  cmp -s ui/package-lock.json "$stamp" && return
  (cd ui && npm ci --no-audit --no-fund --loglevel=error) && cp ui/package-lock.json "$stamp"
}

# The user interface, only when a source is newer than what was built. Rust embeds ui/dist.
ui_build() {
  local built=ui/dist/index.html
  if [[ -f $built ]] &&
    [[ -z $(find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -type f -newer "$built" -print -quit) ]]; then
    return
  fi
  (cd ui && npm run --silent build)
}

# Fetches it unless it is there, and says to the tests where it is.
claude_code() {
  local arch
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) fail "There is no Claude Code for $(uname -m)." "The journeys need x86_64 or aarch64." ;;
  esac
  local name=claude-code-linux-$arch
  export IRIS_TEST_CLAUDE=$CLAUDE_CACHE/node_modules/@anthropic-ai/$name/claude
  [[ -x $IRIS_TEST_CLAUDE && -f $CLAUDE_CACHE/complete ]] && return
  # The platform's package alone: one binary, no install scripts, nothing global.
  mkdir -p "$CLAUDE_CACHE" &&
    npm install --prefix "$CLAUDE_CACHE" --ignore-scripts --no-save --no-audit --no-fund --loglevel=error \
      "@anthropic-ai/$name@$CLAUDE_VERSION" &&
    "$IRIS_TEST_CLAUDE" --version &&
    touch "$CLAUDE_CACHE/complete"
}

# The MCP clients of others and the conformance suite, as tests/clients names them: fetched once, and
# said to the tests where they are.
mcp_clients() {
  local sources=tests/clients names sum
  names=("$sources/package-lock.json" "$sources/requirements.txt")
  sum=$(cat "${names[@]}" | sha256sum | cut -c 1-12) || return
  export IRIS_TEST_CLIENTS=$CLIENTS_CACHE-$sum
  [[ -f $IRIS_TEST_CLIENTS/complete ]] && return
  mkdir -p "$IRIS_TEST_CLIENTS" &&
    cp "$sources"/{package.json,package-lock.json,.npmrc} "$IRIS_TEST_CLIENTS" &&
    npm ci --prefix "$IRIS_TEST_CLIENTS" --ignore-scripts --loglevel=error &&
    python3 -m venv "$IRIS_TEST_CLIENTS/python" &&
    "$IRIS_TEST_CLIENTS/python/bin/pip" install --quiet --disable-pip-version-check --no-input \
      --only-binary :all: --no-deps --requirement "$sources/requirements.txt" &&
    touch "$IRIS_TEST_CLIENTS/complete"
}
