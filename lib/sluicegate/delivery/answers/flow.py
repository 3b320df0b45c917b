"""How long a version took from commit to integration, stage by stage, and which stage took most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sluicegate.delivery.book import resolving
from sluicegate.delivery.book.state import State
from sluicegate.model.evidence import Built, Deployed, Intent, Tests
from sluicegate.model.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: how long the version waited for it, and how long it worked. None means: unknown."""

    name: str
    waited: timedelta | None
    worked: timedelta | None

    @property
    def total(self) -> timedelta:
        return (self.waited or timedelta()) + (self.worked or timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A version's way to the environment that follows latest. `total` from commit to the end of its tests there."""

    component: str
    version: str
    environment: str
    stages: tuple[Stage, ...]
    total: timedelta | None
    objective: timedelta

    @property
    def bottleneck(self) -> Stage | None:
        known = [stage for stage in self.stages if stage.waited is not None or stage.worked is not None]
        return max(known, key=lambda stage: stage.total) if known else None

    def json(self) -> Json:
        """The shape of `flow --json`; times in seconds, null for unknown."""

        def seconds(span: timedelta | None) -> float | None:
            return None if span is None else round(span.total_seconds(), 3)

        return {
            "component": self.component,
            "version": self.version,
            "environment": self.environment,
            "total": seconds(self.total),
            "objective": seconds(self.objective),
            "bottleneck": self.bottleneck.name if self.bottleneck else None,
            "stages": [{"name": s.name, "waited": seconds(s.waited), "worked": seconds(s.worked)} for s in self.stages],
        }


def flow(state: State, component: str, version: str = "") -> Flow:
    """Measure from the ledger alone; what is not recorded is unknown, never 0."""
    chosen = version or resolving.resolve(state, component)
    story = state.known_story(component, chosen)
    environment = next((e for e in state.config.environments.values() if e.follow), None)
    name = environment.name if environment else ""
    where = {"env": name} if name else {}
    built = story.first(Built)
    deployed = story.first(Deployed, **where)
    begun = _intent(state, name, deployed)
    tested = story.first(Tests, **where)  # reruns do not count twice
    committed = built.committed if built else None
    build_started = built.build_started if built else None
    published = built.at if built else None
    stages = (
        Stage(name="build", waited=_span(committed, build_started), worked=_span(build_started, published)),
        Stage(
            name="deploy",
            waited=_span(published, begun.at if begun else None),
            worked=_span(begun.at if begun else None, deployed.at if deployed else None),
        ),
        Stage(
            name="tests", waited=None, worked=_span(deployed.at if deployed else None, tested.at if tested else None)
        ),
    )
    end = tested or deployed
    return Flow(
        component=component,
        version=chosen,
        environment=name,
        stages=stages,
        total=_span(committed, end.at if end else None),
        objective=state.config.objective,
    )


def _intent(state: State, environment: str, deployed: Deployed | None) -> Intent | None:
    if deployed is None:
        return None
    records = state.annals.newest_first(environment)
    return next((one for one in records if isinstance(one, Intent) and one.id == deployed.of), None)


def _span(start: datetime | None, end: datetime | None) -> timedelta | None:
    """The time between; unknown when an end is missing or the clocks disagree."""
    if start is None or end is None or end < start:
        return None
    return end - start
