# shellcheck shell=sh
# shellcheck disable=SC2013,SC2034,SC2154,SC2086 # Values come from Iris, functions from common.sh; ids are words.
#
# Stops the agent of one run where it stands, with all that it started, or lets it go on. Iris has set
# iris_only (the run) and iris_signal (STOP or CONT). The launcher and its watchdog go on: they end the
# agent when the link is gone.

# Makes iris_left of the agent, and of what descends from it or carries its mark.
gather_agent() {
  iris_left=
  if [ -r /proc/self/stat ]; then
    for iris_each in $(grep -lsF "IRIS_RUN=$iris_instance/$iris_only/" /proc/[0-9]*/environ); do
      iris_each=${iris_each#/proc/}
      iris_each=${iris_each%/environ}
      look "$iris_each" && iris_add "$iris_each" "$iris_parent"
    done
    # Children of children that shed the mark; a few rounds are deep enough.
    for iris_round in 1 2 3 4 5; do
      iris_more=$iris_left
      for iris_each in /proc/[0-9]*; do
        iris_each=${iris_each#/proc/}
        look "$iris_each" || continue
        case " $iris_left " in *" $iris_parent "*) iris_add "$iris_each" 0 ;; esac
      done
      [ "$iris_more" != "$iris_left" ] || break
    done
  else
    # No process shows its environment: it is the launcher's child that runs Claude Code.
    iris_all=$(ps -A -o pid= -o ppid= -o command= | while read -r iris_pid iris_ppid iris_command; do
      case $iris_ppid:$iris_command in
      "$iris_launcher":*claude*) echo "$iris_pid:$iris_ppid:agent" ;;
      *) echo "$iris_pid:$iris_ppid:" ;;
      esac
    done)
    for iris_each in $iris_all; do
      case $iris_each in *:agent) iris_left="$iris_left ${iris_each%%:*}" ;; esac
    done
    for iris_round in 1 2 3 4 5; do
      iris_more=$iris_left
      for iris_each in $iris_all; do
        iris_parent=${iris_each#*:}
        case " $iris_left " in *" ${iris_parent%%:*} "*) iris_add "${iris_each%%:*}" 0 ;; esac
      done
      [ "$iris_more" != "$iris_left" ] || break
    done
  fi
}

# Counts in iris_found and iris_stopped; iris_running are the others.
count() {
  iris_found=0 iris_stopped=0 iris_running=
  for iris_each in $iris_left; do
    if [ -r /proc/self/stat ]; then
      IFS= read -r iris_stat 2>/dev/null <"/proc/$iris_each/stat" || continue
      iris_state=${iris_stat##*) }
    else
      iris_state=$(ps -o stat= -p "$iris_each" 2>/dev/null) || continue
    fi
    case $iris_state in
    Z* | X* | '') ;;
    T*) iris_found=$((iris_found + 1)) iris_stopped=$((iris_stopped + 1)) ;;
    *) iris_found=$((iris_found + 1)) iris_running="$iris_running $iris_each" ;;
    esac
  done
}

iris_launcher=0
[ ! -f "$iris_home/$iris_only/run" ] || read -r iris_launcher iris_rest <"$iris_home/$iris_only/run"
# A shell that runs while its command stands still takes that for put aside, and runs the next: whoever
# started another stops before it, and goes on after it. By their ids the older are first.
case $iris_signal in CONT) iris_order=-rn ;; *) iris_order=-n ;; esac
iris_turn=0
while :; do
  gather_agent
  iris_left=$(printf '%s\n' $iris_left | sort $iris_order)
  count
  for iris_each in $iris_left; do
    # After some turns all are: one hangs in the kernel.
    if [ "$iris_signal" = STOP ] && [ "$iris_turn" -lt 5 ] && look "$iris_each"; then
      case " $iris_running " in *" $iris_parent "*) continue ;; esac
    fi
    kill "-$iris_signal" "$iris_each" 2>/dev/null
  done
  gather_agent
  count
  # Whoever forked before it was stopped shows in the next look.
  if [ "$iris_signal" = CONT ] || [ "$iris_found" = "$iris_stopped" ] || [ "$iris_turn" -ge 10 ]; then break; fi
  pause
  iris_turn=$((iris_turn + 1))
done
say "halted $iris_found $iris_stopped"
