# shellcheck shell=sh
# shellcheck disable=SC2154 # Values come from Iris, functions from common.sh.
#
# Removes Claude Code's own record of the conversation iris_session, and nothing else: links are not
# followed. Iris has set iris_config and iris_user_home, where the team's env has CLAUDE_CONFIG_DIR
# and HOME. The folder that the record is in is named after where the conversation began, which may
# not be the team's folder any more.

forget() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  rm -rf -- "$1" 2>/dev/null
  if [ -e "$1" ] || [ -L "$1" ]; then say "kept $1"; else say "removed $1"; fi
}

iris_user_home=${iris_user_home:-${HOME:-}}
iris_config=${iris_config:-${CLAUDE_CONFIG_DIR:-$iris_user_home/.claude}}
# Where the agent starts is where a relative one begins.
case $iris_config in
/*) ;;
*) iris_config=$iris_folder/$iris_config ;;
esac
iris_projects=$iris_config/projects
if [ -e "$iris_projects" ] && ! { [ -d "$iris_projects" ] && [ -r "$iris_projects" ] && [ -x "$iris_projects" ]; }; then
  say "kept $iris_projects"
else
  for iris_each in "$iris_projects"/*; do
    if [ -d "$iris_each" ] && [ ! -L "$iris_each" ]; then
      forget "$iris_each/$iris_session.jsonl"
      forget "$iris_each/$iris_session"
    fi
  done
fi
say forgotten
