"""Who acts: inside a job the person in the build's causes, read from Jenkins; outside of one Git's user, a claim."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluicegate.errors import GateRefused
from sluicegate.model.config import Config, Jenkins, Role
from sluicegate.model.values import Actor
from sluicegate.tools.git import Store

if TYPE_CHECKING:
    from sluicegate.tools import jenkins


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """The actor, and the build that carries the act where there is one."""

    actor: Actor
    build: jenkins.Build | None = None


def acting(config: Config, store: Store) -> Acting:
    """Never a parameter, never an option: what Jenkins says of the build at BUILD_URL, else Git's user."""
    url = os.environ.get("BUILD_URL", "")
    if url and config.jenkins is not None:
        return _from_build(config.jenkins, url)
    who = store.signature
    return Acting(actor=Actor(user=who.name, source=url or f"git:{who.name} <{who.email}>"))


def _from_build(server: Jenkins, url: str) -> Acting:
    """One person behind the build is verified; none (a timer, a push) or several are not a person's act."""
    from sluicegate.tools import jenkins

    build = jenkins.read_build(server, url)
    if len(build.users) == 1:
        (user,) = build.users
        return Acting(actor=Actor(user=user, source=url, verified=True), build=build)
    return Acting(actor=Actor(user=server.user or "jenkins", source=url), build=build)


def check_judgement(build: jenkins.Build | None, role: Role, wanted: dict[str, str]) -> None:
    """A judgement inside a job: the build runs, its job is one of the role's, and its own parameters say the same.

    `wanted` maps parameter names to values. Outside of a job there is nothing to check here.
    """
    if build is None:
        return
    reasons = []
    if not build.building:
        reasons.append("the build does not run any more")
    if build.job not in role.jobs:
        reasons.append(f"the job '{build.job}' is not one of the role's jobs: {', '.join(role.jobs) or 'none'}")
    if len(build.users) != 1:
        behind = ", ".join(sorted(build.users)) or "nobody"
        reasons.append(f"it takes one person behind the build, and there is {behind}")
    for name, value in wanted.items():
        if build.parameters.get(name) != value:
            reasons.append(f"the build's parameter {name} is '{build.parameters.get(name, '')}', not '{value}'")
    if reasons:
        raise GateRefused(f"this cannot be said by the build {build.url}", reasons=reasons)
