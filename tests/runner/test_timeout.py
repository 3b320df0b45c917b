"""How long a build may take by the time that earlier builds took; a build reads its own limit from a variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.service import Runner
from tests.runner.conftest import ADMIN, shell, wait_for

ELASTIC = (
    "<timeoutPercentage>150</timeoutPercentage><numberOfBuilds>2</numberOfBuilds>"
    "<timeoutMinutesElasticDefault>20</timeoutMinutesElasticDefault>"
)
FAIL_SAFE = f"{ELASTIC}<failSafeTimeoutDuration>true</failSafeTimeoutDuration>"
OLD, RED, GOOD = (1000, Result.SUCCESS), (9000, Result.FAILURE), (400, Result.SUCCESS)
"""Builds: seconds that they took, and their result."""
YELLOW, SHORT = (800, Result.UNSTABLE), (10, Result.SUCCESS)


SILENT = (
    "<buildWrappers><hudson.plugins.build__timeout.BuildTimeoutWrapper>"
    '<strategy class="hudson.plugins.build_timeout.impl.NoActivityTimeOutStrategy">'
    "<timeoutSecondsString>2</timeoutSecondsString></strategy>"
    "</hudson.plugins.build__timeout.BuildTimeoutWrapper></buildWrappers>"
)


def limit(runner: Runner, strategy: str, fields: str, earlier: tuple[tuple[int, Result], ...]) -> float:
    """The seconds that a build is given after these builds, oldest first."""
    wrapper = (
        "<buildWrappers><hudson.plugins.build__timeout.BuildTimeoutWrapper>"
        f'<strategy class="hudson.plugins.build_timeout.impl.{strategy}TimeOutStrategy">{fields}</strategy>'
        "<timeoutEnvVar>LIMIT</timeoutEnvVar></hudson.plugins.build__timeout.BuildTimeoutWrapper></buildWrappers>"
    )
    item = runner.items.create("", "slow", shell('echo "limit=$LIMIT"', more=wrapper))
    for number, (seconds, result) in enumerate(earlier, start=1):
        record = Record(job="slow", number=number, folder=Path(item.history.builds / str(number)), timestamp=number)
        item.history.begin(record)
        record.duration = seconds * 1000
        item.history.finish(record, result)
    runner.trigger(item, ADMIN, {}, 0)
    log = wait_for(item, len(earlier) + 1).log.read_text()
    return int(log.partition("\nlimit=")[2].partition("\n")[0]) / 1000


@pytest.mark.parametrize(
    ("fields", "earlier", "seconds"),
    [
        (ELASTIC, (OLD, GOOD, YELLOW, RED), 900),  # one and a half times the mean of the newest two that were good
        (ELASTIC, (SHORT,), 180),  # never below three minutes
        (ELASTIC, (RED,), 1200),  # nothing to go by: the default of the job
        (FAIL_SAFE, (GOOD,), 1200),  # where the default is a floor as well
        (FAIL_SAFE, (OLD,), 1500),
    ],
)
def test_an_elastic_limit_is_a_part_of_what_good_builds_took(
    runner: Runner, fields: str, earlier: tuple[tuple[int, Result], ...], seconds: float
) -> None:
    assert limit(runner, "Elastic", fields, earlier) == seconds


@pytest.mark.parametrize(("earlier", "seconds"), [((GOOD, RED, YELLOW), 6000), ((SHORT,), 180), ((), 86400)])
def test_a_build_is_likely_stuck_at_ten_times_what_good_builds_took(
    runner: Runner, earlier: tuple[tuple[int, Result], ...], seconds: float
) -> None:
    assert limit(runner, "LikelyStuck", "", earlier) == seconds


def test_a_build_that_goes_on_speaking_is_not_silent_however_long_it_takes(runner: Runner) -> None:
    item = runner.items.create("", "talks", shell("for i in 1 2 3 4 5 6 7; do echo $i; sleep 0.4; done", more=SILENT))
    runner.trigger(item, ADMIN, {}, 0)
    record = wait_for(item, 1)
    assert record.result is Result.SUCCESS and record.duration > 2000
