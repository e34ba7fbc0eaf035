#!/usr/bin/env bash
# Stands in for gcloud: notes what it was asked, and knows one command.
echo "gcloud $*" >>"$STAND_IN_LOG"
case "$1 $2 ${3:-}" in
  "firestore import gs://"*) echo 'Waiting for [import] to finish...done.' ;;
  *) echo "gcloud: the stand-in does not know: $*" >&2; exit 2 ;;
esac
