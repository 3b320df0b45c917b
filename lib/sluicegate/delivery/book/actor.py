"""Who acts: inside a job the person in the build's causes, read from Jenkins; outside of one Git's user, a claim."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from sluicegate.delivery.book.membership import Membership
from sluicegate.errors import GateRefused, NotFound, SluicegateError, UsageError
from sluicegate.model.config import Config, Jenkins, Role
from sluicegate.model.evidence import Approval
from sluicegate.model.frozen import frozen
from sluicegate.model.story import Doubt
from sluicegate.model.values import Actor
from sluicegate.tools.git import Store

if TYPE_CHECKING:
    from sluicegate.tools import jenkins


@frozen
class Acting:
    """The actor, and the build that carries the act where there is one."""

    actor: Actor
    build: jenkins.Build | None = None

    @property
    def person(self) -> Actor:
        """Who says it in person: in a job only who started this very build, never somebody up the chain of causes.

        A job of anybody's may start another one, and be started by somebody who does not know what it starts.
        """
        if self.build is None:
            return self.actor
        if len(self.build.direct) == 1:
            (user,) = self.build.direct
            return replace(self.actor, user=user, verified=True)
        return replace(self.actor, verified=False)


def acting(config: Config, store: Store) -> Acting:
    """Never a parameter, never an option: what Jenkins says of the build at BUILD_URL, else Git's user."""
    url = os.environ.get("BUILD_URL", "")
    if config.jenkins is not None:
        if url:
            return _from_build(config.jenkins, url)
        _check_address()
    who = store.signature
    return Acting(actor=Actor(user=who.name, source=url or f"git:{who.name} <{who.email}>"))


def _check_address() -> None:
    """Raise UsageError inside a build of a Jenkins that does not know its own address, and so gives no BUILD_URL."""
    job, number = os.environ.get("JOB_NAME"), os.environ.get("BUILD_NUMBER")
    if job and number and not os.environ.get("SLUICEGATE_RUN"):
        raise UsageError(
            f"this is build {number} of the job {job}, but it has no BUILD_URL to ask who started it",
            hint="set 'Jenkins URL' in Manage Jenkins, System, to the 'url' that 'jenkins:' has in sluicegate.yaml",
        )


def _from_build(server: Jenkins, url: str) -> Acting:
    """One person behind the build is verified; none (a timer, a push) or several are not a person's act."""
    from sluicegate.tools import jenkins

    build = jenkins.read_build(server, url)
    if len(build.users) == 1:
        (user,) = build.users
        return Acting(actor=Actor(user=user, source=url, verified=True), build=build)
    return Acting(actor=Actor(user=server.user or "jenkins", source=url), build=build)


def check_verb(membership: Membership, acting: Acting, verb: str, against: Actor | None = None) -> None:
    """Raise GateRefused for a veto, a hold or their opposites by who is in no role that may, or only claims so.

    These are the roles that name jobs for the verb. What somebody of a role has said is lifted by that role too (of
    those that name jobs for it, where any does), proven as well as it was said. Where no role is left, everybody may.
    Raises what a directory raises that could not be asked, where nothing else lets the person act.
    """
    config = membership.config
    named = [role for role in config.roles.values() if verb in role.jobs]
    person, build = config.people.of(acting.person), acting.build
    verified = acting.person.verified
    able = [role for role in named if verified and (build is None or build.job in role.jobs[verb])]
    if any(person in role.members for role in able):
        return  # whoever said it, and whether or not a directory answers
    setting = _setting_roles(membership, LIFTED[verb], against, bool(named)) if against and verb in LIFTED else []
    able += setting if verified or not (against and against.verified) else []
    if membership.any(able, person):
        return
    if roles := list(dict.fromkeys([*(role.name for role in named), *(role.name for role in setting)])):
        user = acting.person.user or "nobody"
        raise GateRefused(
            f"the build {build.url}, started by {user}, may not {verb}" if build else f"{user} may not {verb}",
            reasons=[_who_may(config.roles[name], verb) for name in roles],
        )


def refuse_stranger(membership: Membership, person: Actor, role: Role) -> None:
    """Raise GateRefused for who is not in the role; what a directory raises that could not be asked."""
    if not membership.has(role, membership.config.people.of(person)):
        raise GateRefused(
            f"{person.user or 'nobody'} is not in the role '{role.name}'", reasons=[f"members: {role.who or 'none'}"]
        )


def check_going_on(membership: Membership, acting: Acting, role: Role) -> None:
    """Raise GateRefused for who lets a paused rollout go on and is not in the role, or does so by none of the jobs
    that it names for `continue`, where it names any.
    """
    person = acting.person
    if "continue" in role.jobs:
        check_judgement(acting.build, role, "continue", {})
        if not person.verified:
            raise GateRefused(f"{person.user or 'nobody'} may not continue it", reasons=[_who_may(role, "continue")])
    refuse_stranger(membership, person, role)


LIFTED = {"unveto": "veto", "unhold": "hold"}


def _setting_roles(membership: Membership, verb: str, said_by: Actor, named: bool) -> list[Role]:
    """The roles in which somebody has vetoed or held; without roles of the verb, all that they are in, unless roles
    are `named` for lifting it.
    """
    config = membership.config
    person = config.people.of(said_by) if said_by.source else config.people.called(said_by.user)
    of_verb = [role for role in config.roles.values() if verb in role.jobs]
    roles = of_verb or ([] if named else [*config.roles.values()])
    return [role for role in roles if membership.has(role, person)]


def _who_may(role: Role, verb: str) -> str:
    jobs = f"; jobs {', '.join(role.jobs[verb])}" if verb in role.jobs else ""
    return f"role {role.name}: members {role.who or 'none'}{jobs}"


def check_judgement(build: jenkins.Build | None, role: Role, verb: str, wanted: dict[str, str]) -> None:
    """A judgement inside a job: the build runs, a person started it, its job is one of the role's for this verb, and
    its own parameters say the same.

    `wanted` maps parameter names to values. Outside of a job there is nothing to check here.
    """
    if build is None:
        return
    ended = [] if build.building else ["the build does not run any more"]
    if reasons := [*ended, *_differences(build, role, verb, wanted)]:
        raise GateRefused(f"this cannot be said by the build {build.url}", reasons=reasons)


def doubt(config: Config, approval: Approval, wanted: dict[str, str]) -> Doubt | None:
    """Ask the build that an approval came from once more; None where it says the same, and where nobody can be asked.

    One that Jenkins has no more is as good as the signature of the record.
    """
    from sluicegate.tools import jenkins

    if config.jenkins is None or not approval.by.verified:
        return None
    signed = config.signing is not None and approval.signature != ""
    gone = None if signed else Doubt(state="unverified", reason=f"unverified: {approval.by.source} is gone")
    if not jenkins.is_build(config.jenkins, approval.by.source):
        return gone and Doubt(state="unverified", reason=f"unverified: it is from no build of {config.jenkins.url}")
    try:
        build = jenkins.read_build(config.jenkins, approval.by.source, chain=False, patient=False)
    except NotFound:
        return gone
    except SluicegateError as problem:
        return Doubt(state="error", reason=f"its build cannot be asked: {problem.message}")
    reasons = _differences(build, config.role(approval.role), "approve", wanted)
    if len(build.direct) == 1 and build.direct != {approval.by.user}:
        reasons.append(f"{', '.join(build.direct)} started it")
    if reasons:
        return Doubt(state="refused", reason=f"its build {build.url} says otherwise: {'; '.join(reasons)}")
    return None


def _differences(build: jenkins.Build, role: Role, verb: str, wanted: dict[str, str]) -> list[str]:
    """How a build differs from one that carries this verb in the role."""
    reasons = []
    jobs = role.jobs.get(verb, ())
    if build.job not in jobs:
        allowed = ", ".join(jobs) or "none"
        reasons.append(
            f"the job '{build.job}' is not one that may {verb} in the role: {allowed}{_in_folder(build.job, jobs)}"
        )
    if len(build.direct) != 1:
        behind = ", ".join(sorted(build.direct)) or "nobody"
        reasons.append(f"it takes one person who started this very build, and there is {behind}")
    for name, value in wanted.items():
        if build.parameters.get(name) != value:
            reasons.append(f"the build's parameter {name} is '{build.parameters.get(name, '')}', not '{value}'")
    return reasons


def _in_folder(job: str, jobs: tuple[str, ...]) -> str:
    """A word on a role that names the job without its folder."""
    folder, _, name = job.rpartition("/")
    return f" (it is in the folder {folder}: a role names it '{job}')" if folder and name in jobs else ""
