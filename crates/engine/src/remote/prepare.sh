# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # Values come from Iris, functions from common.sh.
#
# What a run needs before Claude Code can be started: a folder for its files, Claude Code itself, and
# the project's folder. Iris has set iris_session, iris_run (the session, a point, and what tells its
# runs apart), iris_folder and iris_given (claudePath).

# What is said when something is missing; nothing stays behind.
fail() {
  say "failed $*"
  [ -z "$iris_dir" ] || remove_files "$iris_dir"
  exit 1
}

# --- where claude is -------------------------------------------------------------------------

try() {
  case "$iris_looked, " in *", $1, "*) return 1 ;; esac
  iris_looked="$iris_looked, $1"
  [ -f "$1" ] || return 1
  if [ -x "$1" ]; then
    iris_claude=$1
    return 0
  fi
  iris_unusable=${iris_unusable:-$1}
  return 1
}

# A relative entry does not count: it would mean another program in each project.
try_path() {
  iris_rest=$1:
  while [ -n "$iris_rest" ]; do
    iris_entry=${iris_rest%%:*}
    iris_rest=${iris_rest#*:}
    case $iris_entry in /*) try "$iris_entry/$iris_name" && return 0 ;; esac
  done
  return 1
}

# Where its installers, and those of Node, put it: the PATH of a command over ssh is short.
try_places() {
  for iris_entry in "$HOME/.local/bin" "$HOME/.claude/local" "$HOME/.npm-global/bin" \
    "$HOME/.volta/bin" "$HOME/.bun/bin" "$HOME/.local/share/mise/shims" "$HOME/.asdf/shims" \
    "${NVM_DIR:-$HOME/.nvm}"/versions/node/*/bin "$HOME"/.local/share/mise/installs/node/*/bin \
    "$HOME"/.local/share/fnm/node-versions/*/installation/bin "$HOME/n/bin" \
    /usr/local/bin /opt/homebrew/bin /home/linuxbrew/.linuxbrew/bin /usr/bin; do
    try "$iris_entry/$iris_name" && return 0
  done
  return 1
}

# The PATH as the user's own shell has it. What that shell prints, waits for or starts is the user's
# business: it has no input, five seconds, and the mark by which it is ended if it stays.
try_shell() {
  [ -x "${SHELL:-}" ] || return 1
  iris_flag=$1
  # csh reads its startup file in any case, and knows no -lc.
  case ${SHELL##*/} in csh | tcsh) iris_flag=-c ;; esac
  (
    # shellcheck disable=SC2030 # For this shell only.
    IRIS_RUN=$iris_mark
    export IRIS_RUN
    "$SHELL" "$iris_flag" "sh -c 'echo; echo \"iris-path:\$PATH\"'"
    echo iris-end
  ) </dev/null >"$iris_dir/path" 2>/dev/null &
  iris_child=$!
  iris_turn=0
  while [ "$iris_turn" -lt 50 ] && ! grep -q '^iris-end$' "$iris_dir/path"; do
    pause
    iris_turn=$((iris_turn + 1))
  done
  kill -KILL "$iris_child" 2>/dev/null
  wait "$iris_child" 2>/dev/null
  [ "$iris_turn" -lt 50 ] || end_run "" "$iris_mark"
  iris_found=$(sed -n 's/^iris-path://p' "$iris_dir/path" | tail -n 1)
  rm -f "$iris_dir/path"
  if [ -n "$iris_found" ] && try_path "$iris_found"; then
    PATH=$iris_found
    return 0
  fi
  return 1
}

find_claude() {
  iris_looked='' iris_unusable='' iris_claude=''
  case $iris_given in
  */*)
    try "$iris_given"
    return
    ;;
  esac
  iris_name=${iris_given:-claude}
  try_path "$PATH" || try_places || try_shell -lc || try_shell -ic
}

# Ends with what is wrong when it is not there.
need_claude() {
  find_claude
  if [ -z "$iris_claude" ]; then
    [ -z "$iris_unusable" ] || fail "executable $iris_unusable"
    fail "claude ${iris_looked#, }"
  fi
}

# The PATH that Claude Code gets.
set_path() {
  # An installation of Node has its node beside claude.
  case ":$PATH:" in
  *":${iris_claude%/*}:"*) ;;
  *) PATH=${iris_claude%/*}:$PATH ;;
  esac
  export PATH
}

# --- the folders -----------------------------------------------------------------------------

# Makes the folder of the run, with what a sweep has to know of it.
begin_run() {
  [ -d "${HOME:-}" ] || fail home
  iris_umask=$(umask)
  umask 077
  iris_mark=$iris_instance/$iris_run/
  iris_dir=$iris_home/$iris_run
  mkdir -p "$iris_dir" 2>/dev/null || {
    iris_dir=''
    fail files
  }
  # The group is this run's own if this leads it, as under sshd.
  iris_own=''
  look "$$" && [ "$iris_group" = "$$" ] && iris_own=$$
  # The one that started this shell, even if it is gone by now.
  iris_server=$PPID
  printf '%s\n' "$$ $iris_born ${iris_own:-0}" >"$iris_dir/run" || fail files
}

# Goes to the project's folder.
enter_folder() {
  [ -e "$iris_folder" ] || fail "folder $iris_folder"
  [ -d "$iris_folder" ] || fail "not-folder $iris_folder"
  cd "$iris_folder" 2>/dev/null || fail "closed-folder $iris_folder"
}

iris_dir=''
# Claude Code is told to end by the end of its input; then this tidies up, whether or not somebody
# still hears what it says. Caught, not ignored: what is started would ignore them too.
trap : HUP INT PIPE TERM
begin_run
