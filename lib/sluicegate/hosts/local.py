"""Host driver `local`: a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import NotFound, RemoteUnavailable, SluicegateError
from sluicegate.hosts import places
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.tools import door, files, process
from sluicegate.tools.process import Completed


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHost:
    """Components below `folder`. A missing folder is a host that is down."""

    name: str
    folder: Path
    ports: Mapping[str, int]
    listens: str = "127.0.0.1"
    where: str = ""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> LocalHost:
        """Read `folder`, `ports` and `address`."""
        settings.only("folder", "ports", "address")
        folder = Path(settings.text("folder"))
        if not folder.is_absolute():
            raise settings.fail(f"'folder' of the host '{name}' is '{folder}', expected an absolute path", "folder")
        ports = places.read_ports(settings)
        address = settings.text("address", "127.0.0.1")
        return cls(name=name, folder=folder, ports=ports, listens=address, where=settings.where)

    def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0, root: bool = False
    ) -> Completed:
        words = places.as_root(argv) if root else tuple(argv)
        with self._up():
            done = process.run(words, cwd=self.folder, stdin=stdin, timeout=timeout, check=False, inherit=False)
        if root:
            places.refuse_denied(self.name, argv, done)
        return done

    def read(self, path: str) -> bytes | None:
        place = self._place(path)
        door.passing(f"read {path}")
        with self._up():
            try:
                return place.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def send(self, folder: Path, to: str) -> None:
        place = self._place(to)
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder} to send")
        with self._up():
            files.put_folder(folder, place)

    def link(self, path: str, target: str) -> None:
        """Make a relative link, so that people can move the host's folder."""
        place, goal = self._place(path), self._place(target)
        with self._up():
            place.parent.mkdir(parents=True, exist_ok=True)
            files.point_link(place, os.path.relpath(goal, place.parent))

    def remove(self, path: str) -> None:
        place = self._place(path)
        door.passing(f"remove {path}")
        with self._up():
            files.remove(place)

    def address(self, component: str) -> str:
        return places.base_url(self.name, self.listens, self.ports, component, self.where)

    def _place(self, path: str) -> Path:
        return self.folder / places.below(path)

    @contextmanager
    def _up(self) -> Iterator[None]:
        """Raise RemoteUnavailable when the folder is missing, SluicegateError when it refuses."""
        try:
            if not self.folder.is_dir():
                raise RemoteUnavailable(
                    f"the host '{self.name}' is down: there is no folder {self.folder}",
                    hint="make the folder, or mount it; then try again",
                )
            yield
        except OSError as problem:
            raise SluicegateError(
                f"the host '{self.name}': {problem.filename or self.folder}: {problem.strerror or problem}",
                hint="check rights and free space there",
            ) from problem
