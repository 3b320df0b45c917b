"""What the runner gives to a build that asks: other jobs and their builds, secrets, files, tools, earlier builds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from xml.etree.ElementTree import Element, tostring

from sluicegate.errors import Conflict, NotFound, SluicegateError
from sluicegate.model.jobs import path_of
from sluicegate.runner import causes, configfiles, jobxml, names
from sluicegate.runner.build import Build, Started
from sluicegate.runner.causes import Cause
from sluicegate.runner.configfiles import ConfigFile
from sluicegate.runner.home import Workspaces
from sluicegate.runner.item import Item
from sluicegate.runner.items import Items
from sluicegate.runner.parameters import Given, Upload
from sluicegate.runner.queue import Queue
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.records import Record
from sluicegate.runner.rights import Right, Rules, allowed
from sluicegate.runner.scm import history
from sluicegate.runner.settings import Settings
from sluicegate.runner.vault import Credential, Vault

POLL_SECONDS = 0.05


class Trigger(Protocol):
    """What accepts a build of a job with these values, which carries these actions."""

    def __call__(
        self, item: Item, causes: tuple[Cause, ...], values: Mapping[str, Given], *, actions: tuple[str, ...]
    ) -> QueueItem: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisions:
    """The `Services` of the builds of one home. Within `lend` one more executor works."""

    items: Items
    queue: Queue
    workspaces: Workspaces
    vault: Vault
    confined: Callable[[], bool]
    settings: Callable[[], Settings]
    trigger: Trigger
    lend: Callable[[], AbstractContextManager[None]]
    abort: Callable[[Record, str], bool]
    keep: Callable[[BinaryIO, str], Upload]
    users_rights: Callable[[], Rules]
    groups: Callable[[str], frozenset[str]]

    def job(self, build: Build, name: str) -> Item:
        return self.items.needed(names.resolve(name, _folder(build)))

    def may_read(self, build: Build, item: Item) -> bool:
        rules = self.users_rights()
        people = causes.people(build.record.causes)
        return all(allowed(rules.of(name or None, self.groups(name)), item.full_name) >= Right.READ for name in people)

    def cells(self, item: Item) -> Sequence[Item]:
        return self.items.cells(item)

    def workspace_of(self, item: Item) -> Path:
        last = item.history.last()
        return Path(last.workspace) if last is not None and last.workspace else self.workspaces.root / item.full_name

    def confines(self) -> bool:
        return self.confined()

    def folder_of_cells(self, build: Build) -> Path:
        return self.workspaces.of_cells(build.record.job)

    def credential(self, name: str) -> Credential:
        return self.vault.credential(name)

    def config_file(self, name: str) -> ConfigFile:
        if (content := self.settings().files.get(name)) is not None:
            return ConfigFile(id=name, name=name, content=content)
        return configfiles.find(self.items.home, name)

    def tool(self, kind: str, name: str) -> Path | None:
        place = self.settings().tool(kind, name)
        return Path(place) if place else None

    def passwords(self) -> Mapping[str, str]:
        return self.settings().passwords

    def shared(self) -> Mapping[str, str]:
        return self.settings().env

    def unseal(self, sealed: str) -> str:
        try:
            return self.vault.open(sealed)
        except SluicegateError:
            return sealed

    def start_downstream(
        self, build: Build, name: str, values: Mapping[str, Given], actions: tuple[str, ...] = ()
    ) -> Started:
        full_name = names.resolve(name, _folder(build))
        item = self.items.job(full_name)
        if item is None:
            raise NotFound(f"there is no job {name}; nothing was started")
        if not item.buildable:
            raise Conflict(f"{full_name} is disabled. Triggering skipped")
        record = build.record
        cause = causes.upstream(record.job, record.number, path_of(record.job), record.causes)
        return Started(job=full_name, queue_id=self.trigger(item, (cause,), values, actions=actions).id)

    def start_cell(self, build: Build, cell: Mapping[str, str], config: Element) -> Started:
        parent = self.items.needed(build.record.job)
        item = self.items.cell(parent, cell, jobxml.parse(tostring(config)))
        record = build.record
        item.history.set_next_number(record.number)
        cause = causes.upstream(record.job, record.number, path_of(record.job), record.causes)
        # Every cell builds what the parent has checked out (GitSCM.determineRevisionToBuild).
        commit = history.commit_of(record)
        actions = (history.forcing(commit),) if commit else ()
        waiting = self.queue.add(item.full_name, (cause,), record.parameters, 0, actions, durable=False)
        return Started(job=item.full_name, queue_id=waiting.id)

    def wait(self, build: Build, started: Started) -> Record | None:
        return self.wait_any(build, [started])[1]

    def wait_any(self, build: Build, several: Sequence[Started]) -> tuple[Started, Record | None]:
        numbers: dict[int, int] = {}
        with self.lend():
            while True:
                for started in several:
                    ended, record = self._ended(started, numbers)
                    if ended:
                        return started, record
                build.rest(POLL_SECONDS)

    def _ended(self, started: Started, numbers: dict[int, int]) -> tuple[bool, Record | None]:
        """Whether a started job has come to an end, and its record. What left the queue long ago keeps its number."""
        waiting = self.queue.get(started.queue_id) if started.queue_id not in numbers else None
        if waiting is not None and waiting.number is not None:
            numbers[started.queue_id] = waiting.number
        number, item = numbers.get(started.queue_id), self.items.job(started.job)
        if item is None or (number is None and (waiting is None or waiting.cancelled)):
            return True, None
        record = None if number is None else item.history.get(number)
        return record is not None and not record.building, record

    def stop(self, started: Started, by: str) -> None:
        if self.queue.cancel(started.queue_id):
            return
        item = self.items.job(started.job)
        for record in list(item.history.running.values()) if item is not None else ():
            if record.queue_id == started.queue_id:
                self.abort(record, by)

    def previous(self, build: Build) -> Record | None:
        return next(self.earlier(build), None)

    def earlier(self, build: Build) -> Iterator[Record]:
        item = self.items.job(build.record.job)
        for number in reversed(item.history.numbers() if item is not None else []):
            record = item.history.get(number) if item is not None and number < build.record.number else None
            if record is not None and not record.building:
                yield record

    def start_again(self, build: Build, cause: Cause, delay: float = 0) -> None:
        item = self.items.job(build.record.job)
        if item is not None and item.buildable:
            self.queue.add(item.full_name, (cause,), build.record.parameters, delay)

    def estimate(self, build: Build, count: int) -> float | None:
        item = self.items.job(build.record.job)
        return None if item is None else item.history.average_seconds(count)


def _folder(build: Build) -> str:
    """The folder in which a build looks for other jobs; a cell looks where its matrix is."""
    name = build.record.job
    return names.folder_of(names.folder_of(name) if build.config.is_cell else name)
