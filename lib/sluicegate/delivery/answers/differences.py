"""What one environment has that another has not: versions, and the commits and issues that they bring."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.delivery.book.state import State
from sluicegate.delivery.book.versions import lower
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Built


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A component whose versions differ ('' for none), and what was committed from the lower to the higher one."""

    component: str
    first: str
    second: str
    subjects: tuple[str, ...]
    issues: tuple[str, ...]


def differences(state: State, first: str, second: str) -> tuple[Difference, ...]:
    """Each component that differs between two environments; what is installed counts, without hosts the pins."""
    mine, theirs = (_versions(state, state.config.environment(name)) for name in (first, second))
    between_them = []
    for component in state.config.components:
        pair = mine.get(component, ""), theirs.get(component, "")
        if pair[0] != pair[1]:
            between = _between(state, component, *pair)
            subjects = tuple(subject for built in between for subject in built.subjects)
            issues = tuple(dict.fromkeys(issue for built in between for issue in built.issues))
            between_them.append(
                Difference(component=component, first=pair[0], second=pair[1], subjects=subjects, issues=issues)
            )
    return tuple(between_them)


def _versions(state: State, environment: Environment) -> dict[str, str]:
    if not environment.groups:
        return {component: pin.version for component, pin in state.pins(environment.name).items()}
    standing = state.effective(environment)
    return {component: at.version for component, at in standing.installed.items()} if standing else {}


def _between(state: State, component: str, left: str, right: str) -> list[Built]:
    """The versions above the lower one up to the higher one, newest first; none where one side has nothing."""
    if not left or not right:
        return []
    scheme = state.component(component).versions
    low, high = (left, right) if lower(scheme, left, right) else (right, left)
    versions = [v for v in state.versions(component) if lower(scheme, low, v) and not lower(scheme, high, v)]
    records = (state.story(component, version).latest(Built) for version in reversed(versions))
    return [built for built in records if built is not None]
