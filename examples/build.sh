#!/bin/sh
# A build: checkout, unit tests, quality figures, publish.
# usage: build.sh COMPONENT GIT_URL   (in an empty folder; SLUICEGATE_REPO names the delivery repo)
set -eu
component=$1 git=$2
started=$(date -u +%Y-%m-%dT%H:%M:%S+0000)

git clone --quiet "$git" source
cd source
version=$(cat VERSION).$(git rev-list --first-parent --count HEAD)
commit_time=$(git log -1 --format=%ct)

python3 -m pytest -q -p no:cacheprovider --junitxml=../unit.xml \
    --cov="$component" --cov-report=json:../coverage.json --cov-report= tests/unit
tests=$(python3 -c 'import sys, xml.etree.ElementTree as x; print(len(list(x.parse(sys.argv[1]).iter("testcase"))))' ../unit.xml)
coverage=$(python3 -c 'import json, sys; print(round(json.load(open(sys.argv[1]))["totals"]["percent_covered"]))' ../coverage.json)
lint=$(ruff check --no-cache --exit-zero --output-format=json . | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')

# The same commit gives the same bytes, so that a build that is run again publishes nothing new.
echo "$version" > RELEASE
tar --create --sort=name --mtime="@$commit_time" --owner=0 --group=0 --numeric-owner \
    --exclude=.git --exclude=__pycache__ --exclude=.coverage --exclude=.ruff_cache . | gzip -n > "../$component-$version.tar.gz"

sluicegate publish "$component=$version" "../$component-$version.tar.gz" --source . --build-started "$started" \
    --figure "tests=$tests" --figure "coverage=$coverage" --figure "lint=$lint"
