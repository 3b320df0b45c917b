"""Asks the gates: may this version enter that environment?"""

from __future__ import annotations

from dataclasses import replace

from sluicegate.delivery.book import actor
from sluicegate.delivery.book.state import State
from sluicegate.errors import GateRefused, SluicegateError
from sluicegate.model import snapshots
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Approval, Deployed, Judgement
from sluicegate.model.story import Candidate, Joined, Story, lifting
from sluicegate.model.values import Verdict

UNCOUNTED_HINT = "approve from a job of the role (roles: ... jobs:), or let the gate take it: accept: unverified"


def candidate(state: State, component: str, version: str, target: Environment) -> Candidate:
    """A published version on its way into `target`, with its story."""
    built = state.built(component, version)
    origin = state.config.environments.get(target.origin)
    standing = state.effective(origin) if origin and origin.groups else None
    return Candidate(
        component=component,
        version=version,
        manifest=built.manifest,
        origin=target.origin,
        target=target.name,
        set_name=standing.set_name if standing else "",
        story=state.story(component, version),
        author=built.author,
        address=built.address,
        uncounted=state.uncounted(component, version),
        joined=_joined(state, state.story(component, version), target),
    )


def _joined(state: State, story: Story, target: Environment) -> dict[str, Joined]:
    """What directories say of those who approved a version for an environment in a role that has groups."""
    joined = {}
    for role in (state.config.roles.get(name) for name in _asked_roles(target)):
        if role is None or not role.groups:
            continue
        members, unknown = set(), {}
        approvals = story.of(Approval, env=target.name, role=role.name)
        for person in {state.config.people.of(approval.by) for approval in approvals}:
            try:
                if person not in role.members and state.membership.has(role, person):
                    members.add(person)
            except SluicegateError as problem:
                unknown[person] = problem.message
        joined[role.name] = Joined(members=frozenset(members), unknown=unknown)
    return joined


def _asked_roles(environment: Environment) -> set[str]:
    """The roles that the approvals of an environment's gates are to come from."""
    return {gate.settings.text("role", "") for gate in environment.gates if gate.driver == "approval"}


def verdicts(state: State, judged: Candidate) -> tuple[Verdict, ...]:
    """Every gate's answer, first whether it has run in the environment before, and whether a SNAPSHOT may enter."""
    target = state.config.environment(judged.target)
    origin = state.config.environments.get(target.origin)
    answers = []
    # It must have run in the environment before ...
    if origin is not None and origin.groups:
        deployed = judged.story.latest(Deployed, env=origin.name, manifest=judged.manifest)
        reason = f"it ran in {origin.name}" if deployed else f"it has not run in {origin.name}"
        answers.append(
            Verdict(
                gate=f"deployed in {origin.name}",
                state="passed" if deployed else "waiting",
                reason=reason,
                command="" if deployed else _way_into(state, origin, judged),
                since=deployed.at if deployed else None,
            )
        )
    # ... a SNAPSHOT never enters the last one ...
    if snapshots.base(judged.version) and state.config.is_final(target):
        answers.append(
            Verdict(
                gate="release",
                state="refused",
                reason=f"it is a publication of {snapshots.base(judged.version)}; {target.name} takes releases only",
                command=f"sluicegate publish {judged.component}={snapshots.parts(judged.version)[0]} FILE...",
            )
        )
    # ... and the gates that the configuration names judge it.
    answers += [gate(judged, state.now) for gate in state.drivers.gates(state.config, target)]
    return tuple(answers)


def _way_into(state: State, origin: Environment, judged: Candidate) -> str:
    """What brings a version into the environment that it has to come from."""
    pin = state.pins(origin.name).get(judged.component)
    if origin.origin and (pin is None or pin.version != judged.version):
        return f"sluicegate promote {judged.component}={judged.version} --to {origin.name}"
    return f"sluicegate sync {origin.name}"


def judgement_parameters(component: str, version: str, environment: str, role: str) -> dict[str, str]:
    """The parameters of a build that carries a judgement."""
    return {"COMPONENT": component, "VERSION": version, "TO": environment, "ROLE": role}


def asked_again(state: State, judged: Candidate) -> Candidate:
    """The candidate with what the builds of its approvals say now."""
    environment = state.config.environment(judged.target)
    roles = _asked_roles(environment)
    judgements = judged.story.of(Judgement, env=judged.target)
    last = {(r.role, r.by.user, r.by.verified): r for r in judgements if r.role in roles}
    doubts = {}
    for approval in last.values():
        if isinstance(approval, Approval):
            wanted = judgement_parameters(judged.component, judged.version, judged.target, approval.role)
            if doubt := actor.doubt(state.config, approval, wanted):
                doubts[approval.id] = doubt
    return replace(judged, doubts=doubts)


def require(
    state: State, candidates: tuple[Candidate, ...], verb: str, *, ask: bool = False
) -> dict[str, tuple[Verdict, ...]]:
    """All verdicts by component, or GateRefused with every reason that stands in the way.

    With `ask` the builds that approvals came from are asked again: what they say now counts.
    """
    if ask:
        candidates = tuple(asked_again(state, judged) for judged in candidates)
    answers = {judged.component: verdicts(state, judged) for judged in candidates}
    unmet = [(judged, verdict) for judged in candidates for verdict in answers[judged.component] if not verdict.passed]
    if unmet:
        names = ", ".join(f"{judged.component}={judged.version}" for judged in candidates)
        raise GateRefused(
            f"{verb} {names} to {candidates[0].target} is refused",
            reasons=[f"{judged.component}={judged.version}: {spoken(verdict)}" for judged, verdict in unmet],
            hint=next((verdict.command for _, verdict in unmet if verdict.command), ""),
        )
    return answers


def refuse_uncounted(state: State, component: str, version: str, approval: Judgement) -> None:
    """Raise GateRefused for an approval that every gate that asks for its role would pass over."""
    target = state.config.environment(approval.env)
    judged = candidate(state, component, version, target)
    story = Story((*judged.story, approval))
    judged = replace(judged, story=story, uncounted=(), joined=_joined(state, story, target))
    asking = [verdict for verdict in verdicts(state, judged) if verdict.gate == f"approval {approval.role}"]
    objections = [dict(verdict.uncounted).get(approval.by.user, "") for verdict in asking]
    if objections and all(objections):
        raise GateRefused(
            f"an approval of {component}={version} by {approval.by.user} would not count",
            reasons=list(dict.fromkeys(objections)),
            hint=next((v.command for v in asking if v.command), "") or UNCOUNTED_HINT,
        )


def refuse_vetoed(state: State, component: str, version: str, environment: str) -> None:
    """A way back goes past the gates, but never to a vetoed version."""
    if veto := state.vetoed(component, version, environment):
        raise GateRefused(
            f"{component}={version} is vetoed by {veto.by.user}: {veto.why or 'no reason given'}",
            hint=lifting(component, version, veto),
        )


def spoken(verdict: Verdict) -> str:
    """A verdict as one line: gate, state, reason, who can help, since when."""
    helper = f" (who can help: {verdict.who_can_help})" if verdict.who_can_help and not verdict.passed else ""
    since = f", since {verdict.since:%Y-%m-%d %H:%M} UTC" if verdict.since and not verdict.passed else ""
    return f"{verdict.gate}: {verdict.state}: {verdict.reason}{helper}{since}"
