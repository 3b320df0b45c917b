# Run one suite of the version that was installed, against where it was installed, and record how it ended.
# Tests that fail are recorded and make the build yellow by its JUnit report; the step fails when nothing could run.
export SLUICEGATE_REPO='{delivery-repo}'
for word in "$COMPONENT" "$VERSION" "$ENVIRONMENT"; do
    case $word in -*) echo "a value may not begin with -: $word" >&2; exit 2 ;; esac
done
set -f
for address in $ADDRESSES; do
    case $address in
        BUILD_* | JOB_* | JENKINS_* | HUDSON_* | RUN_* | GIT_*) echo "not an address of a component: $address" >&2; exit 2 ;;
        *[!A-Z0-9_]*_URL=* | [!A-Z]*) echo "not an address: $address" >&2; exit 2 ;;
        *_URL=http://* | *_URL=https://*) export "$address" ;;
        *) echo "not an address: $address" >&2; exit 2 ;;
    esac
done
set +f
rm -rf out source
mkdir out source
sluicegate fetch "$COMPONENT=$VERSION" --to out > out/fetched
tar --extract --gzip --file "$(cat out/fetched)" --directory source
cd source
python3 -m pytest -q -p no:cacheprovider --junitxml=../out/report.xml 'tests/{suite}' || echo "the suite is not green"
sluicegate record tests "$COMPONENT=$VERSION" --in "$ENVIRONMENT" --suite '{suite}' --junit ../out/report.xml
