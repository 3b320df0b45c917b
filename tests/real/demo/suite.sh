# Run one suite of the version that was installed, against where it was installed, and record how it ended.
for word in "$COMPONENT" "$VERSION" "$ENVIRONMENT"; do
    case $word in
        -*) echo "a value may not begin with '-': $word" >&2; exit 2 ;;
    esac
done
set -f
for address in $ADDRESSES; do
    case $address in
        [!A-Z]* | *[!A-Z0-9_]*_URL=*) echo "not an address: $address" >&2; exit 2 ;;
        *_URL=http://*) ;;
        *) echo "not an address: $address" >&2; exit 2 ;;
    esac
done
rm -rf out source
mkdir out source
sluicegate fetch "$COMPONENT=$VERSION" --to out > out/fetched
dpkg-deb --extract "$(cat out/fetched)" source
cd "source/usr/share/$COMPONENT"
env -u JENKINS_TOKEN $ADDRESSES python3 -m pytest -q -p no:cacheprovider --junitxml="$WORKSPACE/out/report.xml" "tests/$SUITE" ||
    echo "the suite is not green"
cd "$WORKSPACE"
sluicegate record tests "$COMPONENT=$VERSION" --in "$ENVIRONMENT" --suite "$SUITE" --junit out/report.xml
