# shellcheck shell=sh
# shellcheck disable=SC2154 # Values come from Iris, functions from common.sh.
#
# Says on which addresses the TCP port iris_port (iris_hex in hexadecimal) listens: the first means
# that the system has.

if [ -r /proc/net/tcp ]; then
  iris_found=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    while read -r _ iris_local _ iris_state _; do
      # 0A is LISTEN.
      case $iris_local:$iris_state in *":$iris_hex:0A") printf '%s ' "${iris_local%:*}" ;; esac
    done)
  say "listening hex $iris_found"
elif command -v netstat >/dev/null; then
  # BSD writes a point before the port.
  say "listening text $(netstat -an | awk -v p="$iris_port" \
    '/^tcp/ && /LISTEN/ && $4 ~ "[.:]" p "$" { sub("[.:]" p "$", "", $4); print $4 }')"
elif command -v lsof >/dev/null; then
  # n*:1615, n127.0.0.1:1615, n[::1]:1615
  say "listening text $(lsof -nP -a -iTCP:"$iris_port" -sTCP:LISTEN -Fn | sed -n 's/^n\(.*\):[0-9]*$/\1/p')"
else
  say "listening unknown"
fi
