"""Deploys to five hosts over ssh, killed at a call to the outside: the next command ends in one version everywhere.

The hosts are folders behind a real sshd, and their package manager is a script; all else is real. Slow, as each point
is a command of its own: SLUICEGATE_KILLS says at how many calls, `all` for every one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.cli.main import run
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.model.evidence import Deployed, Ending, Intent
from sluicegate.tools.git import Store
from sluicegate.wiring import EntryPointDrivers
from tests.sshd import Sshd, serving

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]
HOSTS = [f"app{number}" for number in range(1, 6)]
POINTS = os.environ.get("SLUICEGATE_KILLS", "3")
MANAGER = """\
#!/bin/sh
# A package manager whose packages are files of the folder it is called in.
case $(basename "$0") in
    sudo) shift 2; exec "$@" ;;
    dpkg-query)
        if [ -e auth.version ]; then printf 'auth\\t%s\\tinstalled\\n' "$(cat auth.version)"; fi ;;
    apt-cache) for version in $(cat {root}/versions); do echo "auth | $version | ours"; done ;;
    apt-get)
        case "$*" in
            *--simulate*|update*) ;;
            *) for word in "$@"; do case $word in auth=*) echo "${{word#auth=}}" > auth.version ;; esac; done ;;
        esac ;;
esac
"""
KILLED = """
import os, signal, sys
from sluicegate.cli.main import run
from sluicegate.tools import door

calls = 0

def watch(name):
    global calls
    calls += 1
    if calls == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

door.watcher = watch
code = run(sys.argv[2:])
print("calls", calls)
sys.exit(code)
"""


class Shop:
    """A delivery repo whose integration follows latest onto five hosts."""

    def __init__(self, root: Path, sshd: Sshd) -> None:
        self.root, self.repo = root, str(root / "delivery.git")
        programs = root / "programs"
        programs.mkdir()
        for name in ("sudo", "dpkg", "dpkg-query", "apt-cache", "apt-get", "apt-mark"):
            (programs / name).write_text(MANAGER.format(root=root))
            (programs / name).chmod(0o755)
        with (sshd.folder / "sshd_config").open("a") as config:
            config.write(f"SetEnv PATH={programs}:/usr/bin:/bin\n")
        hosts = "".join(
            f"  {name}: {{driver: ssh, address: 127.0.0.1, port: {sshd.port}, folder: {root}/{name}}}\n"
            for name in HOSTS
        )
        (root / "config.yaml").write_text(
            f"repositories: {{releases: {{driver: directory, path: {root}/releases}}}}\n"
            "components: {auth: {repository: releases, group: com.example}}\n"
            f"hosts:\n{hosts}groups: {{apps: [{', '.join(HOSTS)}]}}\n"
            "environments:\n  integration: {follow: latest, hosts: apps, deploy: {driver: packages, at-once: 2,"
            " list: /etc/apt/sources.list.d/ours.list}}\n"
        )
        (root / "releases").mkdir()
        assert run(["init", "--bare", "--config", str(root / "config.yaml"), self.repo]) == 0

    def publish(self, version: str) -> None:
        file = self.root / f"auth-{version}.tar.gz"
        file.write_text(version)
        with (self.root / "versions").open("a") as versions:
            versions.write(f"{version}\n")
        assert run(["-C", self.repo, "publish", f"auth={version}", str(file)]) == 0

    def call(self, *words: str) -> int:
        return run(["-C", self.repo, *words])

    def killed(self, at: int) -> tuple[int, str]:
        """A sync that dies at a call, 0 for never; its status and what it printed."""
        words = [sys.executable, "-c", KILLED, str(at), "-C", self.repo, "sync", "integration"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    def installed(self) -> dict[str, str]:
        return {name: (self.root / name / "auth.version").read_text().strip() for name in HOSTS}

    def version_and_open(self) -> tuple[str, set[str]]:
        """The version that the ledger says is deployed, and the intents that nobody ended."""
        from datetime import UTC, datetime

        with Store(self.repo, (MAIN, LEDGER)) as store:
            state = State(store, EntryPointDrivers(), datetime.now(UTC))
            chronicle = state.chronicle("integration")
            standing = state.effective(state.config.environment("integration"))
            begun = {intent.id for intent in chronicle.of(Intent)}
            assert chronicle.has(Deployed)
            version = standing.installed["auth"].version if standing else ""
            return version, begun - {ending.of for ending in chronicle.of(Ending)}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name in ("BUILD_URL", "WORKSPACE", "SLUICEGATE_REPO"):
        monkeypatch.delenv(name, raising=False)
    for part in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{part}_NAME", "olle")
        monkeypatch.setenv(f"GIT_{part}_EMAIL", "olle@example.com")
    with serving(tmp_path / "sshd", monkeypatch) as sshd:
        yield Shop(tmp_path, sshd)


def test_a_deploy_that_is_killed_at_any_call_ends_in_one_version_everywhere(shop: Shop) -> None:
    shop.publish("1.0.0")
    status, output = shop.killed(0)
    assert status == 0, output
    assert shop.installed() == dict.fromkeys(HOSTS, "1.0.0")
    shop.publish("1.0.1")
    calls = int(shop.killed(0)[1].split()[-1])
    every = range(1, calls + 1)
    step = 1 if POINTS == "all" else max(1, calls // int(POINTS))
    for number, at in enumerate(every[step - 1 :: step]):
        version = f"2.0.{number}"
        shop.publish(version)
        status, output = shop.killed(at)
        assert status in (-9, 0), output
        if number % 2:  # by hand, or by whoever comes next
            assert shop.call("resume") == 0
        assert shop.call("sync", "integration") == 0
        assert shop.installed() == dict.fromkeys(HOSTS, version), f"killed at call {at}"
        assert shop.version_and_open() == (version, set()), f"killed at call {at}"
