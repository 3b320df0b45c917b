"""Carry out the plan of a deploy under its intent: fetch and check all, change host after host, record the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.planning import AT_ONCE, Plan, Transaction
from sluicegate.errors import PartlyDone, SluicegateError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Deployed, Intent
from sluicegate.model.outcomes import DONE, Outcome, worst
from sluicegate.model.values import Installed, Release, set_name
from sluicegate.tools.parallel import each
from sluicegate.tools.scratch import scratch

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Progress that nobody watches."""


def carry_out(repo: DeliveryRepo, plan: Plan, intent: Intent, say: Say) -> Plan:
    """Apply the plan under its intent, and record how it ended."""
    state = repo.state()
    work = _Work(state=state, plan=plan, say=say)
    try:
        _release_sessions(state, state.config.environment(plan.environment))
        with scratch() as folder:
            work.fetch(folder)
            work.apply()
    except SluicegateError as problem:
        _record_failure(repo, plan, intent, problem, work.lines())
    try:
        repo.change(
            lambda state, draft: _record_deployed(state, draft, plan, intent), f"deploy {plan.environment}: done"
        )
    except SluicegateError as problem:
        raise PartlyDone(
            f"the hosts are as they shall be, and that could not be written down: {problem.message}{work.lines()}",
            hint="mend that, then: sluicegate resume",
        ) from problem
    return plan


class _HostFailed(Exception):
    """Not everything on a host is done; what is, stands in its outcomes."""


class _Work:
    """One plan being applied: the releases, and what has become of each step so far."""

    def __init__(self, *, state: State, plan: Plan, say: Say) -> None:
        self.state = state
        self.plan = plan
        self.say = say
        self.deployer = state.drivers.deployer(state.config, state.config.environment(plan.environment))
        self.releases: dict[str, Release] = {}
        self.outcomes: dict[str, Mapping[str, Outcome]] = {}

    def fetch(self, folder: Path) -> None:
        """All that will be installed, checked before the first host is touched: a damaged file changes nothing."""
        changing = {step.component for step in self.plan.steps if step.after}
        for name, version in self.plan.target.items():
            if not self.deployer.carries:
                manifest = self.state.manifest(name, version)
                self.releases[name] = Release(component=name, version=version, manifest=manifest)
            elif name in changing:
                self.releases[name] = fetch(self.state, name, version, folder / f"{name}-{version}")

    def apply(self) -> None:
        """Batch after batch. Raises the failures of the first one that did not end well."""
        for batch in self.plan.batches:
            results = each(batch, self._change, AT_ONCE)
            for problem in results.failed.values():
                if not isinstance(problem, _HostFailed):
                    raise problem
            if results.failed:
                raise self._failure()

    def lines(self) -> str:
        """Every step that was begun, done ones first."""
        ended = [
            (outcome.ending, step)
            for step in self.plan.steps
            if (outcome := self.outcomes.get(step.host, {}).get(step.component))
        ]
        return "".join(f"\n  done: {step}" for ending, step in ended if ending == "done")

    def _change(self, transaction: Transaction) -> None:
        for step in transaction.steps:
            self.say(f"{self.plan.environment}: {step}")
        host = self.state.drivers.host(self.state.config, transaction.host)
        outcomes = self.deployer.apply(host, self._wanted(transaction))
        self.outcomes[transaction.host] = outcomes
        if worst(outcomes.values()) != DONE:
            raise _HostFailed

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
    state.drivers.balancer(state.config, production).release()


def _record_failure(repo: DeliveryRepo, plan: Plan, intent: Intent, problem: SluicegateError, done: str) -> None:
    try:
        give_up(repo, plan.environment, intent, problem.message)
    except SluicegateError as second:  # it must not hide what failed first; the intent stays open
        said = f"{problem.message}; and that could not be written down: {second.message}"
        raise PartlyDone(f"{said}{done}", hint="mend that, then: sluicegate resume") from problem
    if not done:
        raise problem
    raise PartlyDone(f"{problem.message}{done}", hint=problem.hint or "mend the cause, then deploy again") from problem


def give_up(repo: DeliveryRepo, environment: str, intent: Intent, reason: str) -> None:
    """Record that a deploy has ended before its end."""
    repo.change(
        lambda state, draft: intents.end(draft, environment, intent, failed=reason), f"deploy {environment}: failed"
    )


def _record_deployed(state: State, draft: Draft, plan: Plan, intent: Intent) -> None:
    manifests = {name: state.manifest(name, version) for name, version in plan.target.items()}
    target_set = set_name({name: (version, manifests[name]) for name, version in plan.target.items()})
    components = {n: Installed(version=version, manifest=manifests[n]) for n, version in plan.target.items()}
    whole = Deployed(group=plan.group, set=target_set, components=components, of=intent.id)
    draft.note_environment(plan.environment, whole)
    changed = {step.component for step in plan.steps}
    for name, version in plan.target.items():
        # a version that came into this environment because its group changed roles counts as well
        if name in changed or not state.story(name, version).has(Deployed, env=plan.environment):
            one = Deployed(
                env=plan.environment, group=plan.group, set=target_set, manifest=manifests[name], of=intent.id
            )
            draft.note(name, version, one)
    intents.end(draft, plan.environment, intent)
