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

read_release "$@"
moodify deploy -e "$environment" -v "$version" -s "${strategy:-blue-green}" ${options[@]+"${options[@]}"}
