"""The archive deployer on a host that systemd runs."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pytest
import requests

from sluicegate.deployers.archive import ArchiveDeployer
from sluicegate.model.config import DriverSpec
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE
from sluicegate.tools.process import Completed
from tests.parts import CONFIG, free_port, no_host, release, settings
from tests.real.machines import BootedHost, ChrootHost, booted, debian_base, overlay

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]
__all__ = ["debian_base"]

REMOTE = replace(
    CONFIG,
    hosts={"app1": DriverSpec(driver="ssh", settings=settings())},
    variables={"app1": {"GREETING": "50 % ; 'quoted' \"twice\" # $HOME"}},
)
COMMAND = "perl app.pl"
APP = r"""
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => $ENV{HOST}, LocalPort => $ENV{PORT}, Listen => 5, ReuseAddr => 1);
open(my $file, "<", "answer"); my $body = <$file>;
while (my $client = $server->accept) {
    while (<$client>) { last if /^\r?$/ }
    print $client "HTTP/1.0 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    close $client;
}
"""


@pytest.fixture(scope="module")
def machine(debian_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedHost]:
    with overlay(debian_base, tmp_path_factory.mktemp("app1") / "host") as root, booted(root) as leader:
        yield BootedHost(name="app1", folder="/srv/100% ours", leader=leader, reached_at="127.0.0.1",
                         ports={"auth": free_port()})  # fmt: skip


@pytest.fixture
def deployer() -> ArchiveDeployer:
    return ArchiveDeployer.configure("training", settings(timeout="20 s"), REMOTE, no_host)


def app(folder: Path, version: str, command: str = COMMAND) -> Release:
    return release(folder, version, {"Procfile": f"web: {command}\n", "app.pl": APP, "answer": version})


def answer(host: BootedHost) -> str:
    return requests.get(host.address("auth"), timeout=5).text


def main_pid(host: BootedHost) -> str:
    return host.run(["systemctl", "show", "--property=MainPID", "--value", "sluicegate-auth"]).text.strip()


def test_versions_go_up_and_down_and_away_under_systemd(
    machine: BootedHost, deployer: ArchiveDeployer, tmp_path: Path
) -> None:
    for version in ("1.0", "2.0", "1.0"):
        assert deployer.apply(machine, {"auth": app(tmp_path, version)}, "intent") == {"auth": DONE}
        assert (deployer.survey(machine)["auth"].version, answer(machine)) == (version, version)
    assert machine.run(["systemctl", "is-enabled", "sluicegate-auth"]).text == "enabled\n"
    for _ in range(2):
        assert deployer.apply(machine, {"auth": None}, "intent") == {"auth": DONE}
    assert deployer.survey(machine) == {}
    assert machine.run(["systemctl", "cat", "sluicegate-auth"]).status != 0


def test_a_service_that_dies_is_started_again_with_its_variables(
    machine: BootedHost, deployer: ArchiveDeployer, tmp_path: Path
) -> None:
    noting = f"sh -c 'printf %s \"$GREETING\" > greeting; exec {COMMAND}'"
    assert deployer.apply(machine, {"auth": app(tmp_path, "1.0", noting)}, "intent") == {"auth": DONE}
    first = main_pid(machine)
    assert machine.read("apps/auth/current/greeting") == b"50 % ; 'quoted' \"twice\" # $HOME"
    machine.run(["kill", f"-{signal.SIGKILL.value}", first])
    deadline = time.monotonic() + 60
    while main_pid(machine) in (first, "0") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert main_pid(machine) not in (first, "0")


def test_what_a_service_printed_is_told_when_the_probe_fails(machine: BootedHost, tmp_path: Path) -> None:
    impatient = ArchiveDeployer.configure("training", settings(timeout="2 s"), REMOTE, no_host)
    wanted = {"auth": app(tmp_path, "3.0", "sh -c 'echo no database; sleep 100'")}
    outcome = impatient.apply(machine, wanted, "intent")["auth"]
    assert outcome.ending == "failed"
    assert "no database" in outcome.why


@dataclass(frozen=True, slots=True, kw_only=True)
class AsDeploy(BootedHost):
    """The same machine as an ordinary user sees it."""

    def call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        inner = shlex.join(["runuser", "-u", "deploy", "--", "env", "HOME=/home/deploy", "sh", "-c", line])
        return BootedHost.call(self, f"cd /home/deploy && exec {inner}", stdin, timeout)


def test_user_units_need_no_root_and_outlive_our_login(machine: BootedHost, tmp_path: Path) -> None:
    host = AsDeploy(name="app1", folder="ours", leader=machine.leader, reached_at="127.0.0.1",
                    ports={"auth": free_port()})  # fmt: skip
    deployer = ArchiveDeployer.configure("training", settings(timeout="20 s", units="user"), REMOTE, no_host)
    assert machine.run(["useradd", "--create-home", "--shell", "/bin/sh", "deploy"]).status == 0
    system = machine.run(["systemctl", "cat", "sluicegate-auth"]).text
    refused = deployer.apply(host, {"auth": app(tmp_path, "1.0")}, "intent")["auth"]
    assert "would end with our login" in refused.why and "enable-linger deploy" in refused.problem.hint  # type: ignore[union-attr]
    assert machine.run(["loginctl", "enable-linger", "deploy"]).status == 0
    deadline = time.monotonic() + 60
    while (
        machine.run(["sh", "-c", "test -S /run/user/$(id -u deploy)/systemd/private"]).status
        and time.monotonic() < deadline
    ):
        time.sleep(0.2)
    for version in ("1.0", "2.0"):
        assert deployer.apply(host, {"auth": app(tmp_path, version)}, "intent") == {"auth": DONE}
        assert (deployer.survey(host)["auth"].version, answer(host)) == (version, version)
    assert machine.run(["systemctl", "cat", "sluicegate-auth"]).text == system, "the system's units are as before"
    outcome = ArchiveDeployer.configure("training", settings(timeout="2 s", units="user"), REMOTE, no_host).apply(
        host, {"auth": app(tmp_path, "3.0", "sh -c 'echo no database; sleep 100'")}, "intent"
    )["auth"]
    assert outcome.ending == "failed" and "no database" in outcome.why
    for _ in range(2):
        assert deployer.apply(host, {"auth": None}, "intent") == {"auth": DONE}
    assert deployer.survey(host) == {}


def test_a_host_without_systemd_is_refused(debian_base: Path, deployer: ArchiveDeployer, tmp_path: Path) -> None:
    with overlay(debian_base, tmp_path / "host") as root:
        host = ChrootHost(name="app1", folder="/srv/ours", root=root, reached_at="127.0.0.1", ports={"auth": 1})
        outcome = deployer.apply(host, {"auth": app(tmp_path, "1.0")}, "intent")["auth"]
    assert "is not run by systemd" in outcome.why
    assert not os.listdir(debian_base / "srv")
