"""What starts builds by itself: timers, SCM polling, the notifyCommit hook. Imitates hudson.triggers.Trigger.Cron."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sluicegate.errors import SluicegateError
from sluicegate.runner import cron, properties
from sluicegate.runner.causes import Cause
from sluicegate.runner.elements.jobs import definitions
from sluicegate.runner.item import Item
from sluicegate.runner.masking import Mask
from sluicegate.runner.scm import branches, history, reading, urls
from sluicegate.runner.scm.model import Git
from sluicegate.runner.scm.polling import Poller
from sluicegate.runner.scm.work import KINDS
from sluicegate.runner.service import Runner
from sluicegate.runner.worker import Worker
from sluicegate.tools import files

CATCH_UP = timedelta(hours=1)
POLLERS = 2
LOOK_AGAIN = 10.0
"""Seconds after which the clock is looked at again, as it may have been set meanwhile."""


def _minute_after(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0) + timedelta(minutes=1)


@lru_cache(maxsize=4096)
def _schedule(spec: str, full_name: str) -> cron.Schedule:
    return cron.parse(spec, full_name)


def due(specs: tuple[str, ...], full_name: str, moment: datetime, *, again: bool = False) -> bool:
    """Whether one of a job's schedules names this minute; a broken one never does.

    `again`: the clock was set back, and this minute was there already. As in Vixie's cron a job of a certain hour is
    not started twice then, while one of each hour goes on.
    """
    for spec in specs:
        try:
            schedule = _schedule(spec, full_name)
        except SluicegateError:
            continue
        if schedule.due_each_hour(moment) if again else schedule.due(moment):
            return True
    return False


def _is_told_of(item: Item, url: str, pushed: Sequence[str]) -> bool:
    """Whether a push of these branches to `url` lets the job be polled."""
    if not item.buildable or not item.config.heeds_hooks:
        return False
    gits = reading.read(item.config.scm).gits
    return any(
        urls.same_repository(remote.url, url) and _may_build(git, remote.name, pushed)
        for git in gits
        if git.heeds_hooks
        for remote in git.remotes
    )


def _may_build(git: Git, remote: str, pushed: Sequence[str]) -> bool:
    """Whether a job builds one of these branches; one whose name is a variable may be any (GitStatus)."""
    names = [name.removeprefix("refs/heads/") for name in pushed]
    if not names:
        return True
    specs = [spec for spec in git.branches if "$" not in spec]
    if len(specs) < len(git.branches) or git.chooser.kind == "inverse":
        return True
    return any(branches.matches(spec, f"{remote}/{name}") for spec in specs for name in names)


class Triggers:
    """One thread looks at the clock each minute; a few others poll repositories."""

    def __init__(self, runner: Runner, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.runner = runner
        self.clock = clock
        self._next = _minute_after(clock())
        self._latest = self._next - timedelta(minutes=1)
        self._polls: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._wanted: set[str] = set()
        self._lock = threading.Lock()
        self.timers = Worker("timers", self._look_at_clock)
        self.pollers = [Worker(f"poller {n}", self._poll_next) for n in range(POLLERS)]

    @property
    def workers(self) -> list[Worker]:
        return [self.timers, *self.pollers]

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        for _ in self.pollers:
            self._polls.put(None)
        for worker in self.workers:
            worker.join(5)

    def _look_at_clock(self) -> None:
        """One round: start what is due, or sleep a little. No sleep is long, whatever happens to the clock."""
        now = self.clock()
        if now - self._next > CATCH_UP or self._next - now > timedelta(minutes=2):
            # The machine slept, or its clock was set: Jenkins does not run a day's timers at once either.
            self._next = now.replace(second=0, microsecond=0) if now > self._next else _minute_after(now)
        if now < self._next:
            self.timers.wait(min(LOOK_AGAIN, (self._next - now).total_seconds()))
            return
        minute = self._next
        self._next += timedelta(minutes=1)
        self.tick(minute, again=minute <= self._latest)
        self._latest = max(self._latest, minute)

    def tick(self, minute: datetime, *, again: bool = False) -> None:
        """Start what the schedules of this minute ask for."""
        for name in sorted(self.runner.items.triggered):
            try:
                item = self.runner.items.job(name)
                if item is None or not item.buildable:
                    continue
                if due(item.config.timers, name, minute, again=again):
                    self.runner.trigger(item, (Cause(kind="timer"),))
                if due(item.config.polls, name, minute):
                    self.poll(item)
            except Exception:  # one job's trouble must not keep the others from starting
                logging.getLogger(__name__).exception("the timer of %s failed", name)

    def poll(self, item: Item) -> None:
        """Look for changes soon; a job that waits to be polled is not queued twice."""
        with self._lock:
            if item.full_name in self._wanted:
                return
            self._wanted.add(item.full_name)
        self._polls.put(item.full_name)

    def notify(
        self, url: str, pushed: Sequence[str] = (), build: Callable[[Item], bool] = lambda _: False
    ) -> dict[str, bool]:
        """A push happened at `url`: poll the jobs of that repository that have an SCM trigger; job -> built at once.

        Where `pushed` names branches, only jobs that may build one of them are told. `build` starts a job itself.
        """
        started: dict[str, bool] = {}
        for name in sorted(self.runner.items.triggered):
            try:
                item = self.runner.items.job(name)
                if item is not None and _is_told_of(item, url, pushed):
                    started[name] = build(item)
                    if not started[name]:
                        self.poll(item)
            except Exception:  # one job's trouble must not keep the others from hearing of the push
                logging.getLogger(__name__).exception("the job %s cannot be told of a push to %s", name, url)
        return started

    def _poll_next(self) -> None:
        """One round: wait for a job that is to be polled, and poll it."""
        name = self._polls.get()
        if name is None:
            return
        with self._lock:
            self._wanted.discard(name)
        item = self.runner.items.job(name)
        if item is not None and item.buildable:
            self._look(item)

    def _look(self, item: Item) -> None:
        """Poll one job; what was found is in jobs/NAME/scm-polling.log."""
        lines = [f"Started on {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC"]
        mask = Mask()
        try:
            change = self._change(item, mask)
            lines.append(f"Changes found: {change}" if change else "No changes")
            if change:
                self.runner.trigger(item, (Cause(kind="scm"),))
        except (SluicegateError, OSError) as problem:
            lines.append(mask.text(f"ERROR: {problem}"))  # it may be about an address with a password
        files.replace(
            item.folder / "scm-polling.log", ("\n".join(lines) + "\n").encode("utf-8", "replace"), durable=False
        )

    def _change(self, item: Item, mask: Mask) -> str:
        """What is new in any of the job's repositories, '' when nothing is."""
        gits = reading.read(item.config.scm).gits
        records = (item.history.get(number) for number in reversed(item.history.numbers()))
        last = next((record for record in records if record is not None and any(history.of(record))), None)
        env = self.runner.environment()
        defaults = {definition.name: str(definition.default) for definition in definitions(item.config)}
        values = properties.resolved(env | defaults, {*defaults, *self.runner.settings.env})
        with self.runner.errand(item) as errand:
            poller = Poller(errand, env, last, len(gits) == 1)
            for git in gits:
                addresses = [properties.expand(remote.url, values) for remote in git.remotes]
                mask.add(word for address in addresses for word in urls.secrets(address))
                named = next((remote.credentials for remote in git.remotes if remote.credentials), "")
                known = self.runner.vault.credentials().get(named)
                credential = known if known is not None and known.kind in KINDS else None
                if change := poller.changed(git, credential, values):
                    return change
        return ""
