"""What the hosts have and say of themselves, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from sluicegate.model.values import stamp

if TYPE_CHECKING:
    from sluicegate.delivery.answers import drift, parity
    from sluicegate.delivery.changes.adopt import Adoption
    from sluicegate.delivery.changes.hosts import Place
    from sluicegate.delivery.changes.reports import Taken


class Drifted(TypedDict):
    """A component of a host that is not as pinned, and since when."""

    host: str
    component: str
    pinned: str
    deployed: str
    installed: str
    cause: str
    since: str | None


class ReportedHost(TypedDict):
    """A host that says of itself that it is not as assigned."""

    host: str
    why: str
    run: str


class Ending(TypedDict):
    """What became of a host; docs/words.md names the endings, and `out` is one that was left alone."""

    host: str
    ending: str
    why: str


class Drift(TypedDict):
    """What the hosts have that is not as pinned."""

    environment: str
    group: str
    hosts: list[str]
    drift: list[Drifted]
    reported: list[ReportedHost]
    not_asked: list[Ending]


class Unlike(TypedDict):
    """One thing; value -> the hosts that have it."""

    what: str
    one: dict[str, list[str]]
    other: dict[str, list[str]]


class Parity(TypedDict):
    """What two environments have differently."""

    environments: list[str]
    differences: list[Unlike]
    not_asked: list[str]


class Taking(TypedDict):
    """`mixed`: component -> version -> hosts; `missing`: component -> why; `kept`: component -> the version pinned."""

    environment: str
    adopted: dict[str, str]
    mixed: dict[str, dict[str, list[str]]]
    missing: dict[str, str]
    kept: dict[str, str]
    absent: list[str]
    not_asked: list[str]


class At(TypedDict):
    """Where a host belongs."""

    environment: str
    group: str


class HostOut(TypedDict):
    """`out`: where the host is out now, and was not."""

    host: str
    out: list[At]


HostIn = TypedDict("HostIn", {"host": str, "in": list[At]})
"""The same of a host that counts again."""


class BalancerChanged(TypedDict):
    """`changed`: the environments in which it is so now, and was not."""

    balancer: str
    changed: list[str]
    now: str


class ReportTaken(TypedDict):
    """What became of a report."""

    report: str
    outcome: str
    host: str
    environment: str
    why: str


def reality(drifted: drift.Drift) -> Drift:
    """`drift`."""
    return {
        "environment": drifted.environment,
        "group": drifted.group,
        "hosts": list(drifted.hosts),
        "drift": [
            {
                "host": row.host,
                "component": row.component,
                "pinned": row.pinned,
                "deployed": row.deployed,
                "installed": row.installed,
                "cause": row.cause,
                "since": stamp(row.since) if row.since else None,
            }
            for row in drifted.drifted
        ],
        "reported": [{"host": host, "why": word.problem, "run": word.run} for host, word in drifted.reported.items()],
        "not_asked": [
            {"host": host, "ending": outcome.ending, "why": outcome.why}
            for host, outcome in drifted.survey.silent.items()
        ],
    }


def likeness(compared: parity.Parity) -> Parity:
    """`parity`."""
    return {
        "environments": [compared.first, compared.second],
        "differences": [
            {"what": unlike.what, "one": _hosts(unlike.first), "other": _hosts(unlike.second)}
            for unlike in compared.differences
        ],
        "not_asked": list(compared.silent),
    }


def _hosts(values: parity.Values) -> dict[str, list[str]]:
    return {value: list(hosts) for value, hosts in values.items()}


def taking(adoption: Adoption) -> Taking:
    """`adopt`."""
    return {
        "environment": adoption.environment,
        "adopted": dict(adoption.adopted),
        "mixed": {
            name: {version: list(hosts) for version, hosts in values.items()} for name, values in adoption.mixed.items()
        },
        "missing": dict(adoption.missing),
        "kept": dict(adoption.kept),
        "absent": list(adoption.absent),
        "not_asked": list(adoption.silent),
    }


def host_out(name: str, places: Sequence[Place]) -> HostOut:
    """`host out`."""
    return {"host": name, "out": _at(places)}


def host_in(name: str, places: Sequence[Place]) -> HostIn:
    """`host in`."""
    return {"host": name, "in": _at(places)}


def balancer(name: str, environments: Sequence[str], now: str) -> BalancerChanged:
    """`balancer out`, `balancer in`."""
    return {"balancer": name, "changed": list(environments), "now": now}


def _at(places: Sequence[Place]) -> list[At]:
    return [{"environment": place.environment, "group": place.group} for place in places]


def report(taken: Taken) -> ReportTaken:
    """One of `record reports`."""
    return {
        "report": taken.source,
        "outcome": taken.outcome,
        "host": taken.host,
        "environment": taken.environment,
        "why": taken.why,
    }


ANSWERS: dict[str, Any] = {
    "drift": Drift,
    "parity": Parity,
    "adopt": Taking,
    "host out": HostOut,
    "host in": HostIn,
    "balancer out": BalancerChanged,
    "balancer in": BalancerChanged,
    "record reports": list[ReportTaken],
}
"""Command -> what it answers."""
