"""The builds of one job on disk: numbers, permalinks and records. Nothing is scanned before it is asked for."""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sluicegate.model.numbers import INT, required, whole
from sluicegate.runner import records
from sluicegate.runner.changes import CHANGES
from sluicegate.runner.jobxml import Retention
from sluicegate.runner.records import Record
from sluicegate.runner.results import Result
from sluicegate.runner.shelf import SHELF
from sluicegate.tools import beneath, files

PERMALINKS = (
    "lastCompletedBuild",
    "lastFailedBuild",
    "lastStableBuild",
    "lastSuccessfulBuild",
    "lastUnstableBuild",
    "lastUnsuccessfulBuild",
)
DAY = 24 * 60 * 60 * 1000


class History:
    """The folder jobs/NAME with its `builds` and `nextBuildNumber`."""

    def __init__(self, job: str, folder: Path) -> None:
        self.job = job
        self.folder = folder
        self.running: dict[int, Record] = {}
        self._lock = threading.RLock()
        self._saving = threading.Lock()
        """Held while a record is written, which waits for the disk: who looks at the builds does not wait along."""
        self._numbers: list[int] | None = None
        self._links: dict[str, int] | None = None
        self._unsaved: dict[int, Record] = {}
        self._cache: dict[int, Record] = {}
        self._color: str | None = None

    @property
    def builds(self) -> Path:
        return self.folder / "builds"

    @property
    def next_number(self) -> int:
        """The number of the next build; never one that is taken. Raises IntegrityError where nobody can tell.

        A file that a crash has cut says nothing: then the builds tell, as with a Jenkins (JENKINS-11563).
        """
        place = self.folder / "nextBuildNumber"
        try:
            with beneath.reading(place):
                written = required(place.read_text().strip(), least=1, most=INT)
        except (FileNotFoundError, ValueError):
            written = 1
        return max(written, self._newest() + 1)

    def set_next_number(self, number: int) -> None:
        files.replace(self.folder / "nextBuildNumber", f"{number}\n".encode(), durable=False)

    def take_number(self) -> int:
        """Reserve the next number. Not synced: the queue's journal carries it too, and gaps do no harm."""
        with self._lock:
            number = self.next_number
            self.set_next_number(number + 1)
            return number

    def numbers(self) -> list[int]:
        """All build numbers, oldest first."""
        with self._lock:
            return list(self._known())

    def _known(self) -> list[int]:
        """The numbers themselves, for who holds the lock and changes nothing: a job may have many thousand."""
        if self._numbers is None:
            try:
                read = (whole(name, least=1, most=INT) for name in os.listdir(self.builds))
                self._numbers = sorted(number for number in read if number is not None)
            except FileNotFoundError:  # whatever else fails is raised: with no number known the first would come again
                self._numbers = []
        return self._numbers

    def _newest(self) -> int:
        with self._lock:
            return self._known()[-1] if self._known() else 0

    def _has(self, number: int) -> bool:
        known = self._known()
        place = bisect_left(known, number)
        return place < len(known) and known[place] == number

    def begin(self, record: Record) -> None:
        """Put a new running build on disk."""
        with self._lock:
            known = self._known()
            record.folder.mkdir(parents=True, exist_ok=True)
            record.save(durable=False)
            if not self._has(record.number):
                insort(known, record.number)
            self.occupy(record)

    def occupy(self, record: Record) -> None:
        """The job is busy with a build that is about to begin."""
        self.running[record.number] = record
        CHANGES.note()

    def finish(self, record: Record, result: Result) -> None:
        """Save an ended build and move the permalinks; only then does anybody see its result."""
        with self._saving:
            replace(record, result=result).save()
            with self._lock:
                links = dict(self.links())
                for name in PERMALINKS:
                    if result.is_meant_by(name):
                        links[name] = max(links.get(name, -1), record.number)
                self._write_links(links)
                self._color, self._links = None, links  # not before: on a full disk it ends with another result
                self._remember(record)
                self.running.pop(record.number, None)
                self._unsaved.pop(record.number, None)
                record.result = result
                CHANGES.note()

    def describe(self, record: Record, description: str | None) -> None:
        """Put a description on a build, which may run, or end meanwhile."""
        with self._saving:
            record.description = description
            record.save()

    def keep(self, record: Record, keep: bool) -> None:
        """Spare a build from the discarder, or no longer."""
        with self._saving:
            record.keep = keep
            CHANGES.note()
            record.save()

    def forget_running(self, record: Record, result: Result) -> None:
        """The build is over, whatever the disk says; it is told so until it is saved."""
        with self._lock:
            self._unsaved[record.number] = record
            self.running.pop(record.number, None)
            record.result = result
            CHANGES.note()

    def get(self, number: int) -> Record | None:
        """The record of a build, running or ended."""
        with self._lock:
            if known_record := self.running.get(number) or self._unsaved.get(number) or self._cache.get(number):
                return known_record
            record = records.read(self.job, self.builds / str(number)) if self._has(number) else None
            if record is not None:
                if record.result is None:
                    # No build of ours is running under this number: its server died.
                    record.result = Result.ABORTED
                self._remember(record)
            elif self._has(number):
                CHANGES.note()  # there is something, which may be mended on the disk
            return record

    def last(self) -> Record | None:
        with self._lock:
            known = self._known()
            return self.get(known[-1]) if known else None

    def newest(self, count: int | None = None) -> list[Record]:
        """The newest records, newest first."""
        with self._lock:
            known = self._known()
            numbers = known[::-1] if count is None else known[: -count - 1 : -1]
        return [record for number in numbers if (record := self.get(number)) is not None]

    def links(self) -> dict[str, int]:
        """Permalink -> number, from builds/permalinks (jenkins.model.PeepholePermalink), else by reading the builds."""
        with self._lock:
            if self._links is None:
                self._links = self._read_links()
            return self._links

    def _read_links(self) -> dict[str, int]:
        read: dict[str, int] = {}
        try:
            lines = (self.builds / "permalinks").read_text().splitlines()
            read = {name: required(number, least=-1, most=INT) for name, number in (line.split() for line in lines)}
        except (OSError, ValueError):
            pass
        missing = [name for name in PERMALINKS if name not in read]
        if missing and self._known():
            read |= self._search_links(missing)
            with suppress(OSError):  # a real Jenkins writes some only: who starts next need not read all builds again
                self._write_links(read)
        return dict.fromkeys(PERMALINKS, -1) | read

    def _search_links(self, names: Sequence[str] = PERMALINKS) -> dict[str, int]:
        links = dict.fromkeys(names, -1)
        for number in self.numbers()[::-1]:
            record = self.get(number)
            if record is None or record.result is None:
                continue
            for name in names:
                if links[name] < 0 and record.result.is_meant_by(name):
                    links[name] = number
            if min(links.values()) > 0:
                break
        return links

    def resolve(self, name: str) -> Record | None:
        """A build by number or permalink."""
        if name == "lastBuild":
            return self.last()
        if (number := whole(name, least=1, most=INT)) is not None:
            return self.get(number)
        number = self.links().get(name, -1)
        return self.get(number) if number > 0 else None

    def delete(self, number: int) -> None:
        """Remove an ended build from disk. Raises OSError for what stays of it."""
        with self._lock:
            self._numbers = None
            self._cache.pop(number, None)
            self._color = None
            CHANGES.note()
            beneath.remove(self.builds / str(number))
            if number in self.links().values():
                self._links = self._search_links()
                self._write_links(self._links)

    def color(self) -> str:
        """The ball colour without `disabled`: that of the last ended build, `_anime` while one runs."""
        color = self._color  # a list asks each of its jobs, which have mostly not changed
        if color is None:
            with self._lock:
                color = self._color = self._ended_color()
        return f"{color}_anime" if self.running else color

    def _ended_color(self) -> str:
        links = self.links()
        last = links["lastCompletedBuild"]
        if last <= 0:
            return "notbuilt"
        by_link = {"lastStableBuild": "blue", "lastUnstableBuild": "yellow", "lastFailedBuild": "red"}
        if color := next((value for name, value in by_link.items() if links[name] == last), ""):
            return color
        record = self.get(last)
        return record.result.color if record is not None and record.result is not None else "aborted"

    def average_seconds(self, count: int = 3) -> float | None:
        """The average duration of the newest good builds, None when there is none (Job.getEstimatedDuration)."""
        good = [record for record in self.newest(20) if record.result is not None and record.result <= Result.UNSTABLE]
        times = [record.duration / 1000 for record in good[:count] if record.duration > 0]
        return sum(times) / len(times) if times else None

    def discard(self, retention: Retention, now: int) -> None:
        """Delete old builds, then the artifacts of old ones (hudson.tasks.LogRotator); `now` is ms since 1970.

        Kept, running and last good builds stay whole.
        """
        for number in list(self._old(retention.builds, retention.days, now)):
            self._attempt(self.delete, number)
        for number in self._old(retention.artifact_builds, retention.artifact_days, now):
            self._attempt(lambda old: beneath.remove(self.builds / str(old) / "archive"), number)

    def _attempt(self, removal: Callable[[int], None], number: int) -> None:
        try:
            removal(number)
        except OSError as problem:  # the next build tries again
            logging.getLogger(__name__).warning("%s #%d is not discarded: %s", self.job, number, problem)

    def _old(self, builds: int, days: int, now: int) -> Iterator[int]:
        """The builds beyond so many, and those that began so many days ago; -1 spares all."""
        if builds < 0 and days < 0:
            return
        numbers = self.numbers()
        beyond = max(0, len(numbers) - builds) if builds >= 0 else 0
        spared = {self.links()["lastSuccessfulBuild"], self.links()["lastStableBuild"], *self.running}
        for index, number in enumerate(numbers):
            if index >= beyond and days < 0:
                return
            record = self.get(number) if number not in spared else None
            if number in spared or (record is not None and record.keep):
                continue
            if index >= beyond and (record is None or record.timestamp >= now - days * DAY):
                return  # Builds are in order: what comes after is younger.
            yield number

    def _remember(self, record: Record) -> None:
        SHELF.put(self._cache, record)

    def _write_links(self, links: dict[str, int]) -> None:
        lines = "".join(f"{name} {links.get(name, -1)}\n" for name in PERMALINKS)
        files.replace(self.builds / "permalinks", lines.encode(), durable=False)
