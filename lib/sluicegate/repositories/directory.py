"""Repository driver `directory`: a folder in Maven layout, where wanted read over HTTP."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sluicegate.errors import Conflict, IntegrityError, NotFound, RemoteUnavailable, SluicegateError, UnknownName
from sluicegate.model import snapshots
from sluicegate.model.config import Component, Config
from sluicegate.model.manifest import Artifact, manifest_name
from sluicegate.model.settings import Settings
from sluicegate.repositories import maven2
from sluicegate.tools import files, outgoing
from sluicegate.tools.credentials import Credentials

if TYPE_CHECKING:
    from sluicegate.tools.http import Answer
    from sluicegate.tools.server import Server

HIDDEN = ".put-"
ABANDONED = 24 * 3600.0
"""Seconds after which nobody can still be writing a hidden file."""


@dataclass(frozen=True, kw_only=True)
class DirectoryRepository:
    """Files below the absolute folder `path`; `url`, where given, is where the same tree is served, to this login.

    `swept` holds the folders that this process has looked through for what killed publishers left.
    """

    path: Path
    url: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    swept: set[Path] = field(default_factory=set, compare=False)

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> DirectoryRepository:
        """Read `path`, `url`, `credentials` and `format`."""
        settings.only("path", "url", "credentials", "format")
        settings.choice("format", ("maven2",), "maven2")
        return cls.read(name, settings)

    @classmethod
    def read(cls, name: str, settings: Settings) -> DirectoryRepository:
        """The part that other drivers with a folder share."""
        path = Path(settings.text("path"))
        if not path.is_absolute():
            raise settings.fail(
                f"'path' of the repository '{name}' is '{path}', expected an absolute path: "
                "a relative one would be another folder for each clone"
            )
        credentials = Credentials.configure(name, settings)
        return cls(path=path, url=settings.address("url", ""), credentials=credentials)

    @cached_property
    def _server(self) -> Server:
        from sluicegate.tools.server import Server

        return Server(self.url, lambda: self.credentials.login(self.url))

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once: complete under a hidden name first, then linked to its own, which never overwrites."""
        place = self._place(component, version, name)
        if not source.is_file():
            raise UnknownName(f"there is no file {source} to store", hint="build it first, or correct the path")
        self.refuse_gone()
        self._sweep(place.parent)
        with self._reached():
            if place.is_file():
                sums = outgoing.checksums(source, maven2.CHECKSUMS).checksums
                _check_equal(place, sums["sha256"])
            else:
                with self._temporary(place) as temporary:
                    sums = files.copy(source, temporary, checksums=maven2.CHECKSUMS)
                    if not files.add(temporary, place):
                        _check_equal(place, sums["sha256"])
            self._write_checksums(place, sums)
            return Artifact(name=name, size=place.stat().st_size, sha256=sums["sha256"])

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        """Write the file to `to`, over HTTP where `url` is given, and compare it with its .sha256."""
        where = self.address(component, version, name)
        sha256, expected = (self._over_http if self.url else self._from_folder)(
            self._place(component, version, name), to
        )
        if expected is not None and sha256 != expected:
            to.unlink()
            raise IntegrityError(
                f"{where} has SHA-256 {sha256}, expected {expected} from its .sha256",
                hint="the file or its checksum was changed in the repository; publish a new version",
            )

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        folder = self.path / maven2.version_folder(component, version)
        with self._reached():
            entries = list(folder.iterdir()) if folder.is_dir() else []
        visible = (entry.name for entry in entries if not entry.name.startswith("."))
        return tuple(sorted(maven2.files_of(component, version, visible)))

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """Write maven-metadata.xml and its checksums."""
        for path, content_of, _ in maven2.announcements(component, tuple(versions), self.names, datetime.now(UTC)):
            content = content_of()
            with self._reached():
                files.replace(self.path / path, content)
                self._write_checksums(self.path / path, maven2.checksums(content))

    def address(self, component: Component, version: str, name: str) -> str:
        if not self.url:
            return str(self._place(component, version, name))
        maven2.check_name(name)
        return f"{self.url}/{quote(str(maven2.version_folder(component, version) / name))}"

    def remove(self, component: Component, version: str) -> None:
        """Take the version's folder out of sight in one step, then delete it; of a SNAPSHOT its own files only."""
        folder = self.path / maven2.version_folder(component, version)
        with self._reached():
            if snapshots.base(version) and self._remove_files(component, version, folder):
                return
            for left in folder.parent.glob(".removed-*"):  # a removal that broke off
                files.remove(left)
            if folder.is_dir():
                aside = folder.with_name(f".removed-{secrets.token_hex(8)}")
                folder.rename(aside)
                files.remove(aside)

    def _remove_files(self, component: Component, version: str, folder: Path) -> bool:
        """Delete a publication's files, its manifest first; whether others are left in the folder."""
        first = manifest_name(component.name, version)
        entries = sorted(folder.iterdir(), key=lambda e: (e.name != first, e.name)) if folder.is_dir() else []
        for entry in entries:
            if maven2.belongs(component, version, entry.name):
                entry.unlink()
        left = (e.name for e in folder.iterdir()) if folder.is_dir() else ()
        return any(not name.startswith((".", maven2.METADATA)) for name in left)

    def _sweep(self, folder: Path) -> None:
        """Remove what killed publishers left, once for a version; others are at work, and end."""
        if folder in self.swept:
            return
        self.swept.add(folder)
        for left in folder.glob(f"{HIDDEN}*"):
            with suppress(OSError):
                if left.stat().st_mtime < time.time() - ABANDONED:
                    left.unlink()

    def _place(self, component: Component, version: str, name: str) -> Path:
        return self.path / maven2.place(component, version, name)

    @contextmanager
    def _temporary(self, place: Path) -> Iterator[Path]:
        """A free hidden name beside `place`; whatever stands there at the end is removed."""
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f"{HIDDEN}{secrets.token_hex(8)}")
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _write_checksums(self, place: Path, sums: Mapping[str, str]) -> None:
        """Put the sidecars beside a file; a put that broke off before is completed by the next one."""
        for kind, checksum in sums.items():
            sidecar = place.with_name(f"{place.name}.{kind}")
            if not sidecar.exists() or sidecar.read_bytes() != checksum.encode():
                files.replace(sidecar, checksum.encode())

    def _from_folder(self, place: Path, to: Path) -> tuple[str, str | None]:
        """Copy a file; its SHA-256, and that of its sidecar."""
        with self._reached():
            if not self.path.is_dir():
                raise self._gone()
            if not place.is_file():
                raise _missing(place.name, str(place))
            sha256 = files.copy(place, to, checksums=("sha256",))["sha256"]
            sidecar = place.with_name(f"{place.name}.sha256")
            return sha256, _checksum(sidecar.read_bytes(), str(sidecar)) if sidecar.exists() else None

    def _over_http(self, place: Path, to: Path) -> tuple[str, str | None]:
        """The same from where the folder is served."""
        path = f"/{quote(str(place.relative_to(self.path)))}"
        reply, received = self._server.download(path, to, kinds=("sha256",))
        if reply.status != 200:
            raise self._refused(reply, path)
        try:
            reply = self._server.ask("GET", f"{path}.sha256")
            if reply.status not in (200, 404):
                raise self._refused(reply, f"{path}.sha256")
            expected = _checksum(reply.body, f"{self.url}{path}.sha256") if reply.status == 200 else None
        except SluicegateError:
            to.unlink()
            raise
        return received.checksums["sha256"], expected

    def _refused(self, reply: Answer, path: str) -> SluicegateError:
        where = f"{self.url}{path}"
        if reply.status == 404:
            return _missing(path.rpartition("/")[2], where)
        return SluicegateError(
            f"{where} answered with {reply.explanation}, expected 200 and the file",
            hint="correct the repository's 'url' or its server",
        )

    def refuse_gone(self) -> None:
        """Raise RemoteUnavailable where a served folder is not here: it was made by who serves it."""
        if self.url and not self.path.is_dir():
            raise self._gone()

    def _gone(self) -> RemoteUnavailable:
        return RemoteUnavailable(
            f"the directory repository {self.path} is not there",
            hint="is it mounted? a new one is made by hand: mkdir -p, and its rights",
        )

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn what the file system refuses (rights, no space, a lost mount) into RemoteUnavailable."""
        try:
            yield
        except OSError as problem:
            place = problem.filename or str(self.path)
            if not Path(place).is_relative_to(self.path):
                raise  # where the file was to go
            raise RemoteUnavailable(
                f"the directory repository {self.path} fails at {place}: {os.strerror(problem.errno or 0)}",
                hint="check its rights, free space and mount",
            ) from problem


def _check_equal(place: Path, expected: str) -> None:
    standing = files.sha256(place)
    if standing != expected:
        raise Conflict(
            f"{place} is already published with other content: it has SHA-256 {standing}, the new file has {expected}",
            hint="a version is immutable; publish the change under a new version",
        )


def _checksum(content: bytes, where: str) -> str:
    """The checksum in a sidecar; some tools write the file's name after it."""
    words = content.decode("ascii", "replace").split()
    if not words or not re.fullmatch(r"[0-9a-fA-F]{64}", words[0]):
        raise IntegrityError(f"{where} holds no SHA-256 but {content[:40]!r}", hint="look at it with a browser")
    return words[0].lower()


def _missing(name: str, where: str) -> NotFound:
    return NotFound(f"there is no file {name} at {where}", hint="check component, version and file name")
