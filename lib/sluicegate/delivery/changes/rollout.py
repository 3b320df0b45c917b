"""Rollout: replace the versions of a pool batch by batch; let it go on, end it, and show how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.actor import check_going_on
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import OpenIntent, State
from sluicegate.delivery.changes import applying, deploy, recording
from sluicegate.delivery.changes.applying import Say, silent
from sluicegate.delivery.changes.planning import Plan, make_plan
from sluicegate.delivery.changes.rolling import Worse, paused
from sluicegate.errors import GateRefused, NotFound, SluicegateError, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Batch, Ending, Failed, Halted, Intent
from sluicegate.model.serving import Serving

PATIENCE = 120.0  # seconds that a rollout has to come to its end once it is halted


def rollout(
    repo: DeliveryRepo, name: str, *, remove: bool = False, dry_run: bool = False, say: Say = silent, why: str = ""
) -> Plan:
    """Roll the pins of a pool out. Raises GateRefused while another one is paused, and what `deploy` raises."""
    state = repo.state()
    environment = _pooled(state, name)
    for intent in state.open_intents(environment):
        if standing := paused(state, intent):
            raise _still(name, standing)
    return deploy.deploy(repo, name, remove=remove, dry_run=dry_run, say=say, why=why)


def go_on(repo: DeliveryRepo, name: str, *, say: Say = silent, why: str = "") -> Plan:
    """Let a paused rollout go on. Raises GateRefused for who may not say so; see `check_going_on`."""

    def decide(state: State, draft: Draft) -> Intent:
        environment = _pooled(state, name)
        intent = _open(state, environment)
        if intent is None or not paused(state, intent):
            raise NotFound(f"no rollout of {name} is paused", hint=f"sluicegate rollout {name} --status")
        role = environment.rolling.approval
        acting = repo.acting(state)
        if role:
            check_going_on(state.membership, acting, state.config.role(role))
        draft.by = acting.person
        intents.end(draft, name, intent.record)
        return intents.begin(draft, name, replace(intent.record, follows=intent.record.id, approved=True, why=why))

    # The plan is made anew: hosts may have changed while it waited.
    intent = repo.change(decide, f"rollout {name}: goes on", why=why)
    state = repo.state()
    environment = state.config.environment(name)
    plan = make_plan(state, environment, state.target(environment, intent), back=intent.back)
    try:
        plan.refuse_unsafe()
    except SluicegateError as problem:
        recording.give_up(repo, name, intent, problem.message)
        raise
    try:
        return applying.carry_out(repo, plan, intent, say)
    except Worse as worse:
        raise deploy.gone_back(repo, name, intent, worse, say) from worse


def abort(repo: DeliveryRepo, name: str, *, say: Say = silent, why: str = "") -> Plan:
    """End a rollout, also one that is at work elsewhere or that has failed, and bring back what was before."""
    state = repo.state()
    environment = _pooled(state, name)
    intent = _open(state, environment)
    if intent is not None and intents.at_work(state.config, intent):
        _halt(repo, intent, why)
        say(f"{name}: waits for {intents.described(intent)} to end")
        intents.until_free(lambda: intents.refuse_locked(repo.state(), environment), PATIENCE)
    elif intent is not None:
        recording.give_up(repo, name, intent.record, f"aborted{': ' if why else ''}{why}")
    state = repo.state()
    broken = state.unsure(environment, state.group(environment))
    if broken is None or not state.origin(environment, broken):
        raise NotFound(f"{name} has no rollout to end", hint=f"to take a version back: sluicegate rollback {name}")
    return deploy.go_back(repo, name, broken, why or "the rollout was aborted", say)


def _halt(repo: DeliveryRepo, intent: OpenIntent, why: str) -> None:
    def decide(state: State, draft: Draft) -> None:
        draft.note_environment(intent.environment, Halted(of=intent.record.id, why=why))

    repo.change(decide, f"rollout {intent.environment}: to be ended", why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the last rollout of an environment is. `state`: none, at work, paused, interrupted, done, failed.

    `target` and `before`: the versions that it brings, and those that it comes from. `hosts`: name -> how it stands to
    its users, None where the pool was not asked or does not have it; `batches`: its records, oldest first.
    """

    environment: str
    state: str
    why: str = ""
    intent: Intent | None = None
    target: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    batches: tuple[Batch, ...] = ()
    hosts: Mapping[str, Serving | None]
    minimum: int = 0
    problem: str = ""

    @property
    def done(self) -> tuple[str, ...]:
        """The hosts that serve the target by the records."""
        return tuple(dict.fromkeys(host for batch in self.batches if batch.stage == "done" for host in batch.hosts))

    def mark(self, host: str) -> str:
        """Which version a host serves: old, new, or '' where there was no rollout."""
        if self.intent is None:
            return ""
        return "new" if self.state == "done" or host in self.done else "old"


def progress(state: State, name: str) -> Progress:
    """Read the ledger, and ask the pool; one that does not answer is told in `problem`."""
    environment = _pooled(state, name)
    chronicle = state.chronicle(name)
    last = chronicle.latest(Intent, verb="rollout")
    members = state.config.groups[state.group(environment)]
    survey: Mapping[str, Serving] = {}
    problem = ""
    try:
        survey = state.pool(environment).survey()
    except SluicegateError as silence:
        problem = silence.message
    hosts = {host: survey.get(host) for host in members}
    minimum = environment.rolling.capacity.at_least(len(members))
    if last is None:
        return Progress(environment=name, state="none", hosts=hosts, minimum=minimum, problem=problem)
    # A rollout that was paused goes on under a new intent: the batches of all of them are its own.
    chain = {last.id}
    while follows := next((i.follows for i in chronicle.of(Intent) if i.id in chain and i.follows not in chain), ""):
        chain.add(follows)
    batches = tuple(batch for batch in chronicle.of(Batch) if batch.of in chain)
    word, why = _state(state, name, last)
    return Progress(
        environment=name, state=word, why=why, intent=last, target=state.target(environment, last),
        before=state.origin(environment, last), batches=batches, hosts=hosts, minimum=minimum, problem=problem,
    )  # fmt: skip


def _state(state: State, name: str, last: Intent) -> tuple[str, str]:
    later = state.annals.since(name, last)
    ended = next((record for record in later if isinstance(record, Ending) and record.of == last.id), None)
    if isinstance(ended, Failed):
        return "failed", ended.why
    if ended is not None:
        return "done", ""
    intent = OpenIntent(environment=name, record=last)
    if standing := paused(state, intent):
        return "paused", standing.why
    if intents.at_work(state.config, intent) is False:
        return "interrupted", f"{intents.described(intent)} is dead; sluicegate resume takes it over"
    return "at work", intents.described(intent)


def _open(state: State, environment: Environment) -> OpenIntent | None:
    return next((intent for intent in state.open_intents(environment) if intent.record.verb == "rollout"), None)


def _pooled(state: State, name: str) -> Environment:
    environment = state.config.environment(name)
    if environment.pool is None:
        having = [pooled.name for pooled in state.config.environments.values() if pooled.pool]
        hint = f"{', '.join(having)} has one" if having else f"without one: sluicegate deploy {name}"
        raise UsageError(f"{name} has no 'pool' in sluicegate.yaml", hint=hint)
    return environment


def _still(name: str, standing: Batch) -> SluicegateError:
    return GateRefused(
        f"a rollout of {name} is paused since {standing.at:%Y-%m-%d %H:%M:%S} UTC",
        reasons=[standing.why],
        hint=f"sluicegate rollout {name} --continue, or --abort",
    )
