# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # Values come from Iris, functions from common.sh.
#
# Starts Claude Code on a remote host, waits for it, and leaves nothing behind. Its arguments are
# this program's ("$@"). Iris has set iris_session, iris_folder, iris_given (claudePath), iris_token,
# iris_ca, iris_keep (a pattern of names), iris_dropped (likewise) and iris_interval, and defined
# iris_team_env.

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

# --- its environment -------------------------------------------------------------------------

# Takes away what is not on the list: an agent has no business with the user's ssh-agent, session
# bus or display.
clean_environment() {
  for iris_each in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
    eval "case \$iris_each in
      iris_*) ;;
      $iris_dropped) unset \$iris_each ;;
      $iris_keep) ;;
      *) unset \$iris_each ;;
    esac" 2>/dev/null
  done
}

# The way to Iris is 127.0.0.1; a proxy would refuse it, or see every request.
keep_loopback_off_the_proxy() {
  [ -n "${HTTP_PROXY:-}${HTTPS_PROXY:-}${ALL_PROXY:-}${http_proxy:-}${https_proxy:-}${all_proxy:-}" ] ||
    return 0
  NO_PROXY=${NO_PROXY:+$NO_PROXY,}127.0.0.1,localhost
  no_proxy=${no_proxy:+$no_proxy,}127.0.0.1,localhost
  export NO_PROXY no_proxy
}

# Iris shows its own certificate; others that the user trusts stay trusted.
trust_iris() {
  [ -n "$iris_ca" ] || return 0
  {
    printf '%s\n' "$iris_ca"
    [ ! -f "${NODE_EXTRA_CA_CERTS:-}" ] || cat "$NODE_EXTRA_CA_CERTS"
  } >"$iris_dir/ca.pem"
  NODE_EXTRA_CA_CERTS=$iris_dir/ca.pem
  export NODE_EXTRA_CA_CERTS
}

# --- the watchdog ----------------------------------------------------------------------------

# Ends the run when the sshd that serves it is gone, or the launcher. Nobody would tell a Claude Code
# that is in the middle of a turn.
watch() {
  trap 'kill "$iris_nap" 2>/dev/null; exit 0' TERM
  trap '' HUP
  while look "$$" && [ "$iris_parent" = "$iris_server" ]; do
    sleep "$iris_interval" &
    iris_nap=$!
    wait "$iris_nap"
  done
  # Of a subshell no variable says the id; a program that it starts has it for a parent.
  sh -c 'echo "$PPID"' >"$iris_dir/self"
  read -r iris_self <"$iris_dir/self"
  iris_spared="$$ $iris_self"
  end_run "$iris_own" "$iris_mark"
  # The launcher, if it is there still, comes here too; twice does no harm.
  remove_files "$iris_dir"
}

# --- the run ---------------------------------------------------------------------------------

iris_dir=''
# Claude Code is told to end by the end of its input; then this tidies up. Caught, not ignored: what
# is started would ignore them too.
trap : HUP INT TERM
[ -d "${HOME:-}" ] || fail home
iris_umask=$(umask)
umask 077
iris_mark=$iris_instance/$iris_session.$$/
iris_dir=$iris_home/$iris_session.$$
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

find_claude
if [ -z "$iris_claude" ]; then
  [ -z "$iris_unusable" ] || fail "executable $iris_unusable"
  fail "claude ${iris_looked#, }"
fi
[ -e "$iris_folder" ] || fail "folder $iris_folder"
[ -d "$iris_folder" ] || fail "not-folder $iris_folder"
cd "$iris_folder" 2>/dev/null || fail "closed-folder $iris_folder"

watch </dev/null >/dev/null 2>&1 &
iris_watch=$!
say "started $$ $iris_claude"
(
  clean_environment
  # An installation of Node has its node beside claude.
  case ":$PATH:" in
  *":${iris_claude%/*}:"*) ;;
  *) PATH=${iris_claude%/*}:$PATH ;;
  esac
  export PATH
  iris_team_env
  keep_loopback_off_the_proxy
  trust_iris
  umask "$iris_umask"
  # shellcheck disable=SC2031 # The other one was for another shell.
  IRIS_RUN=$iris_mark IRIS_SESSION=$iris_session
  export IRIS_RUN IRIS_SESSION
  if [ -n "$iris_token" ]; then
    IRIS_TOKEN=$iris_token
    export IRIS_TOKEN
  fi
  exec "$iris_claude" "$@"
)
iris_status=$?
kill -TERM "$iris_watch" 2>/dev/null
wait "$iris_watch" 2>/dev/null
end_run "$iris_own" "$iris_mark"
remove_files "$iris_dir"
exit "$iris_status"
