"""Resume: take over what a dead command left open, look at the real state, and finish or undo it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.state import OpenIntent, State
from sluicegate.delivery.changes import applying, deploy, hosts, recording, swapping
from sluicegate.delivery.changes.applying import Say, silent
from sluicegate.delivery.changes.planning import make_plan
from sluicegate.delivery.changes.rolling import Worse, paused
from sluicegate.errors import Conflict, GateRefused, PartlyDone, SluicegateError
from sluicegate.ports import Balancer


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What became of one open intent: `finished`, `undone`, or `paused` as before."""

    environment: str
    verb: str
    outcome: str


def resume(repo: DeliveryRepo, *, dry_run: bool = False, say: Say = silent) -> tuple[Resumed, ...]:
    """End every open intent; one that cannot be ended keeps no other from it.

    Raises Conflict for one whose command still runs, as far as can be told, and what else keeps one open. Where several
    were open, what is left of them is PartlyDone.
    """
    results: list[Resumed] = []
    failures: list[tuple[OpenIntent, SluicegateError]] = []
    state = repo.state()
    for intent in open_intents(state):
        verb = intent.record.verb
        try:
            # A command that lives, and a rollout that waits for somebody, go on by themselves.
            if intents.at_work(state.config, intent):
                raise Conflict(
                    f"{intent.environment}: {intents.described(intent)} is still at work", hint="wait for it"
                )
            if paused(state, intent):
                say(f"{intent.environment}: it waits for 'sluicegate rollout {intent.environment} --continue'")
                results.append(Resumed(environment=intent.environment, verb=verb, outcome="paused"))
                continue
            say(f"{intent.environment}: taking over {intents.described(intent)}")
            outcome = "open" if dry_run else _one(repo, intent, verb, say)
        except SluicegateError as problem:
            failures.append((intent, problem))
        else:
            results.append(Resumed(environment=intent.environment, verb=verb, outcome=outcome))
            say(f"{intent.environment}: {verb} {outcome}")
    if failures:
        raise _stopped(results, failures) from failures[0][1]
    return tuple(results)


def _stopped(results: Sequence[Resumed], failures: Sequence[tuple[OpenIntent, SluicegateError]]) -> SluicegateError:
    """The one failure as it is; where more was open, all of them with their hints."""
    if len(failures) == 1 and not results:
        return failures[0][1]
    lines = [f"{len(results)} of {len(results) + len(failures)} interrupted commands are ended"]
    for intent, problem in failures:
        lines.append(f"  {intent.environment}: {problem.message}")
        lines += [f"    try: {problem.hint}"] if problem.hint else []
    return PartlyDone("\n".join(lines), hint="then run the same again")


def take_over_deploy(repo: DeliveryRepo, name: str, say: Say) -> None:
    """Finish a deploy to the environment whose command is known to be dead; whatever else is open stays so."""
    state = repo.state()
    for intent in state.open_intents(state.config.environment(name)):
        mine = intent.environment == name and intent.record.verb in ("deploy", "rollout", hosts.VERB)
        if mine and intents.at_work(state.config, intent) is False and not paused(state, intent):
            say(f"{name}: finishing {intents.described(intent)}, which was interrupted")
            _one(repo, intent, intent.record.verb, say)


def open_intents(state: State) -> tuple[OpenIntent, ...]:
    """Every open intent of every environment, once."""
    intents_by_id = {
        intent.record.id: intent
        for environment in state.config.environments.values()
        for intent in state.open_intents(environment)
    }
    return tuple(intents_by_id.values())


def _one(repo: DeliveryRepo, intent: OpenIntent, verb: str, say: Say) -> str:
    if verb in ("deploy", "rollout"):
        return _deploy(repo, intent, say)
    if verb == hosts.VERB:  # until it is in nobody counts on it
        why = f"it was interrupted; {intent.record.only} stays out"
        recording.give_up(repo, intent.environment, intent.record, why)
        return "undone"
    return _swap(repo, intent, say)


def _deploy(repo: DeliveryRepo, intent: OpenIntent, say: Say) -> str:
    """A deploy is finished: its steps are compared with the hosts anew, and what is missing is done.

    The gates are asked anew as well; a deploy that they refuse by now is ended as it is.
    """
    state = repo.state()
    environment = state.config.environment(intent.environment)
    target = state.target(environment, intent.record)
    try:
        deploy.refuse_ungated(state, environment, target, past_gates=not intent.record.gated)
    except GateRefused as refused:
        recording.give_up(repo, intent.environment, intent.record, refused.message)
        raise GateRefused(
            f"the interrupted deploy to {environment.name} is given up; its hosts may be half-way: {refused.message}",
            hint=f"pin what shall be there, then: sluicegate sync {environment.name}",
        ) from refused
    plan = make_plan(state, environment, target, back=intent.record.back)
    plan.refuse_unsafe()
    try:
        applying.carry_out(repo, plan, intent.record, say)
    except Worse as worse:
        raise deploy.gone_back(repo, environment.name, intent.record, worse, say) from worse
    return "finished"


def _switched(balancer: Balancer, exchange: swapping.Swap) -> bool:
    """Whether users reach the new group. A balancer that was interrupted half-way is set back, as nobody looked yet."""
    try:
        return balancer.live() == exchange.to
    except Conflict:
        balancer.switch(exchange.live, keep_sessions=False)
        return False


def _swap(repo: DeliveryRepo, intent: OpenIntent, say: Say) -> str:
    """A swap that the balancer has made is finished; one that it has not made is undone."""
    state = repo.state()
    exchange = swapping.from_intent(state, intent.record, intent.environment)
    environment = state.config.environment(intent.environment)
    if not _switched(state.balancer(environment), exchange):
        swapping.give_up(repo, exchange, intent.record, "it was interrupted before the balancer had switched")
        return "undone"
    swapping.carry_out(repo, exchange, intent.record, say)
    return "finished"
