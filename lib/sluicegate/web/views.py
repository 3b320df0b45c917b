"""List views, each kept as it was posted in `<home>/views/` (percent-encoded names)."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from sluicegate.errors import IntegrityError, SluicegateError, UsageError
from sluicegate.runner import names
from sluicegate.tools import beneath, files, patterns, xml

EVERYTHING = ".*"
PATTERN_SECONDS = 1.0
"""How long the pattern of a view may take for all names together."""
NEW = "<?xml version='1.1' encoding='UTF-8'?>\n<{0}>\n  <name>{1}</name>\n  <jobNames/>\n  <columns/>\n</{0}>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view of the items in one folder (`""`: the top)."""

    folder: str
    name: str
    cls: str
    description: str | None
    jobs: tuple[str, ...]
    pattern: str

    def shown(self, names: Sequence[str]) -> set[str]:
        """Which of these names the view shows; a pattern that takes too long shows no more, and the log says so."""
        listed = {name for name in names if name in self.jobs}
        if self.pattern == EVERYTHING:
            return set(names)
        end = time.monotonic() + PATTERN_SECONDS
        try:
            for name in names if self.pattern else ():
                if patterns.matches(self.pattern, name, seconds=max(0.01, end - time.monotonic())):
                    listed.add(name)
        except SluicegateError as problem:
            logging.getLogger(__name__).warning("the view %s: %s", self.name, problem)
        return listed


class Views:
    """All views of a home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "views"
        self._lock = threading.RLock()

    def _path(self, folder: str, name: str) -> Path:
        return self.folder / f"{quote(f'{folder}/{name}' if folder else name, safe=' ')}.xml"

    def get(self, folder: str, name: str) -> View | None:
        """A view, None where there is none. Raises IntegrityError for one that cannot be read."""
        place = self._path(folder, name)
        try:
            with beneath.reading(place):
                return _view(folder, name, place.read_bytes())
        except FileNotFoundError:
            return None

    def of(self, folder: str) -> list[View]:
        """The views of a folder; one that cannot be read shows nothing but why. Raises OSError for their folder."""
        views = []
        files_here = sorted(os.listdir(self.folder)) if os.path.lexists(self.folder) else []
        for file in (name for name in files_here if name.endswith(".xml") and not name.startswith(".")):
            owner, _, name = unquote(file.removesuffix(".xml")).rpartition("/")
            if owner != folder or not names.is_text(name):
                continue
            try:
                view = self.get(owner, name)
            except IntegrityError as problem:
                trouble = problem.message
                view = View(
                    folder=owner, name=name, cls="hudson.model.ListView", description=trouble, jobs=(), pattern=""
                )
            if view is not None:
                views.append(view)
        return views

    def text(self, view: View) -> bytes:
        return self._path(view.folder, view.name).read_bytes()

    def create(self, folder: str, name: str, content: bytes) -> None:
        names.check(name)
        with self._lock:
            if name in ("all", "All") or self.get(folder, name) is not None:
                raise UsageError(f'A view already exists with the name "{name}"')
            self.store(folder, name, content)

    def store(self, folder: str, name: str, content: bytes) -> None:
        _view(folder, name, content)
        files.replace(self._path(folder, name), content)

    def delete(self, view: View) -> None:
        self._path(view.folder, view.name).unlink(missing_ok=True)

    def empty(self, mode: str, name: str) -> bytes:
        if not re.fullmatch(r"[\w.$]+", mode):
            raise UsageError(f"'{mode}' is no kind of view")
        return NEW.format(mode.replace("$", "_-"), xml.clean(name)).encode()

    def include(self, view: View, job: str, wanted: bool) -> None:
        """Add a job to a list view, or take it out; the rest of the file stays as it is."""
        line = xml.tag("string", job).strip()
        with self._lock:
            try:
                content = self.text(view).decode()
            except UnicodeDecodeError as problem:
                raise UsageError(f"the view {view.name} is not written in UTF-8: post its config.xml") from problem
            listed = job in _view(view.folder, view.name, content.encode()).jobs
            if wanted and not listed:
                if "<jobNames/>" in content:
                    content = content.replace("<jobNames/>", f"<jobNames>{line}</jobNames>", 1)
                else:
                    content = content.replace("</jobNames>", f"{line}</jobNames>", 1)
            elif not wanted:
                content = content.replace(line, "", 1)
            self.store(view.folder, view.name, content.encode())


def _view(folder: str, name: str, content: bytes) -> View:
    root = xml.parse(content, source=f"the view {name}")
    description = root.find("description")
    return View(
        folder=folder,
        name=name,
        cls="hudson.model.ListView" if root.tag == "listView" else root.tag.replace("_-", "$"),
        description=None if description is None else description.text,
        jobs=tuple(job.text or "" for job in root.iterfind("jobNames/string")),
        pattern=xml.text(root, "includeRegex"),
    )
