#!/usr/bin/env bash
# Usage: rollback.sh [-t TARGET] [-v VERSION] [-e ENVIRONMENT] [-f] [option of `moodify rollback` ...]
#
# Puts the version before back. It is never refused because a release runs, a window is closed, or somebody has to
# approve.
#
#   -t, --to           undo: the version that was released before; blue-green: the other colour; canary: end the canary;
#                      rolling; version: the one that -v names (undo)
#   -v, --version      for -t version
#   -e, --environment  development, staging or production (the one that NAMESPACE names, else production)
#   -f, --force        do not ask
#   -h, --help
#
# Other options are handed on, such as --detach.
set -euo pipefail
# shellcheck source=scripts/deployment/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

asked='' options=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    -e | --environment) needs_value "$@"; asked=$2; shift 2 ;;
    *) options+=("$1"); shift ;;
  esac
done
environment=$(choose_environment "$asked")
moodify rollback -e "$environment" ${options[@]+"${options[@]}"}
