"""Jobs run here and now: what is told of the jobs that they start."""

from __future__ import annotations

from sluicegate.runner import local
from tests.runner.conftest import shell

CALL = (
    b"<project><builders><hudson.plugins.parameterizedtrigger.TriggerBuilder><configs>"
    b"<hudson.plugins.parameterizedtrigger.BlockableBuildTriggerConfig><configs/><projects>below</projects>"
    b"<condition>ALWAYS</condition><triggerWithNoParameters>false</triggerWithNoParameters><block>"
    b"<failureThreshold><name>FAILURE</name></failureThreshold></block>"
    b"</hudson.plugins.parameterizedtrigger.BlockableBuildTriggerConfig></configs>"
    b"</hudson.plugins.parameterizedtrigger.TriggerBuilder></builders></project>"
)
ARCHIVER = "<hudson.tasks.ArtifactArchiver><artifacts>none.txt</artifacts></hudson.tasks.ArtifactArchiver>"


def test_a_started_job_that_fails_says_why() -> None:
    said: list[bytes] = []
    others = {"below": shell("echo working", publishers=ARCHIVER)}
    result = local.run("above", CALL, {}, said.append, local.Circumstances(others=others))
    log = b"".join(said).decode()
    assert result.name == "FAILURE" and "echo working" not in log
    assert "below #1 completed. Result was FAILURE\n  ERROR: No artifacts found that match" in log
