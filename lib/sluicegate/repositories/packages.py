"""What `apt` and `yum` repositories share: files in Maven layout, and an index over the packages among them.

A package enters the index when its version is announced, which is after manifest and ledger: nobody installs a half.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from sluicegate.errors import Conflict, Malformed, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.config import Component
from sluicegate.model.manifest import Artifact
from sluicegate.model.settings import Settings
from sluicegate.repositories import maven2
from sluicegate.repositories.directory import DirectoryRepository
from sluicegate.repositories.mirror import Mirror, Public
from sluicegate.tools import files as tool_files
from sluicegate.tools import process
from sluicegate.tools.lock import locked

LISTS = ".index"
MARKS = "marks"
LOCKS = 64
"""Packages of the same mark wait for each other; of others one in so many."""
SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class PackageRepository(ABC):
    """A directory repository whose packages (files that end in `ending`) are indexed for a package manager."""

    files: DirectoryRepository
    ending: str
    mirror: Mirror | None = None

    @abstractmethod
    def mark(self, package: Path) -> str:
        """Name, version and architecture, as the package manager tells packages apart.

        Raises Malformed for a file that is no such package.
        """

    def unindexed(self, mark: str, source: Path) -> UsageError | None:
        """Why the index would leave a package out; None when it goes in."""
        return None

    @abstractmethod
    def index(self, added: tuple[Path, ...], gone: tuple[str, ...], everything: Mapping[str, str]) -> None:
        """Bring the index up to date.

        `everything` has each package's path below the folder with its mark (see `mark`); `gone` are the marks of
        packages that leave.
        """

    @abstractmethod
    def public(self, packages: Iterable[str]) -> Public:
        """What package managers read, of the folder; `packages` are the paths of all that is indexed."""

    @property
    def path(self) -> Path:
        return self.files.path

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once. Of a package there may be no other that package managers would take for the same."""
        if not (name.endswith(self.ending) and source.is_file()):
            return self.files.put(component, version, name, source)
        path, mark = str(maven2.place(component, version, name)), self.mark(source)
        if problem := self.unindexed(mark, source):
            raise problem
        self.files.refuse_gone()
        with self._alone(f"marks.{crc32(mark.encode()) % LOCKS}.lock"):
            known = self._marks()
            self._refuse_same(
                [known_path for known_path, its in known.items() if its == mark and known_path != path], mark, source
            )
            stored = self.files.put(component, version, name, source)
            if known.get(path) != mark:
                with (self.path / LISTS / MARKS).open("a") as marks:
                    marks.write(f"{path}\t{mark}\n")
        return stored

    def _refuse_same(self, others: Iterable[str], mark: str, source: Path) -> None:
        for published in others:
            if (self.path / published).is_file() and tool_files.sha256(self.path / published) != tool_files.sha256(
                source
            ):
                raise Conflict(
                    f"{source} is the package {mark}, which is already published with other content: {published}",
                    hint="a package is immutable; give the change a new package version",
                )

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
        with self._alone("lock"):
            self._announce(component, listed)

    @contextmanager
    def _alone(self, lock: str) -> Iterator[None]:
        try:
            with locked(self.path / LISTS / lock, seconds=SECONDS):
                yield
        except OSError as problem:
            raise RemoteUnavailable(
                f"the index of {self.path} fails: {problem}", hint="check its rights, free space and mount"
            ) from problem

    def _marks(self) -> dict[str, str]:
        """The mark of each package by its path: of all that are announced, and of those stored for it."""
        places = (self.path / LISTS / MARKS, *self._lists())
        return {path: mark for place in places for path, mark in _read(place).items()}

    def _lists(self) -> list[Path]:
        """The list of each component. Raises OSError where they cannot be told: none would take all packages away."""
        return [path for path in sorted((self.path / LISTS).iterdir()) if path.suffix == ".list"]

    def _announce(self, component: Component, versions: tuple[str, ...]) -> None:
        own = self.path / LISTS / f"{str(maven2.component_folder(component)).replace('/', '+')}.list"
        before, known = _read(own), self._marks()
        paths = [
            f"{maven2.version_folder(component, version)}/{name}"
            for version in versions
            for name in self.names(component, version)
            if name.endswith(self.ending)
        ]
        after = {path: known.get(path) or self.mark(self.path / path) for path in paths}
        others = {path: mark for listing in self._lists() if listing != own for path, mark in _read(listing).items()}
        kept, there = ({*marks.values(), *others.values()} for marks in (after, before))
        first = {mark: path for path, mark in reversed(after.items())}  # versions may share a package: it goes in once
        added = tuple(self.path / path for mark, path in first.items() if mark not in there)
        gone = tuple(mark for mark in dict.fromkeys(before.values()) if mark and mark not in kept)
        everything = {**others, **after}
        self.index(added, gone, everything)
        if self.mirror is not None:
            self.mirror.bring(self.path, self.public(everything), self.path / LISTS / "mirrored")
        tool_files.replace(own, "".join(f"{path}\t{mark}\n" for path, mark in after.items()).encode())


def _read(path: Path) -> dict[str, str]:
    """A list of packages: path, and mark."""
    if not path.exists():
        return {}
    lines = (line.partition("\t") for line in path.read_text(errors="replace").splitlines())
    return {name: mark for name, tab, mark in lines if tab}


def read_directory(name: str, settings: Settings) -> DirectoryRepository:
    """The directory below a package repository, from its `path`, `url` and `credentials`."""
    return DirectoryRepository.read(name, settings.keys("path", "url", "credentials"))


def run(words: list[str | Path]) -> str:
    """Run an index tool and return what it printed."""
    done = process.run(words, check=False, timeout=SECONDS, env={"LC_ALL": "C"})
    if done.status == 0:
        return done.text
    output = f"{done.text}\n{done.error_text}".strip()
    cause = "at its key: gpg --list-secret-keys shows those there are" if "gpg" in output else "at its rights and space"
    raise SluicegateError(
        f"'{' '.join(map(str, words[:2]))}' ended with status {done.status}: {output}",
        hint=f"look at the repository's folder and {cause}; then run the same again, which completes the index",
    )


def looked_into(words: list[str | Path], package: Path, what: str) -> str:
    """What a package tool says of a file. Raises Malformed when it is no such package."""
    done = process.run(words, check=False, env={"LC_ALL": "C"})
    if done.status != 0 or not done.text.strip():
        complaint = (done.error_text.splitlines() or ["it cannot be read"])[-1]
        raise Malformed(f"{package} is no {what} package: {complaint}", hint="build it again, or name another file")
    return done.text.strip()
