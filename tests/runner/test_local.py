"""Jobs run here and now: what is told of the jobs that they start."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sluicegate.errors import UsageError
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
    blocks: list[bytes] = []

    def write(block: bytes) -> None:
        blocks.append(block)
        time.sleep(0.1)  # a slow terminal: the job above goes on meanwhile, and tells of it

    others = {"below": shell("echo working", publishers=ARCHIVER)}
    result = local.run("above", CALL, {}, write, local.Circumstances(others=others))
    log = b"".join(blocks).decode()
    assert result.name == "FAILURE" and "echo working" not in log
    assert "below #1 completed. Result was FAILURE\n  ERROR: No artifacts found that match" in log


FILE = (
    "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions><hudson.model.FileParameterDefinition>"
    "<name>A</name></hudson.model.FileParameterDefinition></parameterDefinitions>"
    "</hudson.model.ParametersDefinitionProperty></properties>"
)


def test_a_file_parameter_names_a_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("what is in it\n")
    blocks: list[bytes] = []
    content = shell("cat A; echo named $A", more=FILE)
    result = local.run("job", content, {"A": str(tmp_path / "some.txt")}, blocks.append, local.Circumstances())
    log = b"".join(blocks).decode()
    assert result.name == "SUCCESS" and "what is in it" in log and "named some.txt" in log
    with pytest.raises(UsageError, match="cannot be read"):
        local.run("job", content, {"A": str(tmp_path / "none")}, blocks.append, local.Circumstances())
