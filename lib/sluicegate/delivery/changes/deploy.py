"""Deploy: make an environment's hosts match its pins. What refuses it, and the intent that begins it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sluicegate.delivery.book import intents, standing
from sluicegate.delivery.book.pins import versions_of
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes import migrating
from sluicegate.delivery.changes.applying import Say, carry_out, silent
from sluicegate.delivery.changes.planning import Plan, make_plan
from sluicegate.delivery.changes.recording import step_to
from sluicegate.delivery.changes.rolling import Worse, admitted
from sluicegate.delivery.moves import gating, schema
from sluicegate.delivery.moves.pinning import refuse_edited
from sluicegate.delivery.moves.promote import standing_pins
from sluicegate.errors import Conflict, GateRefused, NotFound, SluicegateError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Intent, Pinned, Swapped, Unpinned
from sluicegate.model.story import Candidate
from sluicegate.model.values import Hold, Pin, stamp


def deploy(
    repo: DeliveryRepo,
    name: str,
    *,
    target: Mapping[str, str] | None = None,
    ahead: Mapping[str, str] | None = None,
    end_sessions: bool = False,
    remove: bool = False,
    dry_run: bool = False,
    say: Say = silent,
    why: str = "",
    together: Callable[[State, Draft], None] | None = None,
) -> Plan:
    """Deploy the pins (or, for a rollback, `target`) to the environment's hosts. Raises before anything is changed
    when a gate refuses, a host is down or the environment is locked; PartlyDone when some hosts have changed.
    `ahead`, for a dry run, are pins that would be moved before. `remove` says that components shall leave every host.
    `together` is written in the one commit with the intent, so that no crash comes between them."""
    state = repo.state()
    environment = state.config.environment(name)
    more = dict(ahead or {})
    _refuse(state, environment, target, more, end_sessions)
    wanted = target if target is not None else versions_of(standing_pins(state, environment)) | more
    state.read_stories(wanted.items())
    plan = make_plan(state, environment, wanted, back=target is not None)
    plan = replace(plan, schema=migrating.planned(state, plan))
    plan.refuse_unsafe()
    if environment.pool and plan.batches:
        refuse_undercut(state, environment, plan)
    if target is None and not remove:
        _refuse_removal(state, environment, plan)
    if dry_run:
        return plan
    verb = "rollout" if environment.pool else "deploy"
    if together is None and _as_recorded(state, environment, plan):
        if target is None:
            _note_standing(repo, state, environment)
        return plan

    def decide(state: State, draft: Draft) -> Intent:
        environment = state.config.environment(name)
        if together is not None:  # first: it knows best when somebody has moved what the plan was made of
            together(state, draft)
        _refuse(state, environment, target, {}, end_sessions)
        if target is None:
            if versions_of(standing_pins(state, environment)) != plan.target:
                raise Conflict(f"the pins of {name} were changed meanwhile", hint="run the command again")
            note_pins(state, draft, environment)
            note_removal(state, draft, plan)
        back = environment.pool is not None and target is not None
        intent = Intent(verb=verb, group=plan.group, gated=target is None, back=back, why=why)
        if state.form == 1:  # a rollout may go back: it says where it comes from
            before = _before(state, environment) if environment.pool else {}
            intent = replace(intent, target=dict(plan.target), before=before)
        else:
            base, changed, before = step_to(state, environment, plan.group, plan.target)
            intent = replace(intent, base=base, changed=changed, before=before)
        return intents.begin(draft, name, intent)

    intent = repo.change(decide, f"{verb} {name}: begin", why=why)
    try:
        return carry_out(repo, plan, intent, say)
    except Worse as worse:
        raise gone_back(repo, name, intent, worse, say) from worse


def _before(state: State, environment: Environment) -> dict[str, str]:
    """What a rollout comes from, and may go back to."""
    standing = state.effective(environment)
    return {component: here.version for component, here in standing.installed.items()} if standing else {}


def gone_back(repo: DeliveryRepo, name: str, intent: Intent, problem: SluicegateError, say: Say) -> SluicegateError:
    """Go back from a rollout that has ended by itself; what is to be said then."""
    state = repo.state()
    environment = state.config.environment(name)
    if state.origin(environment, intent) in ({}, state.target(environment, intent)):
        return problem.saying(f"{problem.message}; there is nothing to go back to")
    go_back(repo, name, intent, problem.message, say)
    return problem.saying(f"{problem.message}; {name} has gone back")


def go_back(repo: DeliveryRepo, name: str, intent: Intent, why: str, say: Say) -> Plan:
    """Bring back what the rollout came from, batch by batch: its pins, and its hosts. Nothing is vetoed."""

    def pins_back(state: State, draft: Draft) -> None:
        environment = state.config.environment(name)
        target = state.target(environment, intent)
        for component, version in before.items():
            pin = state.pins(name).get(component)
            if pin is not None and pin.version != version:
                hold = Hold(by=draft.by.user, why=f"{pin.version} was taken back: {why}")
                kept = hold if environment.follow else pin.hold
                draft.pin(name, component, Pin(component=component, version=version, hold=kept))
                draft.note(component, version, Pinned(env=name, how="abort", before=pin.version, why=why))
        for component in set(target) - set(before):
            if component in state.pins(name):
                draft.pin(name, component, None)
                draft.note(component, target[component], Unpinned(env=name, how="abort", why=why))

    state = repo.state()
    before = state.origin(state.config.environment(name), intent)
    return deploy(repo, name, target=before, say=say, why=why, together=pins_back)


def refuse_undercut(state: State, environment: Environment, plan: Plan) -> None:
    """Raise GateRefused where not one host may be drained, before anything is written."""
    members = state.config.groups[plan.group]
    survey = state.pool(environment).survey()
    if lost := [host for host in members if host not in survey]:
        raise NotFound(
            f"the pool of {environment.name} has no {', '.join(lost)}",
            hint=f"compare its configuration: sluicegate balancer config {environment.name} --against haproxy.cfg",
        )
    hosts = [transaction.host for transaction in plan.batches[0]]
    admitted(hosts, survey, environment.rolling.capacity.at_least(len(members)), environment.name)


def _refuse_removal(state: State, environment: Environment, plan: Plan) -> None:
    """Raise GateRefused when components would leave every host and no *unpinned* record says that they shall.

    A pin file that lost a line, by a slip or by damage, looks just so.
    """
    lost = sorted({step.component for step in plan.steps if step.component not in plan.target})
    events = {name: standing.last_pin_event(state, name, environment.name)[1] for name in lost}
    if unexplained := [name for name, event in events.items() if not isinstance(event, Unpinned)]:
        raise GateRefused(
            f"{environment.name} would lose {', '.join(unexplained)} on every host, and nobody unpinned it",
            reasons=[str(step) for step in plan.steps if step.component in unexplained],
            hint=f"put the pin back; or, if that is meant: sluicegate deploy {environment.name} --remove",
        )


def note_removal(state: State, draft: Draft, plan: Plan) -> None:
    """Record components that leave every host because their pins went by a commit."""
    environment = state.config.environment(plan.environment)
    for name in sorted({step.component for step in plan.steps if step.component not in plan.target}):
        version, event = standing.last_pin_event(state, name, environment.name)
        if isinstance(event, Pinned):
            draft.note(name, version, Unpinned(env=environment.name, how="commit"))


def _note_standing(repo: DeliveryRepo, state: State, environment: Environment) -> None:
    """Write down pins that came by a commit where the hosts have their versions already."""
    trial = Draft(state, repo.actor)
    note_pins(state, trial, environment)
    if trial.files or trial.records or trial.current:
        repo.change(
            lambda state, draft: note_pins(state, draft, environment), f"{environment.name}: pins that came by a commit"
        )


def _as_recorded(state: State, environment: Environment, plan: Plan) -> bool:
    """Whether there is nothing to do and nothing to write down."""
    installed = state.group_state(environment, plan.group)
    if plan.steps or installed is None or state.unsure(environment, plan.group):
        return False
    if set(installed.behind) != set(plan.down):
        return False
    if schema.to_verify(state, environment, plan.target):
        return False
    if schema.to_contract(state, environment, plan.group, plan.target, plan.down):
        return False
    return {name: here.version for name, here in installed.installed.items()} == dict(plan.target)


def _refuse(
    state: State, environment: Environment, target: Mapping[str, str] | None, ahead: dict[str, str], end_sessions: bool
) -> None:
    intents.refuse_locked(state, environment)
    _refuse_sessions(state, environment, end_sessions)
    if target is None and environment.swaps_with:
        refuse_edited(state, environment)
    elif target is None:
        refuse_ungated(state, environment, versions_of(standing_pins(state, environment)) | ahead)


def refuse_ungated(
    state: State, environment: Environment, target: Mapping[str, str], *, past_gates: bool = False
) -> None:
    """What the target would change must pass the environment's gates, however it came to be; `past_gates`, as after
    a rollback, only a veto counts. Builds of approvals are asked again for what no promotion brought."""
    effective = state.effective(environment)
    installed = effective.installed if effective else {}
    partner = state.config.swap_partner(environment)
    proven = state.swapped_in(environment if environment.swaps_with else partner) if partner else {}
    changed = []
    state.read_stories(target.items())
    for component, version in target.items():
        here = installed.get(component)
        if (here is None or here.manifest != state.manifest(component, version)) and proven.get(component) != version:
            changed.append(gating.candidate(state, component, version, environment))
    if past_gates:
        for candidate in changed:
            gating.refuse_vetoed(state, candidate.component, candidate.version, environment.name)
    elif changed:
        candidates = (
            candidate if _was_let_in(candidate) else gating.asked_again(state, candidate) for candidate in changed
        )
        gating.require(state, tuple(candidates), "deploying")


def _was_let_in(candidate: Candidate) -> bool:
    """Whether a command of ours brought the pin past its gates, or back, and so has asked the builds of approvals where
    that is due; else a commit to main did, a `pin` or a follower, and nobody has asked yet (decision 0041)."""
    pinned = candidate.story.latest(Pinned, env=candidate.target)
    return pinned is not None and pinned.how not in ("commit", "pin", "follow")


def _refuse_sessions(state: State, environment: Environment, end_sessions: bool) -> None:
    """Raise Occupied while logged-in users may still be on the group that the last swap took out."""
    swap = state.last_swap(environment)
    until = kept_until(state, environment, swap)
    if swap is not None and until and not end_sessions:
        raise intents.Occupied(
            f"logged-in users may stay on {swap.idle} until {until}",
            hint=f"wait (sluicegate sync {environment.name} --wait), or --end-sessions",
        )


def kept_until(state: State, environment: Environment, swap: Swapped | None) -> str:
    """Until when users stay on the group that plays this environment, '' when nobody does."""
    if swap is None or swap.idle != state.group(environment):
        return ""
    until = swap.sessions_until
    return stamp(until) if until and until > state.now else ""


def note_pins(state: State, draft: Draft, environment: Environment) -> None:
    """Record pins that came by a commit, and bring staging's file up to its candidate set."""
    index = standing.entries(state, environment.name)
    state.read_stories((component, pin.version) for component, pin in standing_pins(state, environment).items())
    for component, pin in standing_pins(state, environment).items():
        if state.pins(environment.name).get(component) != pin:
            draft.pin(environment.name, component, pin)
        if environment.swaps_with:
            continue
        if not standing.is_noted(state, pin, environment.name, index):
            pinned = Pinned(env=environment.name, how="commit", commit=state.tips["main"])
            draft.note(component, pin.version, pinned)
        elif entry := standing.rightly(state, pin, environment.name, index):
            draft.current.setdefault(environment.name, {})[component] = entry
