# shellcheck shell=sh
# shellcheck disable=SC2154 # Values come from Iris, functions from common.sh and prepare.sh.
#
# Says whether Claude Code could be started, step by step, and starts nothing that stays. Iris has
# defined iris_team_env.

need_claude
# In the folder of the run: claude may look for a project where it starts.
iris_version=$(
  cd "$iris_dir" || exit
  set_path
  iris_team_env
  # By this it is found if it stays.
  # shellcheck disable=SC2030,SC2031 # The others were for other shells.
  IRIS_RUN=$iris_mark
  export IRIS_RUN
  "$iris_claude" --version </dev/null 2>&1
) || fail "broken $iris_claude: $iris_version"
say "version $iris_version"
say "found $iris_claude"
enter_folder
say "entered $PWD"
cd / || :
remove_files "$iris_dir"
