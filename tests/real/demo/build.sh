# A build of a Python component into a package of Debian: unit tests, quality figures, publish.
started=$(date -u +%Y-%m-%dT%H:%M:%S+0000)
rm -rf out
mkdir out
version=$(cat VERSION).$(git rev-list --first-parent --count HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)   # the same commit gives the same bytes
export SOURCE_DATE_EPOCH

python3 -m pytest -q -p no:cacheprovider --junitxml=out/unit.xml \
    --cov="$COMPONENT" --cov-report=json:out/coverage.json --cov-report= "$UNIT_TESTS"
tests=$(python3 -c 'import sys, xml.etree.ElementTree as x; print(len(list(x.parse(sys.argv[1]).iter("testcase"))))' out/unit.xml)
coverage=$(python3 -c 'import json, sys; print(round(json.load(open(sys.argv[1]))["totals"]["percent_covered"]))' out/coverage.json)
lint=$(ruff check --no-cache --exit-zero --output-format=json . | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')

echo "$version" > RELEASE
tree=out/tree
mkdir -p "$tree/DEBIAN" "$tree/usr/share/$COMPONENT" "$tree/lib/systemd/system"
tar --create --exclude=.git --exclude=./out --exclude=__pycache__ --exclude=.coverage . |
    tar --extract --directory "$tree/usr/share/$COMPONENT"
chmod -R u=rwX,go=rX "$tree"   # a workspace is nobody else's, a package is for all
case $COMPONENT in
    auth) needs="python3, python3-ldap3" port=8001 ;;
    *) needs=python3 port=8002 ;;
esac
cat > "$tree/DEBIAN/control" <<END
Package: $COMPONENT
Version: $version
Architecture: all
Depends: $needs
Maintainer: ci <ci@example.com>
Description: the service $COMPONENT
END
cat > "$tree/lib/systemd/system/$COMPONENT.service" <<END
[Service]
User=www-data
WorkingDirectory=/usr/share/$COMPONENT
Environment=HOST=0.0.0.0 PORT=$port PYTHONDONTWRITEBYTECODE=1
EnvironmentFile=/etc/default/ours
ExecStart=/usr/bin/python3 -m $COMPONENT
Restart=on-failure
[Install]
WantedBy=multi-user.target
END
cat > "$tree/DEBIAN/postinst" <<END
#!/bin/sh
set -e
systemctl daemon-reload
systemctl --quiet enable $COMPONENT
systemctl restart $COMPONENT
END
printf '#!/bin/sh\n[ "$1" != remove ] || systemctl stop %s\n' "$COMPONENT" > "$tree/DEBIAN/prerm"
chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm"
file=out/${COMPONENT}_${version}_all.deb
dpkg-deb --root-owner-group --build "$tree" "$file"
sluicegate publish "$COMPONENT=$version" "$file" --source . --build-started "$started" \
    --figure "tests=$tests" --figure "coverage=$coverage" --figure "lint=$lint"
