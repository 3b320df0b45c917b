#!/usr/bin/env bash
# Sonatype Nexus Repository 3.71.0-06 (EPL) from Maven Central: 134 MB, Java 17, about 25 s and 0.8 GB.
#
# What it does, for those who want it by hand:
#   mvn dependency:copy -Dartifact=org.sonatype.nexus.assemblies:nexus-base-template:3.71.0-06:zip -DoutputDirectory=...
#   unzip; a data folder of its own with etc/nexus.properties (application-port, application-host=127.0.0.1)
#   KARAF_DATA=... JAVA_MIN_MEM=512m JAVA_MAX_MEM=1g bin/nexus server     (not `run`: that ends with its console)
#   wait until /service/rest/v1/status answers 200; admin.password holds the first password
# and then over the REST API: a password, anonymous reading, and these repositories
#   releases        maven2, ALLOW_ONCE, strict layout       snapshots       maven2, snapshots, strict layout
#   releases-loose  maven2, ALLOW_ONCE, permissive layout   releases-again  maven2, ALLOW, permissive layout
#   raw             raw, ALLOW_ONCE                         raw-again       raw, ALLOW
#   apt             apt, ALLOW_ONCE, signed with a key made here (the public half: apt.asc beside the state)
# Settings: SLUICEGATE_NEXUS_PORT (default: a free one), SLUICEGATE_NEXUS_STATE (a folder; default: below the cache),
# SLUICEGATE_NEXUS_LISTEN (default: 127.0.0.1).  `get` only downloads it.
set -euo pipefail
version=3.71.0-06
artifact=org.sonatype.nexus.assemblies:nexus-base-template:$version:zip
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluicegate
state=${SLUICEGATE_NEXUS_STATE:-$cache/real/nexus}
here=$(cd "$(dirname "$0")" && pwd)
home=$cache/parts/nexus-base-template-$version

say() { echo "nexus: $*" >&2; }

running() { [ -s "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null; }

down() {
    if running; then
        pid=$(cat "$state/pid")
        kill -TERM -- "-$pid" 2>/dev/null || true
        for _ in $(seq 60); do running || break; sleep 0.5; done
        running && kill -KILL -- "-$pid" 2>/dev/null
        say "stopped"
    fi
    rm -rf "$state"
}

install() {
    [ -x "$home/bin/nexus" ] && return
    say "downloading $artifact"
    mkdir -p "$cache/parts"
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        -Dartifact=$artifact -DoutputDirectory="$cache/parts" >&2
    rm -rf "$cache/parts/unpacking" && mkdir "$cache/parts/unpacking"
    unzip -q "$cache/parts/nexus-base-template-$version.zip" -d "$cache/parts/unpacking"
    mv "$cache/parts/unpacking/nexus-base-template-$version" "$home"
    rm -r "$cache/parts/unpacking" "$cache/parts/nexus-base-template-$version.zip"
}

# call METHOD PATH [TYPE BODY]: the password stands in a file, the body comes from standard input: nothing shows in `ps`
call() {
    printf '%s' "${4:-}" | curl -sS --fail-with-body --netrc-file "$state/netrc" -o "$state/answer" -X "$1" \
        ${3:+-H "Content-Type: $3" --data-binary @-} "$url/service/rest/v1/$2" ||
        { say "$1 $2 failed: $(cat "$state/answer")"; exit 1; }
}

netrc() {
    (umask 077; printf 'machine 127.0.0.1 login admin password %s\n' "$1" > "$state/netrc")
}

hosted() { # hosted KIND NAME WRITE_POLICY EXTRA
    call POST "repositories/$1/hosted" application/json "{\"name\": \"$2\", \"online\": true,
        \"storage\": {\"blobStoreName\": \"default\", \"strictContentTypeValidation\": false, \"writePolicy\": \"$3\"}$4}"
}

maven() { hosted maven "$1" "$2" ", \"maven\": {\"versionPolicy\": \"$3\", \"layoutPolicy\": \"$4\"}"; }

signing_key() {
    mkdir -m 700 "$state/gnupg"
    gpg --homedir "$state/gnupg" --batch -q --passphrase '' --quick-gen-key 'sluicegate tests' rsa3072 sign never
    gpg --homedir "$state/gnupg" --batch -q --armor --export > "$state/apt.asc"
    gpg --homedir "$state/gnupg" --batch -q --armor --export-secret-keys |
        python3 -c 'import json, sys; print(json.dumps(sys.stdin.read()))'
    gpgconf --homedir "$state/gnupg" --kill gpg-agent
}

up() {
    if running && [ -s "$state/env" ]; then
        say "runs already"
        return
    fi
    for tool in java mvn unzip curl gpg python3; do
        command -v "$tool" >/dev/null || { say "needs $tool"; exit 1; }
    done
    down
    install
    port=${SLUICEGATE_NEXUS_PORT:-}
    if [ -z "$port" ]; then
        coproc kept { "$here/kept_port"; }
        read -r port <&"${kept[0]}"
    fi
    url=http://127.0.0.1:$port
    mkdir -p "$state/data/etc" "$state/data/log" "$state/data/tmp"
    printf 'application-port=%s\napplication-host=%s\nnexus.onboarding.enabled=false\n' \
        "$port" "${SLUICEGATE_NEXUS_LISTEN:-127.0.0.1}" \
        > "$state/data/etc/nexus.properties"
    say "starting at $url"
    KARAF_DATA=$state/data JAVA_MIN_MEM=512m JAVA_MAX_MEM=1g setsid "$home/bin/nexus" server \
        > "$state/log" 2>&1 < /dev/null 9>&- &
    echo $! > "$state/pid"
    for _ in $(seq 600); do
        [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/service/rest/v1/status")" = 200 ] && break
        running || { say "ended; see $state/log"; exit 1; }
        sleep 0.5
    done
    [ -z "${kept_PID:-}" ] || kill "$kept_PID"
    netrc "$(cat "$state/data/admin.password")"
    password=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
    call PUT security/users/admin/change-password text/plain "$password"
    netrc "$password"
    call PUT security/anonymous application/json \
        '{"enabled": true, "userId": "anonymous", "realmName": "NexusAuthorizingRealm"}'
    maven releases ALLOW_ONCE RELEASE STRICT
    maven releases-loose ALLOW_ONCE RELEASE PERMISSIVE
    maven releases-again ALLOW RELEASE PERMISSIVE
    maven snapshots ALLOW SNAPSHOT STRICT
    hosted raw raw ALLOW_ONCE ''
    hosted raw raw-again ALLOW ''
    hosted apt apt ALLOW_ONCE ", \"apt\": {\"distribution\": \"bookworm\"},
        \"aptSigning\": {\"keypair\": $(signing_key), \"passphrase\": \"\"}"
    printf 'export SLUICEGATE_NEXUS_URL=%s\nexport SLUICEGATE_NEXUS_NETRC=%s\n' "$url" "$state/netrc" > "$state/env"
    say "ready"
}

mkdir -p "$cache/real" "$(dirname "$state")"
exec 9> "$state.lock"
flock 9 # one at a time: test runs start together
case ${1:-} in
    up) up; echo "$state/env" ;;
    down) down ;;
    get) install ;;
    *) echo "usage: $0 up|down|get" >&2; exit 2 ;;
esac
