"""What starts builds by itself: timers, SCM polling, the notifyCommit hook. Imitates hudson.triggers.Trigger.Cron."""

from __future__ import annotations

import queue
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sluicegate.errors import SluicegateError
from sluicegate.runner import cron, scm
from sluicegate.runner.causes import Cause
from sluicegate.runner.items import Item
from sluicegate.runner.service import Runner

CATCH_UP = timedelta(hours=1)
POLLERS = 2


@lru_cache(maxsize=4096)
def _schedule(spec: str, full_name: str) -> cron.Schedule:
    return cron.parse(spec, full_name)


def due(specs: tuple[str, ...], full_name: str, moment: datetime) -> bool:
    """Whether one of a job's schedules names this minute; a broken one never does."""
    for spec in specs:
        try:
            if _schedule(spec, full_name).due(moment):
                return True
        except SluicegateError:
            continue
    return False


class Triggers:
    """One thread looks at the clock each minute; a few others poll repositories."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._polls: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._wanted: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._clock, name="timers", daemon=True)]
        self._threads += [
            threading.Thread(target=self._poller, name=f"poller {n}", daemon=True) for n in range(POLLERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for _ in range(POLLERS):
            self._polls.put(None)
        for thread in self._threads:
            thread.join(5)

    def _clock(self) -> None:
        minute = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        while not self._stop.wait(max(0.0, (minute - datetime.now(UTC)).total_seconds())):
            now = datetime.now(UTC)
            if now - minute > CATCH_UP:
                # The machine slept, or its clock was set: Jenkins does not run a day's timers at once either.
                minute = now.replace(second=0, microsecond=0)
            self.tick(minute)
            minute += timedelta(minutes=1)

    def tick(self, minute: datetime) -> None:
        """Start what the schedules of this minute ask for."""
        for name in sorted(self.runner.items.triggered):
            item = self.runner.items.job(name)
            if item is None or not item.buildable:
                continue
            try:
                if due(item.config.timers, name, minute):
                    self.runner.trigger(item, (Cause(kind="timer"),))
                if due(item.config.polls, name, minute):
                    self.poll(item)
            except (SluicegateError, OSError):
                continue  # One job's trouble must not keep the others from starting.

    def poll(self, item: Item) -> None:
        """Look for changes soon; a job that waits to be polled is not queued twice."""
        with self._lock:
            if item.full_name in self._wanted:
                return
            self._wanted.add(item.full_name)
        self._polls.put(item.full_name)

    def notify(self, url: str) -> list[str]:
        """A push happened at `url`: poll the jobs of that repository that have an SCM trigger. Their names."""
        found = []
        for name in sorted(self.runner.items.triggered):
            item = self.runner.items.job(name)
            if item is None or not item.buildable or not item.config.heeds_hooks:
                continue
            try:
                git = scm.read(item.config.scm)
            except SluicegateError:
                continue
            heeds = item.config.heeds_hooks and git is not None and not git.has("IgnoreNotifyCommit")
            if heeds and git is not None and scm.same_repository(git.url, url):
                self.poll(item)
                found.append(name)
        return found

    def _poller(self) -> None:
        while (name := self._polls.get()) is not None:
            with self._lock:
                self._wanted.discard(name)
            item = self.runner.items.job(name)
            if item is not None and item.buildable:
                self._look(item)

    def _look(self, item: Item) -> None:
        """Poll one job; what was found is in jobs/NAME/scm-polling.log."""
        lines = [f"Started on {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC"]
        try:
            git = scm.read(item.config.scm)
            if git is None:
                return
            credential = self.runner.vault.credential(git.credentials) if git.credentials else None
            last = next((r for r in item.history.newest(50) if any("BuildData" in text for text in r.extra)), None)
            change = scm.changed(git, last, credential)
            lines.append(f"Changes found: {change}" if change else "No changes")
            if change:
                self.runner.trigger(item, (Cause(kind="scm"),))
        except (SluicegateError, OSError) as problem:
            lines.append(f"ERROR: {problem}")
        (item.folder / "scm-polling.log").write_text("\n".join(lines) + "\n")
