#!/usr/bin/env bash
# Stands in for the AWS CLI, version 2: notes what it was asked, and knows of each command the options that its reference
# calls required.
echo "aws $*" >>"$STAND_IN_LOG"

require() {
  local name missing=()
  for name; do [[ " $all " == *" $name "* ]] || missing+=("$name"); done
  ((${#missing[@]} == 0)) || { echo "aws: error: the following arguments are required: ${missing[*]}" >&2; exit 252; }
}

all=$*
case "$1 $2" in
  "docdb restore-db-cluster-from-snapshot")
    require --db-cluster-identifier --snapshot-identifier --engine
    echo '{"DBCluster": {"DBClusterIdentifier": "moodify-production-restored", "Status": "creating"}}'
    ;;
  "docdb describe-db-clusters")
    echo '{"DBClusters": [{"DBClusterIdentifier": "moodify-production", "Status": "available"}]}'
    ;;
  "elasticache reboot-cache-cluster")
    require --cache-cluster-id --cache-node-ids-to-reboot
    echo '{"CacheCluster": {"CacheClusterId": "moodify-production-redis", "CacheClusterStatus": "rebooting cluster nodes"}}'
    ;;
  *)
    echo "aws: error: the stand-in does not know: $*" >&2
    exit 252
    ;;
esac
