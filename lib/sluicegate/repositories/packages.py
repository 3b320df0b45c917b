"""What `apt` and `yum` repositories share: files in Maven layout, and an index over the packages among them.

A package enters the index when its version is announced, which is after manifest and ledger: nobody installs a half.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import Conflict, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.config import Component
from sluicegate.model.settings import Settings
from sluicegate.model.values import Artifact
from sluicegate.repositories import maven2
from sluicegate.repositories.directory import DirectoryRepository
from sluicegate.repositories.mirror import Mirror, Public
from sluicegate.tools import files, process

LISTS = ".index"
SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class PackageRepository(ABC):
    """A directory repository whose packages (files that end in `ending`) are indexed for a package manager."""

    files: DirectoryRepository
    ending: str
    mirror: Mirror | None = None

    @abstractmethod
    def check(self, package: Path) -> None:
        """Raise UsageError for a file that is no such package."""

    @abstractmethod
    def index(self, added: tuple[Path, ...], gone: tuple[str, ...], everything: Mapping[str, str]) -> None:
        """Bring the index up to date.

        `everything` has each package's path below the folder with its mark (see `mark`); `gone` are the marks of
        packages that leave.
        """

    @abstractmethod
    def public(self, packages: Iterable[str]) -> Public:
        """What package managers read, of the folder; `packages` are the paths of all that is indexed."""

    def mark(self, package: Path) -> str:
        """What the index calls a package; '' where it goes by path."""
        return ""

    @property
    def path(self) -> Path:
        return self.files.path

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once; a package is looked into first."""
        if name.endswith(self.ending) and source.is_file():
            self.check(source)
        return self.files.put(component, version, name, source)

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        self.files.fetch(component, version, name, to)

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        return self.files.names(component, version)

    def address(self, component: Component, version: str, name: str) -> str:
        return self.files.address(component, version, name)

    def remove(self, component: Component, version: str) -> None:
        """Delete the files; the index forgets them with the next `announce`, so announce first."""
        self.files.remove(component, version)

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """Make the packages of these versions the component's part of the index."""
        listed = tuple(versions)
        self.files.announce(component, listed)
        try:
            with files.locked(self.path / LISTS / "lock", seconds=SECONDS):
                self._announce(component, listed)
        except OSError as problem:
            raise RemoteUnavailable(
                f"the index of {self.path} fails: {problem}", hint="check its rights, free space and mount"
            ) from problem

    def _announce(self, component: Component, versions: tuple[str, ...]) -> None:
        own = self.path / LISTS / f"{str(maven2.component_folder(component)).replace('/', '+')}.list"
        before = _read(own)
        paths = [
            f"{maven2.version_folder(component, version)}/{name}"
            for version in versions
            for name in self.names(component, version)
            if name.endswith(self.ending)
        ]
        after = {path: before.get(path) or self.mark(self.path / path) for path in paths}
        others = {path: mark for one in own.parent.glob("*.list") if one != own for path, mark in _read(one).items()}
        kept = {*after.values(), *others.values()}
        added = tuple(self.path / path for path in after if path not in before)
        gone = tuple(dict.fromkeys(mark for path, mark in before.items() if path not in after and mark not in kept))
        everything = {**others, **after}
        self.index(added, gone, everything)
        if self.mirror is not None:
            self.mirror.bring(self.path, self.public(everything), self.path / LISTS / "mirrored")
        files.replace(own, "".join(f"{path}\t{mark}\n" for path, mark in after.items()).encode())


def _read(path: Path) -> dict[str, str]:
    """A list of packages: path, and mark."""
    if not path.exists():
        return {}
    return dict(line.split("\t", 1) for line in path.read_text().splitlines())


def read_directory(name: str, settings: Settings) -> DirectoryRepository:
    """The directory below a package repository, from its `path`, `url` and `credentials`."""
    kept = {key: value for key, value in settings.values.items() if key in ("path", "url", "credentials")}
    return DirectoryRepository.read(name, Settings(where=settings.where, values=kept))


def run(words: list[str | Path], hint: str) -> str:
    """Run an index tool and return what it printed. Its refusal of other content is a Conflict."""
    done = process.run(words, check=False, timeout=SECONDS, env={"LC_ALL": "C"})
    if done.status == 0:
        return done.text
    said = f"{done.text}\n{done.error_text}".strip()
    if "conflict in package" in said:
        raise Conflict(f"{words[0]}: {said}", hint="a package is immutable; give the change a new package version")
    raise SluicegateError(f"'{' '.join(map(str, words[:2]))}' ended with status {done.status}: {said}", hint=hint)


def looked_into(words: list[str | Path], package: Path, what: str) -> str:
    """What a package tool says of a file. Raises UsageError when it is no such package."""
    done = process.run(words, check=False, env={"LC_ALL": "C"})
    if done.status != 0 or not done.text.strip():
        raise UsageError(f"{package} is no {what} package: {done.error_text.splitlines()[-1:] or 'unreadable'}")
    return done.text
