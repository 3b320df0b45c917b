"""Configurations that were accepted: on disk in a journal at once, by one sync, and in their own files soon after.

`<home>/configurations.journal` holds one JSON object a line: {"file", "content", "before", "boot"}. A file is replaced
by rename without a sync of its own; a moment later all that were replaced are synced together, and the journal is
emptied. After a power cut the journal tells what the files should say, and is believed unless somebody changed them.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sluicegate.errors import Malformed
from sluicegate.runner import jobxml
from sluicegate.runner.journal import Entry, Journal, NotStored
from sluicegate.runner.worker import Worker
from sluicegate.tools import beneath, files, process

SETTLE_AFTER = 5.0
"""Seconds until what was replaced is synced: as long the journal is what a power cut leaves."""
LARGEST = 16 << 20
"""Bytes of configurations that wait for that at a time: who stores more waits for the disk."""
FEW, PASSES = 8, 3
"""So many files may be left to be synced while nobody may store anything; how often this is tried."""
TAKEN_AWAY = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)
"""How opening a file fails which a person took away, or in whose place, or above which, there is a link of his."""


def digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def content_of(place: Path) -> bytes | None:
    """What a config.xml says; None where there is none. Raises OSError: of TAKEN_AWAY for a link."""
    try:
        return beneath.read(place)
    except FileNotFoundError:
        return None


class Accepted:
    """The journal of one home, read and emptied when this is made: before anybody looks at the files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.journal = Journal(home / "configurations.journal")
        self.worker = Worker("configurations", self._round)
        self._boot = process.boot()  # while it lasts, the system has all that was written
        self._changing = threading.RLock()
        """Held while something is stored, and while the journal is emptied."""
        self._settling = threading.Lock()
        self._pending: dict[Path, list[Entry]] = {}
        """What the journal says of each file, oldest first, until that file is synced."""
        self._size = 0
        self._doubted: set[Path] = set()
        """Files that could not be synced or written: what is on disk nobody knows, and the next sync would not tell."""
        self._stored = threading.Event()
        self.journal.read(self._apply)
        if self._pending:
            self._recover()

    def store(self, place: Path, content: bytes, before: bytes | None) -> None:
        """Replace a file of the home, which says `before`; on disk when this returns.

        Raises NotStored, OSError: then all is as it was.
        """
        if self._size > LARGEST:
            self.settle()
        with self._changing:
            entry: Entry = {
                "file": str(place).removeprefix(f"{self.home}/"),
                "content": content.decode("utf-8", "surrogateescape"),
                "before": digest(before),
                "boot": self._boot,
            }
            try:
                files.replace(place, content, durable=False, first=lambda: self._write_down(place, entry))
            except BaseException:
                self._take_back(place, entry)
                raise
        self._stored.set()

    def _write_down(self, place: Path, entry: Entry) -> None:
        """Have an entry on disk. Raises NotStored; the file is not replaced then."""
        if not self.journal.sound:
            self.journal.rewrite(self._entries())
        self.journal.append(entry)
        self._pending.setdefault(place, []).append(entry)
        self._size += len(str(entry["content"]))

    def _take_back(self, place: Path, entry: Entry) -> None:
        """Forget an entry whose file could not be replaced: what was refused must not come after a restart."""
        rows = self._pending.get(place, [])
        if entry not in rows:
            return
        rows.remove(entry)
        if not rows:
            del self._pending[place]
        self.journal.sound = False
        with suppress(NotStored):  # the next entry tries again
            self.journal.rewrite(self._entries())

    def _entries(self) -> Iterator[Entry]:
        return (row for rows in self._pending.values() for row in rows)

    def settle(self) -> None:
        """Have all in its own files, on disk, and nothing in the journal. Raises OSError or NotStored."""
        with self._settling:
            for _ in range(PASSES):
                if len(self._pending) > FEW:
                    self._sync()
            with self._changing:
                self._sync()
                if self.journal.lines:
                    self.journal.empty()
                self._size = 0

    def _sync(self) -> None:
        """Have the files that wait for it on disk, with their names and those of new folders above them."""
        with self._changing:
            waiting = {place: list(rows) for place, rows in self._pending.items()}
        folders: set[Path] = set()
        made: set[Path] = set()
        for place, rows in waiting.items():
            try:
                self._sync_file(place, rows)
            except OSError as problem:
                if problem.errno not in TAKEN_AWAY:
                    raise
                continue
            folder = place.parent
            folders.add(folder)
            if rows and rows[0].get("before") is None:
                while folder != self.home.parent and folder not in made:
                    made.add(folder)
                    folder = folder.parent
        for folder in sorted(folders | made, reverse=True):
            with suppress(FileNotFoundError):
                files.sync_folder(folder)
        with self._changing:
            for place, rows in waiting.items():
                newer = self._pending[place][len(rows) :]
                if newer:
                    self._pending[place] = newer
                else:
                    del self._pending[place]
                self._doubted.discard(place)

    def _sync_file(self, place: Path, rows: list[Entry]) -> None:
        if place not in self._doubted:
            try:
                files.sync(place)
            except OSError as problem:
                if problem.errno not in TAKEN_AWAY:
                    self._doubted.add(place)
                raise
        elif self._is_ours(place, rows):
            files.replace(place, _bytes(rows[-1]))

    def _round(self) -> None:
        """Settle once something was stored, a few seconds after it."""
        if not self._stored.wait(SETTLE_AFTER):
            return
        self._stored.clear()
        self.worker.wait(SETTLE_AFTER)
        try:
            self.settle()
        except Exception:
            self._stored.set()
            raise

    def close(self) -> None:
        """Leave nothing in the journal, if the disk lets it; else the next start does it."""
        self.worker.stop()
        self._stored.set()
        self.worker.join(30)
        with suppress(OSError, NotStored):
            self.settle()
        self.journal.close()

    # -- after a crash --
    def _apply(self, entry: Entry) -> None:
        """Take an entry of the journal. Raises ValueError for one that says nothing."""
        name, content = entry.get("file"), entry.get("content")
        if not isinstance(name, str) or not isinstance(content, str):
            raise ValueError("no configuration")
        place = self.home / name
        if ".." in place.parts or place.name != "config.xml" or not place.is_relative_to(self.home / "jobs"):
            raise ValueError("no place of a configuration")
        self._pending.setdefault(place, []).append(entry)

    def _recover(self) -> None:
        """Write what a power cut took away. Where the disk takes nothing, the journal stays, and it is tried again."""
        log = logging.getLogger(__name__)
        for place, rows in self._pending.items():
            try:
                if self._is_lost(place, rows):
                    log.warning("%s was accepted before the machine stopped, and is written now", place)
                    files.replace(place, _bytes(rows[-1]))
            except OSError as problem:
                if problem.errno in TAKEN_AWAY:
                    continue
                self._doubted.add(place)
                log.warning("%s cannot be written: %s", place, problem)
        try:
            self.settle()
        except (OSError, NotStored):
            self._stored.set()

    def _is_lost(self, place: Path, rows: list[Entry]) -> bool:
        """Whether a file is older than what was accepted, or torn; not where somebody changed it or took it away."""
        here = content_of(place)
        if here is None:
            # What never was on disk is made again; what was there before, or since this boot, somebody took away.
            return rows[0].get("before") is None and (not self._boot or rows[-1].get("boot") != self._boot)
        if here == _bytes(rows[-1]):
            return False
        older = {row.get("before") for row in rows} | {digest(_bytes(row)) for row in rows[:-1]}
        return digest(here) in older or _is_torn(here)

    def _is_ours(self, place: Path, rows: list[Entry]) -> bool:
        """Whether a file has to be written anew: it is lost, or nobody knows whether it is on disk."""
        return self._is_lost(place, rows) or content_of(place) == _bytes(rows[-1])


def _bytes(entry: Entry) -> bytes:
    return str(entry["content"]).encode("utf-8", "surrogateescape")


def _is_torn(content: bytes) -> bool:
    try:
        jobxml.parse(content)
    except Malformed:
        return True
    return False
