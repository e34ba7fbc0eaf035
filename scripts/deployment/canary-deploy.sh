#!/usr/bin/env bash
# Usage: canary-deploy.sh -v VERSION [-s STRATEGY] [-m SECONDS] [-e ENVIRONMENT] [-r REGISTRY] [option of `moodify deploy` ...]
#
# Gives a version a growing share of the traffic, judges it at each stage, promotes it at the end, and takes it back by
# itself if it is worse.
#
#   -v, --version      tag of the images, such as v1.2.3 (variable IMAGE_TAG)
#   -s, --strategy     progressive: 10, 25, 50, 100 %; staged: 10, 50, 100 %; immediate: 100 % once checks pass (progressive)
#   -m, --monitor      seconds of watching at each stage (300; staged 900)
#   -e, --environment  development, staging or production (the one that NAMESPACE names, else production)
#   -r, --registry     where the images are (variable IMAGE_REGISTRY, else moodify.yaml, else that of what runs now)
#   -h, --help
#
# Other options are handed on, such as --dry-run, --supersede, --again and --yes.
set -euo pipefail
# shellcheck source=scripts/deployment/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

read_release "$@"
moodify deploy -e "$environment" -v "$version" -s canary --profile "${strategy:-progressive}" ${options[@]+"${options[@]}"}
