#!/usr/bin/env bash
# Usage: blue-green-deploy.sh -v VERSION [-e ENVIRONMENT] [-r REGISTRY] [-m SECONDS] [option of `moodify deploy` ...]
#
# Deploys a version to the idle colour, checks it there, switches the traffic, watches, and switches back by itself if
# the new version is worse.
#
#   -v, --version      tag of the images, such as v1.2.3 (variable IMAGE_TAG)
#   -e, --environment  development, staging or production (the one that NAMESPACE names, else production)
#   -r, --registry     where the images are (variable IMAGE_REGISTRY, else moodify.yaml, else that of what runs now)
#   -m, --monitor      seconds of watching after the switch (300)
#   -h, --help
#
# Other options are handed on, such as --dry-run, --supersede, --again and --yes.
set -euo pipefail
# shellcheck source=scripts/deployment/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

asked='' version=${IMAGE_TAG:-} options=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    -e | --environment) needs_value "$@"; asked=$2; shift 2 ;;
    -v | --version) needs_value "$@"; version=$2; shift 2 ;;
    -r | --registry) needs_value "$@"; export IMAGE_REGISTRY=$2; shift 2 ;;
    *) options+=("$1"); shift ;;
  esac
done
[[ $version ]] || { echo "which version? Give -v, or set IMAGE_TAG; see --help" >&2; exit 2; }
environment=$(choose_environment "$asked")
moodify deploy -e "$environment" -v "$version" -s blue-green ${options[@]+"${options[@]}"}
