"""What every deployer does, on hosts that OpenSSH reaches: the contract of tests/contracts, with real servers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sluicegate.deployers.archive import ArchiveDeployer
from sluicegate.deployers.packages import PackagesDeployer
from sluicegate.hosts.ssh import SshHost, connection
from sluicegate.model.config import Config, DriverSpec
from sluicegate.model.manifest import Release
from tests.contracts.test_deployer import (
    Bench,
    others_bench,
    test_a_fresh_host_has_nothing,
    test_a_host_that_is_down_is_unavailable_for_everything,
    test_a_version_that_does_not_answer_fails_and_does_not_count_as_installed,
    test_files_that_it_would_install_are_not_doubtful,
    test_installing_again_changes_nothing,
    test_removing_leaves_nothing_and_may_be_repeated,
    test_what_comes_after_a_failure_is_not_started,
    test_what_was_broken_off_does_not_count_and_the_next_change_ends_it,
    test_what_was_installed_is_there_and_can_be_replaced_and_brought_back,
)
from tests.parts import CONFIG, Replying, app_files, free_port, no_host, release, settings, web_server
from tests.real.machines import BootedHost, DebRepository, booted, debian_base, overlay
from tests.real.test_dnf import DnfHost, RpmRepository
from tests.sshd import Sshd, serving

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
__all__ = [
    "debian_base",
    "test_a_fresh_host_has_nothing",
    "test_a_host_that_is_down_is_unavailable_for_everything",
    "test_a_version_that_does_not_answer_fails_and_does_not_count_as_installed",
    "test_files_that_it_would_install_are_not_doubtful",
    "test_installing_again_changes_nothing",
    "test_removing_leaves_nothing_and_may_be_repeated",
    "test_what_comes_after_a_failure_is_not_started",
    "test_what_was_broken_off_does_not_count_and_the_next_change_ends_it",
    "test_what_was_installed_is_there_and_can_be_replaced_and_brought_back",
]


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    monkeypatch.setenv("ANSIBLE_SSH_USETTY", "false")  # a terminal is what only root's sshd may hand out
    with (
        serving(tmp_path / "sshd", monkeypatch) as server,
        tempfile.TemporaryDirectory(prefix="sluicegate-") as sockets,  # a socket's path has at most 107 characters
    ):
        monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", sockets)
        yield server


def reached_by_ssh(sshd: Sshd) -> Config:
    spec = DriverSpec(driver="ssh", settings=sshd.settings())
    return replace(CONFIG, hosts={"int1": spec}, groups={"int": ("int1",)})


def host(sshd: Sshd, port: int, folder: str = "") -> SshHost:
    driver_settings = settings(**{**sshd.settings(folder).values, "ports": {"auth": str(port)}})
    return SshHost.configure("int1", driver_settings, reached_by_ssh(sshd))


@contextmanager
def logged_out_of(sshd: Sshd) -> Iterator[None]:
    """At the end nobody is logged in any more, so that what they were logged in to can be taken away."""
    yield
    connection._run.close()
    for session in sshd.running:
        session.wait(timeout=60)


def unplug(sshd: Sshd) -> None:
    sshd.stop_listening()
    connection._run.close()


@contextmanager
def archive_bench(request: pytest.FixtureRequest, sshd: Sshd, tmp_path: Path) -> Iterator[Bench]:
    """A machine that systemd runs, with this machine's network."""
    with overlay(request.getfixturevalue("debian_base"), tmp_path / "machine") as root, booted(root) as leader:
        sshd.move_into(root, BootedHost(name="int1", folder="/", leader=leader).entering)
        with logged_out_of(sshd):
            yield Bench(
                deployer=ArchiveDeployer.configure("int", settings(timeout="5 s"), reached_by_ssh(sshd), no_host),
                host=host(sshd, free_port(), "/srv/ours"),
                silent=lambda version: release(tmp_path, version, app_files("0.0")),
                take_down=lambda: None,
            )


@contextmanager
def apt_bench(request: pytest.FixtureRequest, sshd: Sshd, tmp_path: Path) -> Iterator[Bench]:
    """A Debian of its own with a repository in it."""
    with overlay(request.getfixturevalue("debian_base"), tmp_path / "machine") as root:
        sshd.move_into(root, ["chroot", root])
        repository = DebRepository(root, tmp_path / "trees")
        for name in ("auth", "portal"):
            for version in ("1.0", "2.0"):
                repository.add(name, version)
        repository.index()
        with logged_out_of(sshd), packages_bench(sshd, DebRepository.LIST, root, tmp_path) as bench:
            yield bench


@pytest.fixture(scope="module")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> RpmRepository:
    repository = RpmRepository(tmp_path_factory.mktemp("rpms"))
    for name in ("auth", "portal"):
        repository.add(name, "1.0", "2.0")
    repository.index()
    return repository


@contextmanager
def dnf_bench(request: pytest.FixtureRequest, sshd: Sshd, tmp_path: Path) -> Iterator[Bench]:
    """A folder that dnf and rpm take for the root, where an ordinary user is root too."""
    place, as_root = tmp_path / "machine", "" if os.geteuid() == 0 else "unshare --map-root-user"
    DnfHost.prepared(place, request.getfixturevalue("rpms").packages, as_root)
    sudo = place / "bin/sudo"
    sudo.write_text('#!/bin/sh\nshift 2; exec "$@"\n')
    sudo.chmod(0o755)
    with (sshd.folder / "sshd_config").open("a") as config:
        config.write(f"SetEnv PATH={place}/bin:/usr/bin:/bin\n")
    with packages_bench(sshd, "ours", place / "root", tmp_path) as bench:
        yield bench


@contextmanager
def packages_bench(sshd: Sshd, source: str, root: Path, tmp_path: Path) -> Iterator[Bench]:
    """With a service that answers the version whose files are there, unless that is in `silent`."""
    silents = set[str]()

    class Service(Replying):
        def do_GET(self) -> None:
            file = root / "usr/share/auth/version"
            version = file.read_text().strip() if file.exists() else ""
            self.reply(b"starting" if version in silents else version.encode())

    def silent(version: str) -> Release:
        silents.add(version)
        return release(tmp_path, version)

    with web_server(Service) as port:
        driver_settings = settings(list=source, timeout="2 s", **{"lock-wait": "10 s"})
        deployer = PackagesDeployer.configure("int", driver_settings, reached_by_ssh(sshd), no_host)
        bench = Bench(deployer=deployer, host=host(sshd, port), silent=silent, take_down=lambda: None)
        assert deployer.refusals(bench.host, {"auth": release(tmp_path, "1.0")}) == ()  # the plan, which reads our list
        yield bench


OTHERS = {"archive": archive_bench, "apt": apt_bench, "dnf": dnf_bench}


@pytest.fixture(
    params=[
        "ansible", "command", "dnf", pytest.param("apt", marks=pytest.mark.root),
        pytest.param("archive", marks=pytest.mark.root),
    ]
)  # fmt: skip
def bench(request: pytest.FixtureRequest, sshd: Sshd, tmp_path: Path) -> Iterator[Bench]:
    if make := OTHERS.get(request.param):
        with make(request, sshd, tmp_path) as deployer_bench:
            deployer_bench.take_down = lambda: unplug(sshd)
            deployer_bench.breaks = 2 if request.param == "dnf" else 4  # each call of it takes seconds of the processor
            yield deployer_bench
        return
    ours = tmp_path / "sshd" / "home"
    ours.mkdir()
    config = reached_by_ssh(sshd)
    with others_bench(request.param, lambda port: host(sshd, port), ours, tmp_path, config) as deployer_bench:
        deployer_bench.take_down = lambda: unplug(sshd)
        deployer_bench.breaks = 2 if request.param == "ansible" else 4  # each run of it takes a second of the processor
        yield deployer_bench
