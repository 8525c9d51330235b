# shellcheck shell=sh
# shellcheck disable=SC2088 # It is expanded here.
#
# Runs Claude Code in the user's own terminal on this host: in the folder $1; $2 is claudePath, $3 and $4
# are CLAUDE_CONFIG_DIR and HOME of the team's env; any may be empty. Its arguments follow.
whole() {
  case $1 in
  "~") iris_path=$HOME ;;
  "~/"*) iris_path=$HOME/${1#"~/"} ;;
  /*) iris_path=$1 ;;
  *) iris_path=$HOME/$1 ;;
  esac
}
places=$HOME/.local/bin:$HOME/.claude/local:$HOME/.npm-global/bin:$HOME/.volta/bin:$HOME/.bun/bin
iris_claude=${2:-claude}
case $iris_claude in
*/*)
  whole "$iris_claude"
  iris_claude=$iris_path
  ;;
*)
  command -v "$iris_claude" >/dev/null 2>&1 || PATH=$PATH:$places:/usr/local/bin:/opt/homebrew/bin
  # The PATH of a command over ssh is short; that of the user's own shell is not.
  command -v "$iris_claude" >/dev/null 2>&1 || PATH=$PATH:$(
    "${SHELL:-sh}" -lic "sh -c 'echo; echo \"iris-path:\$PATH\"'" </dev/null 2>/dev/null |
      sed -n 's/^iris-path://p' | tail -n 1
  )
  export PATH
  ;;
esac
whole "$1"
cd -- "$iris_path" || exit
[ -z "$3" ] || export CLAUDE_CONFIG_DIR="$3"
[ -z "$4" ] || export HOME="$4"
shift 4
exec "$iris_claude" "$@"
