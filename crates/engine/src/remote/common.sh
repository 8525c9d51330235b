# shellcheck shell=sh
# shellcheck disable=SC2013,SC2034,SC2086,SC2154 # Values come from Iris, and from one file to the next; lists of ids are split.
#
# What Iris does on a remote host begins with this. POSIX sh, without anything that only bash or
# only Linux has. Every variable is called iris_…, because the rest of the environment is the
# user's. Nothing secret is ever an argument of a program: everybody could read it.

# They hold this text, tokens and all, and could have been exported by the user.
unset l n

# A line for Iris, at the beginning of a line, whatever an rc file printed before it.
say() {
  printf '\niris:%s:%s\n' "$iris_nonce" "$(printf %s "$*" | tr '\n\r' '  ')"
}

# A tenth of a second, where sleep knows tenths.
pause() {
  sleep 0.1 2>/dev/null || sleep 1
}

# Looks at process $1: iris_parent, iris_group and iris_born (with the id it names a process for
# good). Fails when there is none, or only a zombie.
look() {
  if [ -r /proc/self/stat ]; then
    IFS= read -r iris_stat 2>/dev/null <"/proc/$1/stat" || return 1
    # PID (name) STATE PARENT GROUP …; the name may hold spaces and parentheses.
    iris_fields "$1" ${iris_stat##*) }
  else
    # shellcheck disable=SC2046 # These are words.
    iris_words "$(ps -o stat= -o ppid= -o pgid= -o lstart= -p "$1" 2>/dev/null)"
  fi
}

iris_fields() {
  [ $# -ge 21 ] || return 1
  case $2 in Z* | X*) return 1 ;; esac
  iris_parent=$3 iris_group=$4 iris_born=${21}
}

iris_words() {
  # shellcheck disable=SC2086 # These are words.
  set -- $1
  [ $# -ge 4 ] || return 1
  case $1 in Z*) return 1 ;; esac
  iris_parent=$2 iris_group=$3
  shift 3
  iris_born=$(printf %s "$*" | tr ' ' _)
}

# Whether process $1 is still the one that was born at $2.
is_same() {
  look "$1" && [ "$iris_born" = "$2" ]
}

# Adds process $1, unless it is one of those that end the others, or was started by them for this.
iris_add() {
  case " $iris_spared $iris_left " in *" $1 "*) return ;; esac
  [ "$2" = "$iris_self" ] || iris_left="$iris_left $1"
}

# Makes iris_left of what is left of a run: its process group ($1; may be empty), and on Linux also
# what carries its mark ($2) in the environment, wherever it hid. Forks as little as it can: its own
# helpers are in the group too.
gather() {
  iris_left=
  if [ -r /proc/self/stat ]; then
    if [ -n "$1" ]; then
      for iris_each in /proc/[0-9]*; do
        iris_each=${iris_each#/proc/}
        look "$iris_each" && [ "$iris_group" = "$1" ] && iris_add "$iris_each" "$iris_parent"
      done
    fi
    for iris_each in $(grep -lsF "IRIS_RUN=$2" /proc/[0-9]*/environ); do
      iris_each=${iris_each#/proc/}
      iris_each=${iris_each%/environ}
      look "$iris_each" && iris_add "$iris_each" "$iris_parent"
    done
  elif [ -n "$1" ]; then
    for iris_each in $(ps -A -o pid= -o ppid= -o pgid= -o stat= |
      while read -r iris_pid iris_ppid iris_pgid iris_state; do
        case $iris_pgid:$iris_state in
        "$1":Z*) ;;
        "$1":*) echo "$iris_pid:$iris_ppid" ;;
        esac
      done); do
      # The helpers of this very look have ended, or hang below them.
      kill -0 "${iris_each%:*}" 2>/dev/null && iris_add "${iris_each%:*}" "${iris_each#*:}"
    done
  fi
}

# Ends what is left of the run with group $1 and mark $2: TERM, and after three seconds KILL.
end_run() {
  gather "$1" "$2"
  [ -n "$iris_left" ] || return 0
  kill -TERM $iris_left 2>/dev/null
  iris_turn=0
  while [ "$iris_turn" -lt 40 ]; do
    pause
    gather "$1" "$2"
    [ -n "$iris_left" ] || return 0
    [ "$iris_turn" -lt 30 ] || kill -KILL $iris_left 2>/dev/null
    iris_turn=$((iris_turn + 1))
  done
  return 1
}

# Removes what a run ("$@") kept on disk, and the folders above it when nothing else is in them.
remove_files() {
  rm -rf "$@"
  rmdir "$iris_home" "$HOME/.iris-agent" 2>/dev/null
  return 0
}

iris_self=$$
iris_spared=$$
iris_home=${HOME:-}/.iris-agent/$iris_instance
