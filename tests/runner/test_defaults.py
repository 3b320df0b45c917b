"""Parameters whose defaults come from builds: persistent ones, and a choice of another job's build."""

from __future__ import annotations

import pytest

from sluicegate.runner.service import Runner
from tests.runner.conftest import ADMIN, build, shell, wait_for

GEM = "com.gem.persistentparameter.PersistentStringParameterDefinition"


def _job(script: str, parameter: str) -> bytes:
    more = (
        "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
        f"{parameter}</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>"
    )
    return shell(script, more=more)


@pytest.mark.parametrize(("successful_only", "third"), [("false", "bad"), ("true", "good")])
def test_a_persistent_parameter_remembers_what_a_build_was_given(
    runner: Runner, successful_only: str, third: str
) -> None:
    fields = f"<name>W</name><defaultValue>none</defaultValue><successfulOnly>{successful_only}</successfulOnly>"
    job = _job('echo "now $W"; test "$W" != bad', f"<{GEM}>{fields}</{GEM}>")
    assert "now none" in build(runner, "j", job).log.read_text()
    item = runner.items.needed("j")
    for number, values in enumerate(({"W": "good"}, {"W": "bad"}, {}), start=2):
        runner.trigger(item, ADMIN, values, 0)
        wait_for(item, number)
    assert f"now {third}" in wait_for(item, 4).log.read_text()


@pytest.mark.parametrize(("letting", "number"), [("ALL", 2), ("STABLE", 1)])
def test_a_run_parameter_is_another_jobs_last_build_that_fits(runner: Runner, letting: str, number: int) -> None:
    build(runner, "made", shell("test $BUILD_NUMBER = 1"))
    runner.trigger(runner.items.needed("made"), ADMIN, None, 0)
    wait_for(runner.items.needed("made"), 2)
    fields = f"<name>R</name><projectName>made</projectName><filter>{letting}</filter>"
    parameter = f"<hudson.model.RunParameterDefinition>{fields}</hudson.model.RunParameterDefinition>"
    record = build(runner, "j", _job('echo "$R $R_JOBNAME $R_NUMBER $R_NAME $R_RESULT"', parameter))
    result = "SUCCESS" if number == 1 else "FAILURE"
    assert f"{runner.url}job/made/{number}/ made {number} #{number} {result}\n" in record.log.read_text()
    assert f"<runId>made#{number}</runId>" in (record.folder / "build.xml").read_text()
