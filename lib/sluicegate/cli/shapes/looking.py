"""What stands where, why, and what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from sluicegate.cli.shapes.reality import ReportedHost
from sluicegate.model.recordjson import as_json

if TYPE_CHECKING:
    from sluicegate.delivery.answers import differences, explain, flow, history
    from sluicegate.delivery.answers.readiness import Finding

Event = dict[str, Any]
"""A record as the ledger has it, with the `subject` that it is about, and `not_counted` where it does not count."""


class LeftAlone(TypedDict):
    """Why something is out, by whom and since when."""

    why: str
    by: str
    since: str


class HostLeftAlone(LeftAlone):
    """A host that is out."""

    host: str


class BalancerLeftAlone(LeftAlone):
    """A balancer that is out."""

    balancer: str


class Environment(TypedDict):
    """A column of the matrix. `behind`: host -> how it ended; `schema_due`: component -> version."""

    name: str
    group: str
    set: str
    locked: str
    unsure: str
    out: list[HostLeftAlone]
    balancers_out: list[BalancerLeftAlone]
    behind: dict[str, str]
    reported: list[ReportedHost]
    schema_due: dict[str, str]
    pooled: bool


class Cell(TypedDict):
    """A component in an environment: what is pinned, and what its hosts have."""

    pin: str
    effective: str
    marks: list[str]


class Component(TypedDict):
    """A row of the matrix; `environments`: name -> cell."""

    name: str
    newest: str
    newest_vetoed: bool
    environments: dict[str, Cell]


class Matrix(TypedDict):
    """What is where."""

    environments: list[Environment]
    components: list[Component]


class Difference(TypedDict):
    """A component that two environments have in two versions; '' for none."""

    component: str
    versions: list[str]
    issues: list[str]
    commits: list[str]


class Verdict(TypedDict):
    """What a gate says; `command` is what helps."""

    gate: str
    state: str
    reason: str
    who_can_help: str
    command: str
    since: str | None


class HostOut(TypedDict):
    """A host that would not get it."""

    host: str
    why: str
    by: str


class Explanation(TypedDict):
    """A version's way into an environment; `next` is the command that helps."""

    component: str
    version: str
    target: str
    runs_in: list[str]
    arrived: bool
    next: str
    hosts_out: list[HostOut]
    verdicts: list[Verdict]
    not_counted: list[Event]


class Stage(TypedDict):
    """Seconds, where they are known."""

    name: str
    waited: float | None
    worked: float | None


class Flow(TypedDict):
    """From commit to integration, in seconds."""

    component: str
    version: str
    environment: str
    installed: float | None
    total: float | None
    objective: float | None
    bottleneck: str | None
    stages: list[Stage]


class Lacking(TypedDict):
    """A step of the way to a Jenkins that carries deliveries; `todo` where it is not done."""

    state: str
    what: str
    todo: str


Checked = dict[str, Any]
"""How much there is of what, such as `components`; `notices`; with --jenkins, `jenkins`: each step."""


def check(counts: Mapping[str, int], notices: Sequence[str], jenkins: Sequence[Finding] | None) -> Checked:
    """`check`."""
    steps: list[Lacking] = [{"state": step.state, "what": step.what, "todo": step.todo} for step in jenkins or ()]
    return {**counts, "notices": list(notices), **({"jenkins": steps} if jenkins is not None else {})}


def difference(between: differences.Difference) -> Difference:
    """One of `diff`."""
    return {
        "component": between.component,
        "versions": [between.first, between.second],
        "issues": list(between.issues),
        "commits": list(between.subjects),
    }


def explanation(explained: explain.Explanation) -> Explanation:
    """`explain`."""
    return {
        "component": explained.component,
        "version": explained.version,
        "target": explained.target,
        "runs_in": list(explained.runs_in),
        "arrived": explained.arrived,
        "next": explained.next_command,
        "hosts_out": [{"host": out.host, "why": out.why, "by": out.by.user} for out in explained.out],
        "verdicts": [
            {
                "gate": verdict.gate,
                "state": verdict.state,
                "reason": verdict.reason,
                "who_can_help": verdict.who_can_help,
                "command": verdict.command,
                "since": verdict.since.isoformat() if verdict.since else None,
            }
            for verdict in explained.verdicts
        ],
        "not_counted": [{**as_json(doubt.record), "reason": doubt.reason} for doubt in explained.uncounted],
    }


def event(entry: history.Entry) -> Event:
    """One of `history`."""
    doubt = {"not_counted": entry.not_counted} if entry.not_counted else {}
    return {"subject": entry.subject, **as_json(entry.record), **doubt}


def way(measured: flow.Flow) -> Flow:
    """`flow`."""
    return {
        "component": measured.component,
        "version": measured.version,
        "environment": measured.environment,
        "installed": _seconds(measured.installed),
        "total": _seconds(measured.total),
        "objective": _seconds(measured.objective),
        "bottleneck": measured.bottleneck.name if measured.bottleneck else None,
        "stages": [
            {"name": stage.name, "waited": _seconds(stage.waited), "worked": _seconds(stage.worked)}
            for stage in measured.stages
        ],
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 3)


ANSWERS: dict[str, Any] = {
    "status": Matrix,
    "diff": list[Difference],
    "explain": Explanation,
    "history": list[Event],
    "flow": Flow,
    "check": Checked,
}
"""Command -> what it answers."""
