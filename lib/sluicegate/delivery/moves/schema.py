"""Schema changes in three steps, as rules: what is to be run for a version, what is due, below what nobody goes back.

`expand` makes room for a version while older ones still run, `verify` looks once it runs, `contract` takes away what
only older versions need. Environments that swap are one place: their groups share what the schema is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sluicegate.delivery.book.state import State
from sluicegate.delivery.book.versions import lower
from sluicegate.errors import GateRefused
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Migrated


def refuse_below(state: State, environment: Environment, versions: Mapping[str, str]) -> None:
    """Raise GateRefused for a version that needs what a later one's `contract` has taken away."""
    low = []
    for component, version in versions.items():
        floor = _highest(state, environment, component, "contract")
        if version and floor and lower(_scheme(state, component), version, floor):
            low.append(
                f"{component}={version} needs what the schema of {floor} has no more: it was contracted for that"
            )
    if low:
        raise GateRefused(
            f"there is no way to these versions in {environment.name}", reasons=low,
            hint="go to a version from there on; a change that mends it goes the way of every other one",
        )  # fmt: skip


def to_expand(state: State, environment: Environment, target: Mapping[str, str]) -> dict[str, str]:
    """The components whose schema is to be made ready for their version, before any host gets it."""
    return {
        component: version
        for component, version in target.items()
        if _has(state, component, "expand") and _above(state, component, version, environment, "expand")
    }


def to_verify(state: State, environment: Environment, target: Mapping[str, str]) -> dict[str, str]:
    """Those that were expanded for the version which now runs, and not looked at since."""
    return {
        component: version
        for component, version in target.items()
        if _has(state, component, "verify")
        and version == _highest(state, environment, component, "expand")
        and _above(state, component, version, environment, "verify")
    }


def waiting(state: State, environment: Environment) -> dict[str, str]:
    """The components that were expanded for a version, and not contracted: to be done once no host is below it."""
    due = {}
    for component in state.config.components:
        version = _highest(state, environment, component, "expand")
        if (
            version
            and _has(state, component, "contract")
            and _above(state, component, version, environment, "contract")
        ):
            due[component] = version
    return due


def to_contract(
    state: State, environment: Environment, group: str, target: Mapping[str, str], behind: Iterable[str] = ()
) -> dict[str, str]:
    """Those that wait, where no host of any group is below the version any more once `group` has `target`.

    A host that is out or `behind` may have anything.
    """
    if any(behind) or state.hosts_out(environment):
        return {}
    there: list[Mapping[str, str]] = [target]
    for group_name in environment.groups:
        standing = state.group_state(environment, group_name)
        if group_name == group or standing is None:
            continue
        if standing.behind or state.unsure(environment, group_name):
            return {}
        there.append({name: here.version for name, here in standing.installed.items()})
    return {
        component: version
        for component, version in waiting(state, environment).items()
        if component in target
        and not any(lower(_scheme(state, component), has[component], version) for has in there if component in has)
    }


def _has(state: State, component: str, step: str) -> bool:
    schema = state.component(component).schema
    return schema is not None and step in schema.steps


def _above(state: State, component: str, version: str, environment: Environment, step: str) -> bool:
    """Whether the step was run for no version as high as this."""
    done = _highest(state, environment, component, step)
    return not done or lower(_scheme(state, component), done, version)


def _highest(state: State, environment: Environment, component: str, step: str) -> str:
    """The highest version for which a step was run in the environment or the one that it swaps with, '' for none."""
    highest = ""
    if state.component(component).schema is None:  # the histories are read for those alone that have one
        return highest
    for player in state.pair(environment):
        for record in state.chronicle(player.name).of(Migrated, component=component, step=step):
            if not highest or lower(_scheme(state, component), highest, record.version):
                highest = record.version
    return highest


def _scheme(state: State, component: str) -> str:
    return state.component(component).versions
