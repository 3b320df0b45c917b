"""Sets of versions: what a change makes of one, how two differ, what a set is called."""

from __future__ import annotations

from collections.abc import Mapping

from sluicegate.model.evidence import Deployed, Intent, Swapped
from sluicegate.model.values import Installed, set_name

Step = Deployed | Swapped | Intent
"""Records that may say only what changes; where they name a `base`, they build on it."""


def following(versions: Mapping[str, str], change: Step) -> dict[str, str]:
    """The versions after a change."""
    return {name: version for name, version in versions.items() if name not in change.before} | dict(change.changed)


def preceding(versions: Mapping[str, str], change: Deployed | Swapped) -> dict[str, str]:
    """The versions before a change."""
    return {name: version for name, version in versions.items() if name not in change.changed} | dict(change.before)


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is changed, and what stood there before: `following` leads from the one to the other."""
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return (
        {name: version for name, version in after.items() if name in names},
        {name: version for name, version in before.items() if name in names},
    )


def name_of_set(installed: Mapping[str, Installed]) -> str:
    """The name of a set that is installed."""
    return set_name({name: (here.version, here.manifest) for name, here in installed.items()})
