"""Repository driver `directory`: a folder in Maven layout, where wanted read over HTTP."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from sluicegate.errors import Conflict, IntegrityError, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model import snapshots
from sluicegate.model.config import Component, Config
from sluicegate.model.settings import Settings
from sluicegate.model.values import Artifact, manifest_name
from sluicegate.repositories import maven2
from sluicegate.tools import files, http


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRepository:
    """Files below the absolute folder `path`; `url`, where given, is where the same tree is served."""

    path: Path
    url: str = ""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> DirectoryRepository:
        """Read `path`, `url` and `format`."""
        settings.only("path", "url", "format")
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
        url = settings.text("url", "").rstrip("/")
        if url and not re.match(r"https?://[^/]", url):
            raise settings.fail(f"'url' is '{url}', expected http://... or https://...")
        return cls(path=path, url=url)

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once: complete under a hidden name first, then linked to its own, which never overwrites."""
        place = self._place(component, version, name)
        if not source.is_file():
            raise UsageError(f"there is no file {source} to store", hint="build it first, or correct the path")
        with self._reached(), self._temporary(place) as temporary:
            found = files.copy(source, temporary, checksums=maven2.CHECKSUMS)
            if not files.add(temporary, place):
                _check_equal(place, found["sha256"])
            self._write_checksums(place, found)
            return Artifact(name=name, size=place.stat().st_size, sha256=found["sha256"])

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        """Write the file to `to`, over HTTP where `url` is given, and compare it with its .sha256."""
        place = self._place(component, version, name)
        if self.url:
            expected = self._fetch_over_http(component, version, name, to)
        else:
            expected = self._fetch_from_folder(place, to)
        if expected is not None and files.sha256(to) != expected:
            found = files.sha256(to)
            to.unlink()
            raise IntegrityError(
                f"{self.address(component, version, name)} has SHA-256 {found}, expected {expected} from its .sha256",
                hint="the file or its checksum was changed in the repository; publish a new version",
            )

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        folder = self.path / maven2.version_folder(component, version)
        with self._reached():
            entries = list(folder.iterdir()) if folder.is_dir() else []
        found = (entry.name for entry in entries if not entry.name.startswith("."))
        return tuple(sorted(maven2.files_of(component, version, found)))

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """Write maven-metadata.xml and its checksums."""
        for path, made, _ in maven2.announcements(component, tuple(versions), self.names, datetime.now(UTC)):
            content = made()
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

    def _place(self, component: Component, version: str, name: str) -> Path:
        return self.path / maven2.place(component, version, name)

    @contextmanager
    def _temporary(self, place: Path) -> Iterator[Path]:
        """A free hidden name beside `place`; whatever stands there at the end is removed."""
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".put-{secrets.token_hex(8)}")
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _write_checksums(self, place: Path, found: dict[str, str]) -> None:
        """Put the sidecars beside a file; a put that broke off before is completed by the next one."""
        for kind, checksum in found.items():
            sidecar = place.with_name(f"{place.name}.{kind}")
            if not sidecar.exists() or sidecar.read_bytes() != checksum.encode():
                files.replace(sidecar, checksum.encode())

    def _fetch_from_folder(self, place: Path, to: Path) -> str | None:
        with self._reached():
            if not place.is_file():
                raise _missing(place.name, str(place))
            files.copy(place, to)
            sidecar = place.with_name(f"{place.name}.sha256")
            return _checksum(sidecar.read_bytes(), str(sidecar)) if sidecar.exists() else None

    def _fetch_over_http(self, component: Component, version: str, name: str, to: Path) -> str | None:
        url = self.address(component, version, name)
        try:
            status = http.download(url, to)
        except BaseException:
            to.unlink(missing_ok=True)
            raise
        if status != 200:
            raise _refused(status, name, url)
        sidecar = self.address(component, version, f"{name}.sha256")
        answer = http.get(sidecar)
        if answer.status == 404:
            return None
        try:
            if answer.status != 200:
                raise _refused(answer.status, name, sidecar)
            return _checksum(answer.body, sidecar)
        except SluicegateError:
            to.unlink()
            raise

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn what the file system refuses (rights, no space, a lost mount) into RemoteUnavailable."""
        try:
            yield
        except OSError as problem:
            place = problem.filename or self.path
            raise RemoteUnavailable(
                f"the directory repository {self.path} fails at {place}: {os.strerror(problem.errno or 0)}",
                hint="check its rights, free space and mount",
            ) from problem


def _check_equal(place: Path, expected: str) -> None:
    found = files.sha256(place)
    if found != expected:
        raise Conflict(
            f"{place} is already published with other content: it has SHA-256 {found}, the new file has {expected}",
            hint="a version is immutable; publish the change under a new version",
        )


def _checksum(content: bytes, where: str) -> str:
    """The checksum in a sidecar; some tools write the file's name after it."""
    words = content.decode("ascii", "replace").split()
    if not words or not re.fullmatch(r"[0-9a-fA-F]{64}", words[0]):
        raise IntegrityError(f"{where} holds no SHA-256 but {content[:40]!r}", hint="look at it with a browser")
    return words[0].lower()


def _missing(name: str, where: str) -> UsageError:
    return UsageError(f"there is no file {name} at {where}", hint="check component, version and file name")


def _refused(status: int, name: str, url: str) -> SluicegateError:
    if status == 404:
        return _missing(name, url)
    if status == 429 or status >= 500:
        return RemoteUnavailable(f"{url} answered with status {status}", hint="try again later")
    return SluicegateError(
        f"{url} answered with status {status}, expected 200 and the file",
        hint="correct the repository's 'url' or its server; redirections are not followed",
    )
