# shellcheck shell=sh
# shellcheck disable=SC2013,SC2154 # Values come from Iris, functions from common.sh; ids are words.
#
# Ends and removes what this Iris left on the host. Iris has set iris_link, iris_live (sessions, with
# spaces around each), iris_only (one run, or empty) and iris_leaving (1, or empty).

# Whether the run in folder $1 (SESSION.RUN) is to end.
is_left() {
  if [ -n "$iris_only" ]; then
    [ "$1" = "$iris_only" ]
  else
    case $iris_live in *" ${1%.*} "*) return 1 ;; esac
  fi
}

iris_ended=0 iris_stuck=0

# Ends the run with group $1 and mark $2.
end_one() {
  iris_ended=$((iris_ended + 1))
  end_run "$1" "$2" || iris_stuck=$((iris_stuck + 1))
}

end_runs() {
  for iris_run in "$iris_home"/*.*; do
    iris_base=${iris_run##*/}
    if [ ! -d "$iris_run" ] || ! is_left "$iris_base"; then continue; fi
    iris_pid='' iris_was='' iris_of=''
    # iris_of is 0 where the run led no group.
    [ ! -f "$iris_run/run" ] || read -r iris_pid iris_was iris_of <"$iris_run/run"
    # With the launcher gone, its group may be another's by now: then the mark decides, where the
    # system shows it.
    if [ -z "$iris_of" ] || [ "$iris_of" = 0 ]; then
      iris_of=''
    elif ! is_same "$iris_pid" "$iris_was" && [ -r /proc/self/stat ]; then
      iris_of=''
    fi
    end_one "$iris_of" "$iris_instance/$iris_base/"
    remove_files "$iris_run"
  done
  # Files can be gone while something still runs.
  [ -r /proc/self/stat ] || return 0
  for iris_run in $(grep -lsF "IRIS_RUN=$iris_instance/" /proc/[0-9]*/environ); do
    iris_base=$(tr '\0' '\n' 2>/dev/null <"$iris_run" | sed -n "s|^IRIS_RUN=$iris_instance/\(.*\)/$|\1|p")
    if [ -z "$iris_base" ] || ! is_left "$iris_base"; then continue; fi
    end_one '' "$iris_instance/$iris_base/"
  done
}

# An sshd whose client vanished can hold the tunnel's port for hours. The one that served the last
# connection of this link is written down; when this is another one, that one serves nobody.
end_stale_link() {
  [ -f "$iris_home/$iris_link" ] || return 0
  read -r iris_pid iris_was <"$iris_home/$iris_link"
  if [ "$iris_pid" = "$iris_server" ] || ! is_same "$iris_pid" "$iris_was"; then return 0; fi
  iris_stale=1
  kill -TERM "$iris_pid" 2>/dev/null
  iris_turn=0
  while [ "$iris_turn" -lt 30 ] && is_same "$iris_pid" "$iris_was"; do
    pause
    iris_turn=$((iris_turn + 1))
  done
  ! is_same "$iris_pid" "$iris_was" || kill -KILL "$iris_pid" 2>/dev/null
}

look "$$"
iris_server=$iris_parent iris_stale=0
umask 077
# The link first: its agents end by themselves when it is gone.
[ -n "$iris_only" ] || end_stale_link
# A proof that was cut off left its certificate.
[ -n "$iris_only" ] || remove_files "$iris_home"/proof-*
end_runs
if [ -n "$iris_leaving" ]; then
  remove_files "$iris_home/$iris_link"
elif [ -z "$iris_only" ] && mkdir -p "$iris_home" 2>/dev/null && look "$iris_server"; then
  printf '%s\n' "$iris_server $iris_born" >"$iris_home/$iris_link"
fi
say "swept $iris_ended $iris_stuck $iris_stale"
