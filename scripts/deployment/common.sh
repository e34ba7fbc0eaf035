# shellcheck shell=bash disable=SC2034
# Sourced by the scripts beside it: which environment is meant, and how moodify is started.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Prints the comment at the top of the script, from "Usage" on.
usage() {
  sed -n '/^# Usage/,/^[^#]/{s/^# \{0,1\}//p}' "$0"
}

# What the two deploying scripts take: sets environment, version, strategy and IMAGE_REGISTRY; the rest goes to options.
read_release() {
  local asked=
  version=${IMAGE_TAG:-} strategy='' options=()
  while (($#)); do
    case $1 in
      -h | --help) usage; exit ;;
      -e | --environment) needs_value "$@"; asked=$2; shift 2 ;;
      -v | --version) needs_value "$@"; version=$2; shift 2 ;;
      -s | --strategy) needs_value "$@"; strategy=$2; shift 2 ;;
      -r | --registry) needs_value "$@"; export IMAGE_REGISTRY=$2; shift 2 ;;
      *) options+=("$1"); shift ;;
    esac
  done
  [[ $version ]] || { echo "which version? Give -v, or set IMAGE_TAG; see --help" >&2; exit 2; }
  environment=$(choose_environment "$asked")
}

# Prints what -e says, else what NAMESPACE names, else production. NAMESPACE may still be set from the deployment before,
# so it never wins over -e.
choose_environment() {
  local asked=$1 named=
  [[ -z ${NAMESPACE:-} ]] || named=${NAMESPACE#moodify-}
  if [[ $asked && $named && $named != "$asked" ]]; then
    echo "warning: -e $asked is what counts; NAMESPACE=$NAMESPACE is set too and is not used" >&2
  fi
  echo "${asked:-${named:-production}}"
}

# Installs itself on a fresh clone. Its first line names environment, namespace and context.
moodify() {
  cd "$root" || exit
  exec node tools/run.mjs bin/moodify.mjs "$@"
}

needs_value() {
  [[ $# -ge 2 && -n $2 ]] || { echo "$1 needs a value; see --help" >&2; exit 2; }
}
