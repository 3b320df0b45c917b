# A build of a Python component: unit tests, quality figures, publish. The workspace is the checkout.
# The build's address is BUILD_URL, which sluicegate reads itself. Jenkins has no variable for a build's start, so it is
# the start of this step: the checkout before it is not counted. A shop with a time stamp in a variable gives that one.
started=$(date -u +%Y-%m-%dT%H:%M:%S+0000)
rm -rf out
mkdir out
version=$(cat VERSION).$(git rev-list --first-parent --count HEAD)
commit_time=$(git log -1 --format=%ct)

python3 -m pytest -q -p no:cacheprovider --junitxml=out/unit.xml \
    --cov="$COMPONENT" --cov-report=json:out/coverage.json --cov-report= "$UNIT_TESTS"
tests=$(python3 -c 'import sys, xml.etree.ElementTree as x; print(len(list(x.parse(sys.argv[1]).iter("testcase"))))' out/unit.xml)
coverage=$(python3 -c 'import json, sys; print(round(json.load(open(sys.argv[1]))["totals"]["percent_covered"]))' out/coverage.json)
lint=$(ruff check --no-cache --exit-zero --output-format=json . | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')

# The same commit gives the same bytes, so that a build that is run again publishes nothing new.
echo "$version" > RELEASE
file=out/$COMPONENT-$version.tar.gz
tar --create --sort=name --mtime="@$commit_time" --owner=0 --group=0 --numeric-owner \
    --exclude=.git --exclude=./out --exclude=__pycache__ --exclude=.coverage --exclude=.ruff_cache . | gzip -n > "$file"

sluicegate publish "$COMPONENT=$version" "$file" --source . --build-started "$started" \
    --figure "tests=$tests" --figure "coverage=$coverage" --figure "lint=$lint"
