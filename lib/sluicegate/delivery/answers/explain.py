"""Why is a version not there? Every unmet condition, who can meet it, with which command, and since when it waits."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.delivery.answers.status import hosts_out
from sluicegate.delivery.book import intents, resolving
from sluicegate.delivery.book.state import State
from sluicegate.delivery.moves import gating
from sluicegate.delivery.moves.promote import is_lower, standing_pins
from sluicegate.errors import UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import HostOut
from sluicegate.model.story import Uncounted
from sluicegate.model.values import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One version's way into one environment: where it runs, each verdict, the next command, and its hosts out.

    `uncounted`: what was said of the version and is passed over.
    """

    component: str
    version: str
    target: str
    runs_in: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    next_command: str
    out: tuple[HostOut, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()

    @property
    def arrived(self) -> bool:
        return self.target in self.runs_in

    @property
    def unmet(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)


def explain(state: State, component: str, version: str, target: str) -> Explanation:
    """`version` '' means the newest, `target` '' the first environment on the way that does not have it."""
    chosen = version or resolving.resolve(state, component)
    state.known_story(component, chosen)
    runs_in = tuple(e.name for e in state.config.environments.values() if _runs(state, e, component, chosen))
    environment = state.config.environment(target) if target else _next(state, runs_in)
    candidate = gating.candidate(state, component, chosen, environment)
    verdicts = (*_standing(state, environment, component, chosen), *gating.verdicts(state, candidate))
    return Explanation(
        component=component,
        version=chosen,
        target=environment.name,
        runs_in=runs_in,
        verdicts=verdicts,
        next_command=_next_command(state, environment, component, chosen, verdicts, runs_in),
        out=hosts_out(state, environment),
        uncounted=state.uncounted(component, chosen),
    )


def _runs(state: State, environment: Environment, component: str, version: str) -> bool:
    standing = state.effective(environment) if environment.groups else None
    return standing is not None and component in standing.installed and standing.installed[component].version == version


def _next(state: State, runs_in: tuple[str, ...]) -> Environment:
    """The environment after the farthest that runs the version; that one itself at the end of the way."""
    environments = tuple(state.config.environments.values())
    if not environments:
        raise UsageError("there is no environment in sluicegate.yaml")
    if not runs_in:
        return environments[0]
    farthest = max(runs_in, key=lambda name: sum(name in state.config.downstream(e.name) for e in environments))
    return next((e for e in environments if e.origin == farthest), state.config.environment(farthest))


def _standing(state: State, environment: Environment, component: str, version: str) -> tuple[Verdict, ...]:
    """What stands in the way besides the gates: a hold, a higher version, somebody at work."""
    obstacles = []
    pins = standing_pins(state, environment)
    pin = pins.get(component)
    if pin and pin.hold and pin.held(state.now) and pin.version != version:
        obstacles.append(
            Verdict(
                gate="hold",
                state="refused",
                reason=f"{component} is held at {pin.version}" + (f": {pin.hold.why}" if pin.hold.why else ""),
                who_can_help=pin.hold.by,
                command=f"sluicegate unhold {component} --in {environment.name}",
            )
        )
    if pin and is_lower(state, component, version, pins):
        obstacles.append(
            Verdict(
                gate="order",
                state="refused",
                reason=f"{environment.name} has the higher version {pin.version}",
                command=_lowering(environment, component, version),
            )
        )
    for intent in state.open_intents(environment):
        obstacles.append(
            Verdict(
                gate="lock",
                state="waiting",
                reason=f"{intent.environment} is locked: {intents.described(intent)}",
                who_can_help=intent.record.by.user,
                command="sluicegate resume",
                since=intent.record.at,
            )
        )
    return tuple(obstacles)


def _lowering(environment: Environment, component: str, version: str) -> str:
    """How a version is lowered openly."""
    if environment.swaps_with:
        return f"sluicegate rollback {environment.name} {component}"
    if environment.origin:
        return f"sluicegate promote {component}={version} --to {environment.name} --downgrade {component}"
    return f"sluicegate pin {component}={version} --in {environment.name}"


def _next_command(
    state: State,
    environment: Environment,
    component: str,
    version: str,
    verdicts: tuple[Verdict, ...],
    runs_in: tuple[str, ...],
) -> str:
    if environment.name in runs_in:
        return ""
    for verdict in verdicts:
        if not verdict.passed:
            return verdict.command
    if environment.swaps_with:
        return f"sluicegate swap {environment.name}"
    pin = standing_pins(state, environment).get(component)
    if environment.origin and (pin is None or pin.version != version):
        return f"sluicegate promote {component}={version} --to {environment.name}"
    return f"sluicegate sync {environment.name}"
