"""What every deployer does, on hosts that OpenSSH reaches: the contract of tests/contracts, with real servers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sluicegate.hosts.ssh import SshHost
from sluicegate.model.config import DriverSpec
from sluicegate.tools import ssh
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
from tests.parts import CONFIG, settings
from tests.sshd import Sshd, serving

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
__all__ = [
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


@pytest.fixture(params=["ansible", "command"])
def bench(request: pytest.FixtureRequest, sshd: Sshd, tmp_path: Path) -> Iterator[Bench]:
    ours = tmp_path / "sshd" / "home"
    ours.mkdir()
    spec = DriverSpec(driver="ssh", settings=sshd.settings())
    config = replace(CONFIG, hosts={"int1": spec}, groups={"int": ("int1",)})

    def host(port: int) -> SshHost:
        given = settings(**{**spec.settings.values, "ports": {"auth": str(port)}})
        return SshHost.configure("int1", given, config)

    with others_bench(request.param, host, ours, tmp_path, config) as made:

        def take_down() -> None:
            sshd.stop_listening()
            ssh._run.close()

        made.take_down = take_down
        made.breaks = 2 if request.param == "ansible" else 4  # each run of it takes a second of the processor
        yield made
