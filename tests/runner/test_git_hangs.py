"""A git server that takes the connection and says nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sluicegate.runner.scm import work
from sluicegate.runner.service import Runner
from tests.runner.conftest import ADMIN, build, until, wait_for

JOB = """<project><quietPeriod>0</quietPeriod><scm class='hudson.plugins.git.GitSCM'><userRemoteConfigs>
<hudson.plugins.git.UserRemoteConfig><url>git://127.0.0.1:{port}/x.git</url></hudson.plugins.git.UserRemoteConfig>
</userRemoteConfigs><branches><hudson.plugins.git.BranchSpec><name>*/main</name></hudson.plugins.git.BranchSpec>
</branches><extensions><hudson.plugins.git.extensions.impl.CloneOption><timeout>1</timeout>
</hudson.plugins.git.extensions.impl.CloneOption></extensions></scm></project>"""


@pytest.fixture
def job() -> Iterator[bytes]:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield JOB.format(port=silent.getsockname()[1]).encode()


def test_the_build_fails_after_the_time_that_the_job_gives(
    runner: Runner, job: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MINUTE", 0.5)
    record = build(runner, "slow", job)
    assert record.result is not None and record.result.name == "FAILURE"
    assert "ERROR: 'git fetch' did not end within " in record.log.read_text()


def test_the_build_can_be_aborted(runner: Runner, job: bytes) -> None:
    item = runner.items.create("", "slow", job)
    runner.trigger(item, ADMIN, {}, 0)
    log = item.folder / "builds" / "1" / "log"
    until(lambda: log.exists() and "Fetching upstream changes" in log.read_text())
    assert runner.abort(item.history.running[1], "Aborted by anna")
    record = wait_for(item)
    assert record.result is not None and record.result.name == "ABORTED"
