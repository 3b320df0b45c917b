"""All jobs and folders of a home, jobs/NAME/config.xml, and the tree that they form."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from sluicegate.errors import NotFound, UsageError
from sluicegate.runner import jobxml, names
from sluicegate.runner.accepted import TAKEN_AWAY, Accepted, content_of, digest
from sluicegate.runner.changes import CHANGES
from sluicegate.runner.item import Item
from sluicegate.runner.jobxml import JobConfig
from sluicegate.tools import beneath, files

DOOMED = ".deleted:"
"""How the folder of an item begins that is being removed; no item can be called so. A start removes what is left."""
TRIGGERS = (
    b"hudson.triggers.TimerTrigger",
    b"hudson.triggers.SCMTrigger",
    b"jenkins.triggers.Reverse",
    b"hudson.tasks.BuildTrigger",
)


class Items:
    """All jobs and folders, by full name. Without `accepted` nothing is synced: the home goes with the process."""

    def __init__(self, home: Path, accepted: Accepted | None = None) -> None:
        self.home = home
        self._accepted = accepted
        self._changing = threading.RLock()
        """Held by who makes, changes, moves or removes an item, while the disk takes it."""
        self._tables = threading.RLock()
        """Held for moments: a list does not wait for the disk of somebody else's change."""
        self.by_name: dict[str, Item] = {}
        self.triggered: set[str] = set()
        self._folded: dict[str, dict[str, Item]] = {}
        self._sorted: dict[str, tuple[Item, ...]] = {}
        self._scan(home / "jobs", "")

    def _scan(self, folder: Path, prefix: str) -> None:
        for name, content, has_jobs in beneath.folders_with(folder, "config.xml", "jobs"):
            path = folder / name
            full_name = f"{prefix}{name}"
            if name.startswith(DOOMED):
                with suppress(OSError):
                    beneath.remove(path)
                continue
            if not names.is_text(name):
                logging.getLogger(__name__).warning("the folder %r is left out: its name is not UTF-8", full_name)
                continue
            self._enter(Item(full_name, path), content)
            if has_jobs and full_name.count("/") + 1 < names.DEEPEST:
                self._scan(path / "jobs", f"{full_name}/")
            elif has_jobs:
                message = "what is below the folder %s is left out: it is %d levels deep"
                logging.getLogger(__name__).warning(message, full_name, names.DEEPEST)

    def _enter(self, item: Item, content: bytes) -> None:
        folder = names.folder_of(item.full_name)
        with self._tables:
            self.by_name[item.full_name] = item
            self._folded.setdefault(folder, {})[item.name.lower()] = item
            self._sorted.pop(folder, None)
        self._index(item.full_name, content)
        CHANGES.note()

    def _leave(self, full_name: str) -> None:
        """Forget an item and all below it."""
        with self._tables:
            for name in [name for name in self.by_name if name == full_name or name.startswith(f"{full_name}/")]:
                item = self.by_name.pop(name)
                self.triggered.discard(name)
                folder = names.folder_of(name)
                self._folded.get(folder, {}).pop(item.name.lower(), None)
                self._sorted.pop(folder, None)
        CHANGES.note()

    def _index(self, full_name: str, content: bytes) -> None:
        # Only jobs whose text names a trigger are ever parsed by the trigger thread: a home may hold 10,000 jobs.
        if any(trigger in content for trigger in TRIGGERS):
            self.triggered.add(full_name)
        else:
            self.triggered.discard(full_name)

    def get(self, full_name: str) -> Item | None:
        return self.by_name.get(full_name)

    def job(self, full_name: str) -> Item | None:
        """The item when it is a job, not a folder; a cell of a matrix is one too."""
        item = self.by_name.get(full_name)
        if item is None and "=" in full_name and (matrix := self.by_name.get(names.folder_of(full_name))) is not None:
            self.cells(matrix)
            item = self.by_name.get(full_name)
        return item if item is not None and not item.is_folder else None

    def needed(self, full_name: str) -> Item:
        """The job. Raises NotFound when it is gone, or a folder."""
        if (item := self.job(full_name)) is None:
            raise NotFound(f"the job {full_name} is gone")
        return item

    def cell(self, parent: Item, values: Mapping[str, str], config: JobConfig) -> Item:
        """The item of one cell of a matrix, in the parent's folder as Jenkins lays it out; it has no config.xml."""
        folder = parent.folder / "configurations"
        for axis, value in values.items():
            folder = folder / f"axis-{quote(axis, safe='')}" / quote(value, safe="")
        with self._changing:
            folder.mkdir(parents=True, exist_ok=True)
            item = self._cell(parent, values, folder)
            item._config = config
            return item

    def _cell(self, parent: Item, values: Mapping[str, str], folder: Path) -> Item:
        full_name = f"{parent.full_name}/{','.join(f'{axis}={quote(value)}' for axis, value in values.items())}"
        with self._tables:
            return self.by_name.setdefault(full_name, Item(full_name, folder))

    def cells(self, parent: Item) -> list[Item]:
        """Every cell of a matrix that was ever built; those of before the start are found on disk."""
        if parent.config.tag != jobxml.MATRIX:
            return []
        cells: list[Item] = []
        waiting: list[tuple[Path, dict[str, str]]] = [(parent.folder / "configurations", {})]
        while waiting:
            folder, values = waiting.pop()
            if values and (folder / "builds").is_dir():
                with self._changing:
                    cell = self._cell(parent, values, folder)
                    cell._config = cell._config or parent.config
                cells.append(cell)
            for axis in sorted(folder.glob("axis-*"), reverse=True):
                name = unquote(axis.name.removeprefix("axis-"))
                folders = (folder for folder in axis.iterdir() if names.is_text(axis.name + folder.name))
                below = sorted((folder for folder in folders if folder.is_dir()), reverse=True)
                waiting += [(folder, {**values, name: unquote(folder.name)}) for folder in below]
        return cells

    def children(self, folder: str) -> tuple[Item, ...]:
        """The items directly below a folder (`""`: the top), sorted by name; sorted anew once one has come or gone."""
        with self._tables:
            if (items := self._sorted.get(folder)) is None:
                items = tuple(sorted(self._folded.get(folder, {}).values(), key=lambda item: item.name))
                self._sorted[folder] = items
            return items

    def jobs(self) -> list[Item]:
        with self._tables:
            items = list(self.by_name.values())
        return [item for item in items if not item.is_folder]

    def create(self, folder: str, name: str, content: bytes) -> Item:
        """A new item. Raises Malformed for bad names and bad XML, UsageError for names that are taken."""
        names.check(name)
        full_name = names.check_full(f"{folder}/{name}" if folder else name)
        config = jobxml.check(content, full_name)
        with self._changing:
            self._must_be_free(folder, name, "A job already exists with the name ‘{}’")
            item = Item(full_name, self._path(full_name))
            self._store(item, content, config)
            self._enter(item, content)
            return item

    def update(self, item: Item, content: bytes) -> None:
        """Take another config.xml. One that was taken before and is in the file still changes nothing."""
        if item.taken == digest(content) and _held(item.folder / "config.xml") == content:
            return
        config = jobxml.check(content, item.full_name)
        with self._changing:
            if item.is_folder != config.is_folder:
                raise UsageError(f"{item.full_name} is {'a folder' if item.is_folder else 'a job'} and has to stay one")
            self._store(item, content, config)
            self._index(item.full_name, content)

    def _store(self, item: Item, content: bytes, config: JobConfig) -> None:
        """Replace config.xml by one that was checked; nothing is written when it is the same already."""
        path = item.folder / "config.xml"
        before = _held(path)
        if before != content:
            if self._accepted is not None:
                self._accepted.store(path, content, before)
            else:
                files.replace(path, content, durable=False)
        item._config, item.taken = config, digest(content)
        CHANGES.note()

    def _settle(self) -> None:
        """What is moved or removed must not come back by the journal."""
        if self._accepted is not None:
            self._accepted.settle()

    def switch(self, item: Item, disabled: bool) -> None:
        """Disable a job, or enable it; whoever changes it at the same time loses nothing by that."""
        with self._changing:
            self.update(item, jobxml.with_disabled(item.text(), disabled))

    def delete(self, item: Item) -> None:
        """Remove an item with all below it."""
        with self._changing:
            self._settle()
            doomed = item.folder.with_name(f"{DOOMED}{secrets.token_hex(8)}")
            os.replace(item.folder, doomed)
            self._leave(item.full_name)
            files.sync_folder(item.folder.parent)
        with suppress(OSError):  # it is deleted; what stays is tried again by the next start
            beneath.remove(doomed)

    def rename(self, item: Item, new: str) -> Item:
        """Give an item another name in the same folder."""
        names.check(new)
        with self._changing:
            folder = names.folder_of(item.full_name)
            self._must_be_free(folder, new, "The name ‘{}’ is already in use.")
            target = f"{folder}/{new}" if folder else new
            for name in list(self.by_name):
                if f"{name}/".startswith(f"{item.full_name}/"):
                    names.check_full(target + name.removeprefix(item.full_name))
            self._settle()
            os.replace(item.folder, self._path(target))
            self._leave(item.full_name)
            path = self._path(target)
            self._enter(Item(target, path), beneath.read(path / "config.xml"))
            self._scan(path / "jobs", f"{target}/")
            files.sync_folder(path.parent)
            return self.by_name[target]

    def reverse_children(self, full_name: str) -> list[jobxml.Child]:
        """The jobs whose ReverseBuildTrigger names this job."""
        children = []
        for name in sorted(self.triggered):
            item = self.by_name.get(name)
            for trigger in item.config.reverse if item is not None else ():
                if full_name in (names.resolve(above, names.folder_of(name)) for above in trigger.upstream):
                    children.append(jobxml.Child(name=name, threshold=trigger.threshold))
        return children

    def downstream(self, item: Item) -> list[jobxml.Child]:
        """All jobs that a build of this job starts: its own BuildTrigger's and others' reverse triggers."""
        folder = names.folder_of(item.full_name)
        own = [jobxml.Child(name=names.resolve(c.name, folder), threshold=c.threshold) for c in item.config.children]
        listed = {child.name for child in own}
        return own + [child for child in self.reverse_children(item.full_name) if child.name not in listed]

    def upstream(self, item: Item) -> list[str]:
        """The jobs that start this one."""
        upstream = []
        for name in sorted(self.triggered | {item.full_name}):
            candidate = self.by_name.get(name)
            if candidate is not None and any(c.name == item.full_name for c in self.downstream_of_own(candidate)):
                upstream.append(name)
        folder = names.folder_of(item.full_name)
        for trigger in item.config.reverse:
            upstream += [n for above in trigger.upstream if (n := names.resolve(above, folder)) in self.by_name]
        return sorted(set(upstream))

    def downstream_of_own(self, item: Item) -> list[jobxml.Child]:
        folder = names.folder_of(item.full_name)
        return [jobxml.Child(name=names.resolve(c.name, folder), threshold=c.threshold) for c in item.config.children]

    def _must_be_free(self, folder: str, name: str, message: str) -> None:
        # Jenkins compares names without case, and a home must open there.
        if name.lower() in self._folded.get(folder, {}):
            raise UsageError(message.format(name))

    def _path(self, full_name: str) -> Path:
        path = self.home
        for part in full_name.split("/"):
            path = path / "jobs" / part
        return path


def _held(path: Path) -> bytes | None:
    """What the home has as config.xml; None where there is none, or a link of a person's, which a new one replaces."""
    try:
        return content_of(path)
    except OSError as problem:
        if problem.errno not in TAKEN_AWAY:
            raise
        return None
