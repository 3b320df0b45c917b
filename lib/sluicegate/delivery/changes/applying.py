"""Carry out the plan of a deploy under its intent: fetch and check all, change host after host, record the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.migrating import Migration
from sluicegate.delivery.changes.planning import Plan, Transaction, by_itself
from sluicegate.delivery.changes.recording import give_up, record_deployed, record_failure
from sluicegate.delivery.changes.rolling import Paused, Rollout, Worse
from sluicegate.errors import PartlyDone, SluicegateError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Intent
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, NOT_STARTED, Outcome, worst
from sluicegate.ports import Engine, Host, Wanted
from sluicegate.tools.parallel import Results, each
from sluicegate.tools.scratch import scratch

Say = Callable[[str], None]
Recording = Callable[[State, Draft, Plan, Intent], None]


class HostNews(str):
    """A line of progress about one host, with its parts for who shows them as a table.

    `state` is an ending, `at work`, or '' when nothing changed; `what` says more; `hosts` are to be changed in all.
    """

    __slots__ = ("host", "hosts", "state", "what")

    def __new__(cls, text: str, *, host: str, state: str, what: str, hosts: int) -> HostNews:
        news = super().__new__(cls, text)
        news.host, news.state, news.what, news.hosts = host, state, what, hosts
        return news

    host: str
    state: str
    what: str
    hosts: int


def silent(text: str) -> None:
    """Progress that nobody watches."""


def carry_out(repo: DeliveryRepo, plan: Plan, intent: Intent, say: Say, record: Recording | None = None) -> Plan:
    """Apply the plan under its intent, and record how it ended; the plan comes back with what became of its hosts.

    `record` writes what a plan means that ended well: by default that its group has its set.
    """
    state = repo.state()
    work = _Work(state=state, plan=plan, intent=intent, say=say)
    migration = Migration(repo=repo, plan=plan, say=say)
    try:
        _release_sessions(state, state.config.environment(plan.environment))
        with scratch() as folder:
            work.fetch(folder)
            migration.expand()
            if state.config.environment(plan.environment).pool is None:
                work.apply()
            else:
                Rollout(repo=repo, state=state, plan=plan, intent=intent, say=say).run(work.install)
        if not intent.only:
            migration.verify()
            migration.contract(work.ended().behind)
    except Paused:  # its intent stays open, and what is done stands in the records of its batches
        raise
    except Worse as problem:  # whoever began it goes back
        give_up(repo, plan.environment, intent, problem.message, work.ended())
        raise
    except SluicegateError as problem:
        record_failure(repo, work.ended(), intent, problem, work.lines())
    ended = work.ended()
    try:
        repo.change(
            lambda state, draft: (record or record_deployed)(state, draft, ended, intent),
            f"{intent.verb} {plan.environment}: done",
        )
    except SluicegateError as problem:
        raise PartlyDone(
            f"the hosts are as they shall be, and that could not be written down: {problem.message}{work.lines()}",
            hint="mend that, then: sluicegate resume",
        ) from problem
    return ended


def all_done(outcomes: Mapping[str, Outcome]) -> bool:
    return worst(outcomes.values()) == DONE


class _HostFailed(Exception):
    """Not everything on a host is done; what is, stands in its outcomes."""


class _Work:
    """One plan being applied: the releases, and what has become of each step so far."""

    def __init__(self, *, state: State, plan: Plan, intent: Intent, say: Say) -> None:
        self.state = state
        self.plan = plan
        self.intent = intent
        self.say = say
        self.deployer = state.drivers.deployer(state.config, state.config.environment(plan.environment))
        self.releases: dict[str, Release] = {}
        self.outcomes: dict[str, Mapping[str, Outcome]] = {}

    def fetch(self, folder: Path) -> None:
        """Fetch and check all that the plan installs before the first host changes: a damaged file changes nothing."""
        changing = {step.component for step in self.plan.steps if step.after}
        for name, version in self.plan.target.items():
            if not self.deployer.carries:
                self.releases[name] = by_itself(self.state, name, version)
            elif name in changing:
                self.releases[name] = fetch(self.state, name, version, folder / f"{name}-{version}")

    def apply(self) -> None:
        """Batch after batch. Raises all failures when the first batch has one, or all of them more than they may."""
        for number, batch in enumerate(self.plan.batches):
            _, failure = self.install(batch, number == 0)
            if failure:
                raise failure

    def install(self, batch: Sequence[Transaction], strictly: bool) -> tuple[set[str], SluicegateError | None]:
        """The hosts of a batch on which all is done; all failures when more than may fail, or any `strictly`."""
        failed = len(self.plan.down) + sum(not all_done(outcomes) for outcomes in self.outcomes.values())
        may_fail = 0 if strictly else self.plan.max_failed - failed
        results = self._change_all(batch, max(may_fail, 0))
        for problem in results.failed.values():
            if not isinstance(problem, _HostFailed):
                raise problem
        done = {transaction.host for transaction in results.done}
        return done, self._failure() if len(results.failed) > may_fail else None

    def ended(self) -> Plan:
        """The plan with what has become of its hosts so far."""
        begun = {host: worst(outcomes.values()) for host, outcomes in self.outcomes.items()}
        every = {
            transaction.host: begun.get(transaction.host, NOT_STARTED)
            for batch in self.plan.batches
            for transaction in batch
        }
        return replace(self.plan, endings={**self.plan.down, **every})

    def lines(self) -> str:
        """Every step that was begun, done ones first."""
        ended = [
            (outcome.ending, step)
            for step in self.plan.steps
            if (outcome := self.outcomes.get(step.host, {}).get(step.component))
        ]
        return "".join(f"\n  done: {step}" for ending, step in ended if ending == "done")

    def _change_all(self, batch: Sequence[Transaction], max_failed: int) -> Results[Transaction, None]:
        """As many as may be at once side by side; of an engine each run has as many."""
        deployer, at_once = self.deployer, self.plan.at_once
        if not isinstance(deployer, Engine):
            return each(batch, self._change, at_once, max_failed=max_failed)
        done: dict[Transaction, None] = {}
        failed: dict[Transaction, Exception] = {}
        waiting = list(batch)
        while waiting and len(failed) <= max_failed:
            run, waiting = waiting[:at_once], waiting[at_once:]
            outcomes = deployer.apply_all([self._begun(next_up) for next_up in run], self.intent.id)
            for transaction in run:
                try:
                    self._changed(transaction, outcomes[transaction.host])
                except _HostFailed as problem:
                    failed[transaction] = problem
                else:
                    done[transaction] = None
        return Results(done=done, failed=failed, not_started=tuple(waiting))

    def _change(self, transaction: Transaction) -> None:
        self._changed(transaction, self.deployer.apply(*self._begun(transaction), self.intent.id))

    def _begun(self, transaction: Transaction) -> tuple[Host, Wanted]:
        """Tell that work on a host begins; the host, and what is wanted there."""
        for number, step in enumerate(transaction.steps):
            self.say(self._news(f"{self.plan.environment}: {step}", transaction, "at work" if number == 0 else ""))
        return self.state.drivers.host(self.state.config, transaction.host), self._wanted(transaction)

    def _changed(self, transaction: Transaction, outcomes: Mapping[str, Outcome]) -> None:
        """Keep and tell what became of a host. Raises _HostFailed where not all is done."""
        self.outcomes[transaction.host] = outcomes
        ended = worst(outcomes.values())
        about = f"{self.plan.environment}: {transaction.host}: {ended.ending}"
        news = f"{about}: {ended.why}" if ended.why else about
        self.say(self._news(news, transaction, ended.ending, ended.why))
        if not all_done(outcomes):
            raise _HostFailed

    def _news(self, text: str, transaction: Transaction, state: str, why: str = "") -> HostNews:
        steps = ", ".join(str(step).removeprefix(f"{step.host}: ") for step in transaction.steps)
        hosts = sum(map(len, self.plan.batches))
        return HostNews(text, host=transaction.host, state=state, what=why or steps, hosts=hosts)

    def _wanted(self, transaction: Transaction) -> dict[str, Release | None]:
        """Where the files pass through us only what changes on this host; else all that shall be there."""
        changing = {step.component for step in transaction.steps}
        releases = self.releases
        if self.deployer.carries:
            releases = {name: release for name, release in releases.items() if name in changing}
        return self.plan.wanted(transaction, releases)

    def _failure(self) -> SluicegateError:
        """The first failure; where several hosts have one, with all of them."""
        ended = {host: worst(outcomes.values()) for host, outcomes in self.outcomes.items()}
        problems = {host: outcome.problem for host, outcome in ended.items() if outcome.problem is not None}
        first, *others = problems.values()
        if not others:
            return first
        return first.saying("\n".join(f"{host}: {problem.message}" for host, problem in problems.items()))


def _release_sessions(state: State, environment: Environment) -> None:
    """Whoever still stays on the group that is about to change goes to the live one."""
    swap = state.last_swap(environment)
    if swap is None or swap.idle != state.group(environment) or not swap.sessions_until:
        return
    production = state.config.environment(swap.env)
    state.balancer(production).release()
