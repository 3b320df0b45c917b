#!/bin/sh
# expand, verify or contract of the version whose archive lies in SLUICEGATE_FILES.
set -eu
case $1 in expand | verify | contract) ;; *) echo "expand, verify or contract, not '$1'" >&2; exit 2 ;; esac
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
tar -xzf "$SLUICEGATE_FILES"/*.tar.gz -C "$folder"
cd "$folder"
if [ "$1" = verify ]; then
    python3 verify.py
else
    alembic --raiseerr upgrade "$1@head"
fi
