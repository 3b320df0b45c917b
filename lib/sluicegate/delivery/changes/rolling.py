"""The batches of a rollout: drain, wait until nobody is left, take out, install, lead users there again.

Longer than a module should be: a batch's steps, and each way back from them, are read beside each other.
Never fewer hosts take new users than the minimum. What each batch came to is a record of the environment; a rollout
that ends early leads users again to every host that it has drained and not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.state import OpenIntent, State
from sluicegate.delivery.changes.planning import Plan, Transaction
from sluicegate.errors import GateRefused, SluicegateError, TimedOut
from sluicegate.model import rollouts
from sluicegate.model.evidence import Batch, Halted, Intent
from sluicegate.model.printable import counted
from sluicegate.model.serving import ROUNDED, Serving, gone_by
from sluicegate.tools.probe import wait_for_version

Say = Callable[[str], None]
Install = Callable[[Sequence[Transaction], bool], tuple[Collection[str], SluicegateError | None]]
"""Installs on these hosts; with the flag any failure stops all. The hosts on which all is done, and what stops all."""

POLL = 0.5  # seconds between two looks at the pool
LOOK = 5.0  # seconds between two looks whether somebody has halted it
FOUND = 30.0  # seconds until the balancer has found a host healthy
MARGIN = timedelta(minutes=10)  # of a drain's limit beyond what the sessions need
sleep = time.sleep


def paused(state: State, intent: OpenIntent) -> Batch | None:
    """The record with which a rollout stands still, where it does."""
    later = state.annals.since(intent.environment, intent.record)
    last = next((record for record in later if isinstance(record, Batch) and record.of == intent.record.id), None)
    return last if last is not None and last.stage == "paused" else None


class Paused(GateRefused):
    """The rollout stands still, and its intent stays open, until somebody says how it goes on."""


class Worse(SluicegateError):
    """The new hosts are worse than the old ones: the rollout goes back by itself."""


@dataclass(kw_only=True)
class Rollout:
    """One plan being rolled out under its intent."""

    repo: DeliveryRepo
    state: State
    plan: Plan
    intent: Intent
    say: Say
    drained: dict[str, datetime] = field(default_factory=dict)  # and not yet taken out
    new: set[str] = field(default_factory=set)  # they serve the target
    number: int = 0
    begun: bool = False
    looked: float = 0.0

    def __post_init__(self) -> None:
        environment = self.state.config.environment(self.plan.environment)
        self.pool = self.state.pool(environment)
        self.rolling = environment.rolling
        self.members = self.state.config.groups[self.plan.group]
        self.minimum = self.rolling.capacity.at_least(len(self.members))
        stay = self.pool.stay
        self.limit = self.rolling.limit or MARGIN + (stay.life + ROUNDED if stay else timedelta(0))
        changing = {transaction.host for batch in self.plan.batches for transaction in batch}
        chain = (self.intent.id, self.intent.follows)  # this one and the one that it goes on from
        self.before = [batch for batch in self.state.chronicle(self.plan.environment).of(Batch) if batch.of in chain]
        self.number = max((batch.number or 0 for batch in self.before), default=0)
        untouched = {*changing, *self.plan.down, *self.plan.out}
        self.new = {host for host in self.members if host not in untouched}

    def run(self, install: Install) -> None:
        """Batch after batch. Raises Paused, Worse, and whatever else ends it early."""
        waiting = [list(batch) for batch in self.plan.batches]
        self._take_over()
        try:
            while waiting:
                self._refuse_unapproved()
                self._drain_ahead([transaction.host for batch in waiting for transaction in batch])
                batch = waiting[0]
                chosen = self._admitted(batch)
                self._batch([transaction for transaction in batch if transaction.host in chosen], install)
                waiting[0] = [transaction for transaction in batch if transaction.host not in chosen]
                waiting = [batch for batch in waiting if batch]
                if waiting:
                    self._pause()
            self._leave_out(list(self.plan.down))
            self._probe()
        except SluicegateError as problem:
            if left := self._restore():
                raise problem.saying(f"{problem.message}; and {left}") from problem
            raise

    def _take_over(self) -> None:
        """Go on with the hosts that a dead command has drained: their users leave by its clock."""
        since = {host: record.at for record in self.before if record.stage == "draining" for host in record.hosts}
        survey = self.pool.survey() if since else {}
        self.drained = {host: at for host, at in since.items() if host in survey and survey[host].standing == "drain"}

    def _batch(self, batch: Sequence[Transaction], install: Install) -> None:
        hosts = [transaction.host for transaction in batch]
        self.number += 1
        self._say(f"batch {self.number}: {', '.join(hosts)}")
        left = self._drain(hosts)
        self.pool.turn(hosts, "out")
        for host in hosts:
            self.drained.pop(host, None)
        done, failure = install(batch, not self.begun and not self.new)
        self.begun = True
        good = [host for host in hosts if host in done]
        self._ready(good)
        self.new |= set(good)
        self._note("done", good, left=left, why=", ".join(f"{host} failed" for host in hosts if host not in done))
        if failure:
            raise failure

    def _drain(self, hosts: Sequence[str]) -> int:
        """Wait until nobody is left; how many requests were cut off, where the policy says so."""
        survey = self.pool.survey()
        self._turn_away([host for host in hosts if host not in self.drained and _led(survey.get(host))])
        overdue = False
        while True:
            survey, now = self.pool.survey(), self.repo.clock()
            self._turn_away([host for host in hosts if host in self.drained and _ready(survey.get(host))])  # a reload
            busy = {host: survey[host].in_flight for host in hosts if host in survey and survey[host].in_flight}
            until = max((self._until(host, survey[host], now) for host in hosts if host in survey), default=now)
            if not busy and until <= now:
                return 0
            limit = self.limit + max((self.drained[host] for host in hosts if host in self.drained), default=now)
            if now >= limit and not overdue:
                if self.rolling.undrained != "wait":
                    return self._undrained(hosts, busy, until > now)
                overdue = True
                self._say(f"the drain has lasted for its limit and goes on: {_numbers(busy) or 'users may still stay'}")
            self._refuse_halted()
            sleep(POLL)

    def _until(self, host: str, serving: Serving, now: datetime) -> datetime:
        """When the host is known to be left; a host that is down has nobody."""
        if host not in self.drained or not serving.healthy:
            return now
        if serving.in_flight is None:  # nobody can tell, so the limit is waited for
            return self.drained[host] + self.limit
        return gone_by(self.pool.stay, serving, self.drained[host], now)

    def _undrained(self, hosts: Sequence[str], busy: Mapping[str, int | None], stays: bool) -> int:
        """The drain's limit has come: cut off who is left, or stop."""
        left = sum(number or 0 for number in busy.values())
        numbers = _numbers(busy) or ("logged-in users may still stay" if stays else "")
        if not numbers:  # it was only the waiting where nobody can tell
            return 0
        if self.rolling.undrained == "cut":
            self._say(f"the drain has lasted for its limit; cut off: {numbers}")
            return left
        self._note("undrained", hosts, left=left, why=numbers)
        raise TimedOut(
            f"the drain of {', '.join(hosts)} did not end within {self.limit}: {numbers}",
            hint="run the same again; or say in 'rollout' limit: a longer time, or undrained: cut",
        )

    def _ready(self, hosts: Sequence[str]) -> None:
        """Lead users to the hosts, and wait until the balancer finds them healthy; else nobody is led there."""
        self.pool.turn(hosts, "ready")
        deadline = time.monotonic() + FOUND
        while sick := [host for host, serving in self.pool.survey().items() if host in hosts and not serving.serves]:
            if time.monotonic() >= deadline:
                self.pool.turn(sick, "out")
                self._note("failed", sick, why="the balancer does not find them healthy")
                raise SluicegateError(
                    f"the balancer does not find {', '.join(sick)} healthy, though the version answers there",
                    hint="look at its health check; nobody is led there until the next rollout",
                )
            sleep(POLL)

    def _admitted(self, batch: Sequence[Transaction]) -> list[str]:
        """The hosts of the batch that may go now. Raises GateRefused where none may."""
        survey = self.pool.survey()
        return admitted([transaction.host for transaction in batch], survey, self.minimum, self.plan.environment)

    def _drain_ahead(self, hosts: Sequence[str]) -> None:
        """Lead no new user to an old version any more once enough hosts serve the new one."""
        if self.rolling.analysis or len(self.new) < rollouts.canaries(self.rolling, len(self.members)):
            return
        survey = self.pool.survey()
        serving = [host for host in self.new if host in survey and survey[host].serves]
        ahead = [host for host in hosts if host not in self.drained and _ready(survey.get(host))]
        if len(serving) >= max(self.minimum, 1) and ahead:
            self._turn_away(ahead)
            self._say(f"new users reach the target only; {counted(len(ahead), 'host', 'hosts')} drained")

    def _turn_away(self, hosts: Sequence[str]) -> None:
        if hosts:
            self.pool.turn(hosts, "drain")
            self.drained |= dict.fromkeys(hosts, self.repo.clock())
            self._note("draining", hosts)

    def _probe(self) -> None:
        """Users reach the new version, through each server of the balancer."""
        for component, version in self.plan.target.items():
            for address in self.pool.addresses(component):
                url = f"{address}{self.state.component(component).probe}"
                wait_for_version(url, version, seconds=FOUND, hint="does that balancer lead to other hosts?")

    def _leave_out(self, hosts: Sequence[str]) -> None:
        """A host that missed the rollout has the old version: nobody is led there until it was installed."""
        try:
            self.pool.turn(hosts, "out")
        except SluicegateError as problem:
            self._say(f"{', '.join(hosts)} could not be taken out, and may serve the old version: {problem.message}")

    def _restore(self) -> str:
        """Lead users again to what was drained and is as it was; what could not be done, '' where all was."""
        if not self.drained:
            return ""
        hosts = sorted(self.drained)
        try:
            self.pool.turn(hosts, "ready")
            self._say(f"users are led again to {', '.join(hosts)}")
        except SluicegateError as problem:
            return f"{', '.join(hosts)} could not be made ready again: {problem.message}"
        return ""

    def _pause(self) -> None:
        """Between two batches: for a time, in which the new hosts are compared with the old ones."""
        analysis, began = self.rolling.analysis, self.repo.clock()
        if not self.rolling.pause or self.intent.back:
            return
        # Wait, and look now and then whether somebody asks for the end.
        before = self.pool.survey() if analysis else {}
        self._say(f"a pause of {self.rolling.pause}")
        while self.repo.clock() < began + self.rolling.pause:
            self._refuse_halted()
            sleep(POLL)
        if analysis is None:
            return
        # Compare what both sides counted meanwhile; a pool that is silent tells nothing, which is no proof.
        try:
            after = self.pool.survey()
            old = [host for host in self.members if host not in self.new and host in after and after[host].serves]
            finding = rollouts.judged(before, after, self.new, old, analysis)
        except SluicegateError as problem:
            finding = rollouts.Finding(verdict="error", why=problem.message)
        self._say(f"analysis {finding.verdict}: {finding.why}")
        self._note("analysis", sorted(self.new), verdict=finding.verdict, why=finding.why)
        if finding.verdict == "failed":
            raise Worse(f"the analysis of {self.plan.environment} failed: {finding.why}")
        if finding.verdict in ("inconclusive", "error"):
            self._stand_still(f"the analysis is {finding.verdict}: {finding.why}")

    def _refuse_unapproved(self) -> None:
        if self.intent.verb != "rollout":  # one host that comes back asks nobody
            return
        role, enough = self.rolling.approval, rollouts.canaries(self.rolling, len(self.members))
        if role and not self.intent.approved and not self.intent.back and len(self.new) >= enough:
            reached = counted(len(self.new), "host", "hosts")
            self._stand_still(f"the new version serves on {reached}; somebody in the role '{role}' lets it go on")

    def _stand_still(self, why: str) -> None:
        self._note("paused", (), why=why)
        raise Paused(
            f"the rollout of {self.plan.environment} is paused",
            reasons=[why],
            hint=f"sluicegate rollout {self.plan.environment} --continue, or --abort",
        )

    def _refuse_halted(self) -> None:
        """Raise when somebody has asked for an end of it meanwhile."""
        if time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        later = self.repo.state().annals.since(self.plan.environment, self.intent)
        halted = next((record for record in later if isinstance(record, Halted) and record.of == self.intent.id), None)
        if halted is not None:
            raise SluicegateError(f"{halted.by.user} has ended the rollout" + (f": {halted.why}" if halted.why else ""))

    def _note(self, stage: str, hosts: Sequence[str], *, left: int = 0, verdict: str = "", why: str = "") -> None:
        record = Batch(
            of=self.intent.id, number=self.number, stage=stage, hosts=tuple(hosts), left=left, verdict=verdict, why=why
        )
        name = self.plan.environment
        self.repo.change(lambda state, draft: draft.note_environment(name, record), f"rollout {name}: {stage}")

    def _say(self, text: str) -> None:
        self.say(f"{self.plan.environment}: {text}")


def admitted(waiting: Sequence[str], survey: Mapping[str, Serving], minimum: int, name: str) -> list[str]:
    """Those that may be drained now. Raises GateRefused where no host may: the minimum would be undercut."""
    hosts = rollouts.admitted(waiting, survey, minimum)
    if not hosts:
        serving = sum(view.serves for view in survey.values())
        sick = [host for host, view in survey.items() if not view.serves]
        raise GateRefused(
            f"{name} would be left with too few hosts: {serving} of {len(survey)} take new users,"
            f" the minimum is {minimum}",
            reasons=[f"not serving: {', '.join(sick)}"] if sick else [],
            hint="bring them back first, or lower 'capacity' in 'rollout'",
        )
    return hosts


def _led(serving: Serving | None) -> bool:
    """Whether anybody may be on a host, as far as can be told."""
    return serving is not None and serving.standing != "out"


def _ready(serving: Serving | None) -> bool:
    return serving is not None and serving.standing == "ready"


def _numbers(busy: Mapping[str, int | None]) -> str:
    return ", ".join(
        f"{counted(number or 0, 'request', 'requests')} still running on {host}" for host, number in busy.items()
    )
