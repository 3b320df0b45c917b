"""What can be run of a tree of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from sluicegate.runner.planning import Assessment


class JobPlan(TypedDict):
    """Each job on a line of its own: why it cannot run here, and what a build of it leaves out or takes for granted."""

    job: str
    runnable: bool
    reasons: list[str]
    notices: list[str]


def job_plan(assessment: Assessment) -> JobPlan:
    """A line of `run --plan --json`."""
    return {
        "job": assessment.job,
        "runnable": assessment.runnable,
        "reasons": list(assessment.reasons),
        "notices": list(assessment.notices),
    }


ANSWERS: dict[str, Any] = {"run --list": list[str], "run --plan": JobPlan}
"""Command -> what it answers."""
