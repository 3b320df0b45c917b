#!/bin/sh
# What an installation starts: run one suite of the version that was installed, and record how it ended.
# usage: suite.sh SUITE   (sync sets SLUICEGATE_COMPONENT, _VERSION, _ENVIRONMENT, _REPO and a COMPONENT_URL each)
set -eu
suite=$1 what=$SLUICEGATE_COMPONENT=$SLUICEGATE_VERSION
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

sluicegate fetch "$what" --to "$folder" > "$folder/fetched"
tar --extract --gzip --file "$(cat "$folder/fetched")" --directory "$folder"
cd "$folder"
status=0
python3 -m pytest -q -p no:cacheprovider --junitxml=report.xml "tests/$suite" || status=$?
sluicegate record tests "$what" --in "$SLUICEGATE_ENVIRONMENT" --suite "$suite" --junit report.xml
exit "$status"
