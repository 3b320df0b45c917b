"""What moves: pins, deploys, rollouts, swaps, and what is left alone meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from sluicegate.cli.shapes.reality import Ending

if TYPE_CHECKING:
    from sluicegate.delivery.changes.planning import Plan
    from sluicegate.delivery.changes.rollout import Progress
    from sluicegate.delivery.changes.swapping import Swap
    from sluicegate.delivery.moves.promote import Move
    from sluicegate.model.serving import Serving


class Promotion(TypedDict):
    """A pin's way; '' where there was none."""

    component: str
    before: str
    after: str


class Step(TypedDict):
    """One change on one host."""

    host: str
    component: str
    before: str
    after: str


class Deployment(TypedDict):
    """`target`: component -> version; `schema`: the steps of schema changes that come before."""

    environment: str
    group: str
    target: dict[str, str]
    schema: list[str]
    steps: list[Step]
    hosts: list[Ending]


class Rollout(TypedDict):
    """`batches`: the hosts of each."""

    environment: str
    group: str
    target: dict[str, str]
    batches: list[list[str]]
    steps: list[Step]
    hosts: list[Ending]


class Batch(TypedDict):
    """What is recorded of a batch; `left`: requests that were cut off."""

    number: int | None
    stage: str
    hosts: list[str]
    left: int | None
    verdict: str
    why: str


class PoolHost(TypedDict):
    """A host and its users, null where nobody could say; `quiet`: seconds since its last request."""

    host: str
    version: str
    standing: str | None
    healthy: bool | None
    in_flight: int | None
    quiet: float | None


class RolloutStatus(TypedDict):
    """How far the last rollout is; `problem`: the pool does not answer."""

    environment: str
    state: str
    why: str
    target: dict[str, str]
    before: dict[str, str]
    back: bool
    minimum: int
    problem: str
    batches: list[Batch]
    hosts: list[PoolHost]


class Change(TypedDict):
    """Versions; '' for none."""

    before: str
    after: str


class Exchange(TypedDict):
    """From the group `live` to the group `to`; `changes`: component -> versions."""

    environment: str
    live: str
    to: str
    changes: dict[str, Change]


class Preview(TypedDict):
    """`group`: the one that testers reach."""

    environment: str
    preview: bool
    group: str


class Upgraded(TypedDict):
    """What was done to the ledger, or would be."""

    upgraded: bool
    steps: list[str]


def promotion(moves: Sequence[Move]) -> list[Promotion]:
    """`promote`."""
    return [{"component": move.component, "before": move.before, "after": move.after} for move in moves]


def deployment(plan: Plan) -> Deployment:
    """`deploy`."""
    left_out: list[Ending] = [{"host": host, "ending": "out", "why": why} for host, why in plan.out.items()]
    return {
        "environment": plan.environment,
        "group": plan.group,
        "target": dict(plan.target),
        "schema": list(plan.schema),
        "steps": _steps(plan),
        "hosts": [*_endings(plan), *left_out],
    }


def rollout(plan: Plan) -> Rollout:
    """`rollout`."""
    return {
        "environment": plan.environment,
        "group": plan.group,
        "target": dict(plan.target),
        "batches": [[transaction.host for transaction in batch] for batch in plan.batches],
        "steps": _steps(plan),
        "hosts": _endings(plan),
    }


def _steps(plan: Plan) -> list[Step]:
    return [
        {"host": step.host, "component": step.component, "before": step.before, "after": step.after}
        for step in plan.steps
    ]


def _endings(plan: Plan) -> list[Ending]:
    return [{"host": host, "ending": outcome.ending, "why": outcome.why} for host, outcome in plan.endings.items()]


def rollout_status(progress: Progress) -> RolloutStatus:
    """`rollout ENV --status`."""
    return {
        "environment": progress.environment,
        "state": progress.state,
        "why": progress.why,
        "target": dict(progress.target),
        "before": dict(progress.before),
        "back": bool(progress.intent and progress.intent.back),
        "minimum": progress.minimum,
        "problem": progress.problem,
        "batches": [
            {
                "number": batch.number,
                "stage": batch.stage,
                "hosts": list(batch.hosts),
                "left": batch.left,
                "verdict": batch.verdict,
                "why": batch.why,
            }
            for batch in progress.batches
        ],
        "hosts": [_pool_host(host, progress.mark(host), serving) for host, serving in progress.hosts.items()],
    }


def _pool_host(host: str, version: str, serving: Serving | None) -> PoolHost:
    if serving is None:
        return {
            "host": host, "version": version, "standing": None, "healthy": None, "in_flight": None, "quiet": None,
        }  # fmt: skip
    return {
        "host": host,
        "version": version,
        "standing": serving.standing,
        "healthy": serving.healthy,
        "in_flight": serving.in_flight,
        "quiet": serving.quiet.total_seconds() if serving.quiet is not None else None,
    }


def exchange(swap: Swap) -> Exchange:
    """`swap`."""
    changes: dict[str, Change] = {
        name: {"before": before, "after": after} for name, (before, after) in swap.changes.items()
    }
    return {"environment": swap.environment, "live": swap.live, "to": swap.to, "changes": changes}


def preview(environment: str, on: bool, group: str) -> Preview:
    """`swap --preview`."""
    return {"environment": environment, "preview": on, "group": group}


def upgrade(steps: Sequence[str], *, dry_run: bool) -> Upgraded:
    """`upgrade`."""
    return {"upgraded": bool(steps) and not dry_run, "steps": list(steps)}


ANSWERS: dict[str, Any] = {
    "promote": list[Promotion],
    "deploy": Deployment,
    "rollout": Rollout,
    "rollout --status": RolloutStatus,
    "swap": Exchange,
    "swap --preview": Preview,
    "upgrade": Upgraded,
}
"""Command -> what it answers."""
