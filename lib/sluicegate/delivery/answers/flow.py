"""How long a version took from commit to integration, stage by stage, and which stage took most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sluicegate.delivery.book import resolving
from sluicegate.delivery.book.heard import ran_at
from sluicegate.delivery.book.state import State
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Built, Deployed, Failed, HostsInstalled, Intent, Tests


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
    """A version's way to the environment that follows latest. `total` from commit to the end of its tests there.

    `installed` is from its publication until the last host there had it.
    """

    component: str
    version: str
    environment: str
    stages: tuple[Stage, ...]
    installed: timedelta | None
    total: timedelta | None
    objective: timedelta

    @property
    def bottleneck(self) -> Stage | None:
        known = [stage for stage in self.stages if stage.waited is not None or stage.worked is not None]
        return max(known, key=lambda stage: stage.total) if known else None


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
    installed = _installed(state, environment, begun, deployed)
    tested = story.first(Tests, **where)  # reruns do not count twice
    committed = built.committed if built else None
    build_started = built.build_started if built else None
    published = built.at if built else None
    assigned, recorded = begun.at if begun else None, deployed.at if deployed else None
    heard = installed if installed != recorded else None  # tests wait until somebody hears of what hosts did themselves
    stages = (
        Stage(name="build", waited=_span(committed, build_started), worked=_span(build_started, published)),
        Stage(name="deploy", waited=_span(published, assigned), worked=_span(assigned, installed or recorded)),
        Stage(name="tests", waited=_span(heard, recorded), worked=_span(recorded, tested.at if tested else None)),
    )
    end = tested or deployed
    return Flow(
        component=component,
        version=chosen,
        environment=name,
        stages=stages,
        installed=_span(published, installed),
        total=_span(committed, end.at if end else None),
        objective=state.config.objective,
    )


def _intent(state: State, environment: str, deployed: Deployed | None) -> Intent | None:
    if deployed is None:
        return None
    records = state.annals.newest_first(environment)
    return next((record for record in records if isinstance(record, Intent) and record.id == deployed.of), None)


def _installed(
    state: State, environment: Environment | None, begun: Intent | None, deployed: Deployed | None
) -> datetime | None:
    """When the last host had it: when the deploy had looked, or when its own run began, as its report says.

    None while a host that the deploy left behind has not reported.
    """
    if environment is None or begun is None or deployed is None:
        return deployed.at if deployed else None
    later = [record for player in state.pair(environment) for record in state.annals.since(player.name, begun)]
    of_it = sorted((word for word in later if getattr(word, "of", "") == begun.id), key=lambda word: word.at)
    whole = next((ending for ending in of_it if isinstance(ending, Deployed)), deployed)
    runs: dict[str, datetime] = {}
    for record in of_it:
        for host, run in record.runs.items() if isinstance(record, HostsInstalled) else ():
            at = ran_at(run)
            runs.setdefault(host, at if begun.at <= at <= record.at else record.at)  # its clock may be wrong
    if any(isinstance(ending, Failed) for ending in of_it):  # so the reports of its hosts have ended it
        return max(runs.values(), default=whole.at)
    behind = [runs.get(host) for host in whole.behind]
    return None if None in behind else max([whole.at, *filter(None, behind)])


def _span(start: datetime | None, end: datetime | None) -> timedelta | None:
    """The time between; unknown when an end is missing or the clocks disagree."""
    if start is None or end is None or end < start:
        return None
    return end - start
