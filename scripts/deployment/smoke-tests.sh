#!/usr/bin/env bash
# Usage: smoke-tests.sh [ENVIRONMENT] [--track TRACK | --url URL] [--json]
#
# Sends the smoke tests of moodify.yaml to every version that has ready pods: to the live one and to the one that waits
# beside it, each at its direct address. Ends with 0 when all passed, with 6 when one did not.
#
#   ENVIRONMENT        development, staging or production (the one that NAMESPACE names, else production);
#                      `canary` is the canary of that one
#   --track            only this one: blue, green, canary, stable, or live
#   --url              to this address instead, such as https://api.moodify.com; no cluster is asked
#   --json             print one JSON document and nothing else
#   -h, --help
set -euo pipefail
# shellcheck source=scripts/deployment/common.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

asked='' options=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    -e | --environment) needs_value "$@"; asked=$2; shift 2 ;;
    --track) needs_value "$@"; options+=(--slot "$2"); shift 2 ;;
    --url) needs_value "$@"; options+=(--url "$2"); shift 2 ;;
    --json) options+=(--json); shift ;;
    canary) options+=(--slot canary); shift ;;
    -*) echo "no such option: $1; see --help" >&2; exit 2 ;;
    *) asked=$1; shift ;;
  esac
done
environment=$(choose_environment "$asked")
moodify step verify -e "$environment" ${options[@]+"${options[@]}"}
