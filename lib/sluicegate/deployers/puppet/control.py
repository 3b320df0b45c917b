"""The assigned files on a branch of the control repository, which r10k or Code Manager deploys.

Others push there as well: what they change meanwhile is taken, and ours is put on top. Hosts that are changed side by
side share a push, since each one is a deployment of the whole branch; hosts that are asked side by side share a fetch.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sluicegate.deployers.puppet.assigned import Assignment
from sluicegate.errors import IntegrityError, NotFound, SluicegateError
from sluicegate.ports import Host
from sluicegate.tools.git import Beaten, Edit, Store

ATTEMPTS = 20
GATHERING = 0.2  # seconds in which hosts that begin together are taken into one push


@dataclass(kw_only=True)
class _Waiting:
    """One host's file that is to be pushed, and what became of it."""

    path: str
    content: bytes
    why: str
    done: threading.Event = field(default_factory=threading.Event)
    problem: SluicegateError | None = None


class ControlBranch:
    """A branch of the repository at `url`; the files lie in its `folder`."""

    def __init__(self, *, url: str, branch: str, folder: str) -> None:
        self.url, self.branch, self.folder = url, branch, folder
        self._pushing = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._store: Store | None = None
        self._tip, self._looked = "", float("-inf")

    def assigned(self, host: Host, certname: str) -> Assignment | None:
        path, looked_for = self._path(certname), time.monotonic()
        with self._pushing:
            store, tip = self._at(looked_for)
            content = store.read(tip, path)
        if content is None:
            return None
        try:
            return Assignment.read(content)
        except IntegrityError as problem:
            raise problem.saying(f"{path} on {self.branch} of {store.shown}: {problem.message}") from problem

    def assign(self, host: Host, certname: str, assignment: Assignment) -> None:
        mine = _Waiting(path=self._path(certname), content=assignment.content(), why=assignment.intent)
        with self._guard:
            self._waiting.append(mine)
        mine.done.wait(GATHERING)
        with self._pushing:
            if not mine.done.is_set():
                self._push_waiting()
        if mine.problem is not None:
            raise mine.problem

    def _push_waiting(self) -> None:
        with self._guard:
            several, self._waiting = self._waiting, []
        problem: SluicegateError | None = None
        try:
            self._push(several)
        except SluicegateError as failure:
            problem = failure
        for waiting in several:
            waiting.problem = problem
            waiting.done.set()

    def _push(self, several: list[_Waiting]) -> None:
        """All of it in one commit on top of whatever is there; somebody who was quicker is no conflict."""
        beaten: Beaten | None = None
        for _ in range(ATTEMPTS):
            store, tip = self._at(time.monotonic())
            files = {
                waiting.path: waiting.content for waiting in several if store.read(tip, waiting.path) != waiting.content
            }
            if not files:
                return
            hosts = ", ".join(sorted(path.rpartition("/")[2].removesuffix(".yaml") for path in files))
            message = f"sluicegate assigns: {hosts}\n\nIntent: {several[0].why}\n"
            try:
                edit = Edit(branch=self.branch, base=tip, files=dict(files))
                store.push([edit], message, by=store.signature, at=datetime.now(UTC))
                return
            except Beaten as quicker:
                beaten = quicker
        assert beaten is not None
        raise beaten.saying(f"{self.branch} of {self.url} was changed by others {ATTEMPTS} times in a row")

    def _at(self, moment: float) -> tuple[Store, str]:
        """The branch as it was at this moment or later: a look that began since then serves whoever waited for it."""
        if self._store is None:
            self._store = Store(self.url, (self.branch,))
        if self._looked < moment:
            began = time.monotonic()
            self._tip, self._looked = self._store.tips()[self.branch], began
        if not self._tip:
            raise NotFound(
                f"the control repository {self._store.shown} has no branch '{self.branch}'",
                hint="push one, or correct 'branch' of 'assigned'",
            )
        return self._store, self._tip

    def _path(self, certname: str) -> str:
        return f"{self.folder}/{certname}.yaml"
