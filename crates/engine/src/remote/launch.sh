# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # Values come from Iris, functions from common.sh and prepare.sh.
#
# Starts Claude Code on a remote host, waits for it, and leaves nothing behind. Its arguments are
# this program's ("$@"). Iris has set iris_token, iris_ca, iris_keep (a pattern of names),
# iris_dropped (likewise) and iris_interval, and defined iris_team_env; prepare.sh came before.

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

need_claude
enter_folder

watch </dev/null >/dev/null 2>&1 &
iris_watch=$!
say "started $$ $iris_claude"
(
  clean_environment
  set_path
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
