"""Repository driver `nexus`: Nexus Repository 3, formats maven2 and raw by each file's path, others by upload.

What a Nexus 3.71 answers, and why this is written so (all measured): a PUT's answer holds no checksum, so a HEAD whose
ETag is the stored SHA-1 follows each upload; `If-None-Match: *` refuses a name that is taken also where the repository
allows a redeploy; ALLOW_ONCE is not atomic; the message of a 400 stands in its reason phrase; the search and the HTML
listing lag by two seconds, a file's own path does not.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from urllib.parse import quote, unquote

from sluicegate.errors import Conflict, IntegrityError, NotFound, SluicegateError, UnknownName
from sluicegate.model import snapshots
from sluicegate.model.config import Component, Config
from sluicegate.model.manifest import Artifact, Manifest, manifest_name
from sluicegate.model.settings import Settings
from sluicegate.ports import Repository
from sluicegate.repositories import maven2
from sluicegate.repositories.nexus_answers import KINDS, absent, conflict, etag, no_nexus, refused
from sluicegate.repositories.nexus_packages import PACKAGES, NexusPackages
from sluicegate.tools.credentials import Credentials
from sluicegate.tools.http import Answer
from sluicegate.tools.outgoing import Sent, checksums
from sluicegate.tools.scratch import scratch
from sluicegate.tools.server import SMALL, Server

ONCE = {"If-None-Match": "*"}
TURNS = 1021


@dataclass(frozen=True, kw_only=True)
class NexusRepository:
    """A hosted repository of a Nexus, and where given another for SNAPSHOTs, as Maven's policies want it.

    `recent` holds the paths that this process stored or saw: listings lag, and what is there is not sent again.
    """

    server: Server
    repository: str
    snapshots: str = ""
    format: str = "raw"
    recent: set[str] = field(default_factory=set)
    turns: tuple[threading.Lock, ...] = field(default_factory=lambda: tuple(threading.Lock() for _ in range(TURNS)))

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> NexusRepository | NexusPackages:
        """Read `url`, `repository`, `snapshots`, `format`, `credentials`; else also `beside`, `packages`, `fields`."""
        settings.only("url", "repository", "snapshots", "format", "credentials", "beside", "packages", "fields")
        url = settings.address("url")
        credentials = Credentials.configure(name, settings)
        server = Server(url, lambda: credentials.login(url))
        repository, format_ = _repository(settings, "repository", name), settings.text("format", "maven2")
        if format_ in ("maven2", "raw"):
            for key in ("beside", "packages", "fields"):
                if key in settings.values:
                    raise settings.fail(f"'{key}' belongs to formats other than maven2 and raw")
            snapshots = _repository(settings, "snapshots", repository)
            return cls(server=server, repository=repository, snapshots=snapshots, format=format_)
        packages = settings.texts("packages") or PACKAGES.get(format_, ())
        if not packages:
            raise settings.fail(f"of the format '{format_}' it is not known which files are packages: add 'packages'")
        beside = _repository(settings, "beside")
        # A cast, as what this method returns besides its own class hides from mypy that the class is a Repository.
        return NexusPackages(
            server=server, repository=repository, format=format_, packages=packages, fields=settings.mapping("fields"),
            beside=cast(Repository, cls(server=server, repository=beside, snapshots=beside)),
        )  # fmt: skip

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once; the server's checksum is compared with that of what was sent."""
        path = self._path(component, version, name)
        if not source.is_file():
            raise UnknownName(f"there is no file {source} to store", hint="build it first, or correct the path")
        with self.turns[hash(path) % TURNS]:
            there = path in self.recent
            sent = self._put_once(path, source, there=there)
            self.recent.add(path)
        if self.format == "maven2":
            sha1 = sent.checksums["sha1"].encode()
            if not (there and self.server.ask("GET", f"{path}.sha1").body == sha1):
                self._put_text(f"{path}.sha1", sha1)
        return Artifact(name=name, size=sent.size, sha256=sent.checksums["sha256"])

    def _put_once(self, path: str, source: Path, *, there: bool) -> Sent:
        """Store it unless it stands there, as it does where it is listed, or where only the answer to a try was lost.

        A large file asks first: a proxy that takes the whole body before it asks the Nexus would have it sent in vain.
        """
        if (there or source.stat().st_size > SMALL) and (standing := self._stored(path)) is not None:
            return self._same(path, standing, checksums(source, KINDS))
        reply, sent = self.server.send("PUT", path, source, kinds=KINDS, headers=ONCE)
        if reply.status == 412 or (reply.status == 400 and "cannot be updated" in reply.reason):
            standing = self._stored(path)
            if standing is None:
                raise self._refused(reply, path)
            return self._same(path, standing, sent if sent.whole else checksums(source, KINDS))
        if reply.status not in (200, 201, 204):
            raise self._refused(reply, path)
        if reply.status == 200 and reply.looks_like_a_page:
            raise no_nexus(self._shown(path))
        standing = self._stored(path)
        if standing is None:
            raise IntegrityError(f"{self._shown(path)} was accepted, and is not there", hint="publish again")
        if standing != sent.checksums["sha1"]:
            self._explain(path, standing, sent)
        return sent

    def _same(self, path: str, standing: str, mine: Sent) -> Sent:
        """Refuse to overwrite a file with other content."""
        if standing != mine.checksums["sha1"]:
            raise conflict(self._shown(path), standing, mine.checksums["sha1"])
        return mine

    def _explain(self, path: str, standing: str, sent: Sent) -> None:
        """After an upload the server reports another checksum: somebody else's file, or a damaged or lying server."""
        with scratch() as folder:
            reply, received = self.server.download(path, folder / "found", kinds=("sha1",))
        if received.checksums["sha1"] == standing and received.size >= sent.size and not reply.looks_like_a_page:
            raise conflict(self._shown(path), standing, sent.checksums["sha1"])
        raise IntegrityError(
            f"{self._shown(path)}: the server reports SHA-1 {standing}, sent was {sent.checksums['sha1']}",
            hint="the upload was damaged, or what answers is no Nexus; nothing is announced",
        )

    def _stored(self, path: str) -> str | None:
        """The SHA-1 of what stands at a path, None where nothing does; without an ETag the content is read back."""
        reply = self.server.head(path)
        if absent(reply):
            return None
        if reply.status != 200:
            raise self._refused(reply, path)
        if reported := etag(reply):
            return reported
        with scratch() as folder:
            reply, received = self.server.download(path, folder / "found", kinds=("sha1",))
        if reply.status == 200 and reply.looks_like_a_page:
            raise no_nexus(self._shown(path))
        return received.checksums["sha1"] if reply.status == 200 else None

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        """Write the file to `to` and compare it with the checksum that the server reports."""
        path = self._path(component, version, name)
        reply, received = self.server.download(path, to, kinds=("sha1",))
        if absent(reply):
            raise NotFound(
                f"there is no file {name} at {self._shown(path)}", hint="check component, version and file name"
            )
        if reply.status != 200:
            raise self._refused(reply, path)
        reported = etag(reply)
        if reported is None and reply.looks_like_a_page:
            to.unlink()
            raise no_nexus(self._shown(path))
        if reported is not None and reported != received.checksums["sha1"]:
            to.unlink()
            raise IntegrityError(
                f"{self._shown(path)} has SHA-1 {received.checksums['sha1']}, the server reports {reported}",
                hint="fetch again; if that does not help, the file is damaged in the repository",
            )

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        """From the version's manifest, which never lags, and the listing, each name of that seen on its own path."""
        folder = self._folder(component, version)
        sure, likely = self._in_manifest(component, version)
        maybe = (maven2.files_of(component, version, self._listed(folder)) | likely) - sure
        standing = sure | {name for name in maybe if self._stored(folder + quote(name)) is not None}
        self.recent.update(folder + quote(name) for name in standing)
        return tuple(sorted(standing))

    def _in_manifest(self, component: Component, version: str) -> tuple[set[str], set[str]]:
        """The manifest and the files that it lists; and what may stand beside them, a signature with it."""
        name = manifest_name(component.name, version)
        reply = self.server.ask("GET", self._folder(component, version) + quote(name))
        if absent(reply):
            return set(), set()
        if reply.status != 200:
            raise self._refused(reply, self._folder(component, version))
        try:
            manifest = Manifest.read(reply.body)
        except ValueError:
            return {name}, {f"{name}.asc"}
        listed, beside = ({file.name for file in files} for files in (manifest.artifacts, manifest.attachments))
        return {name} | maven2.files_of(component, version, listed), beside | {f"{name}.asc"}

    def _listed(self, folder: str) -> set[str]:
        """All files in a folder as the HTML listing has them, and as this process knows better."""
        reply = self.server.ask("GET", f"/service/rest/repository/browse/{folder.removeprefix('/repository/')}")
        if reply.status != 200 and not absent(reply):
            raise self._refused(reply, folder)
        import html

        links = re.findall(r'<a href="([^"]+)"', reply.body.decode("utf-8", "replace")) if reply.status == 200 else []
        shown = {unquote(html.unescape(link).rpartition("/")[2]) for link in links} - {""}
        known = {unquote(path.removeprefix(folder)) for path in tuple(self.recent) if path.startswith(folder)}
        return shown | known

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """Write maven-metadata.xml and its checksums, where the format has it."""
        if self.format != "maven2":
            for version in versions:
                maven2.check_name(version, "version")
            return
        for place, content_of, mark in maven2.announcements(component, tuple(versions), self.names, datetime.now(UTC)):
            path = f"/repository/{self.snapshots if mark else self.repository}/{quote(str(place))}"
            if mark and mark.encode() in self.server.ask("GET", path).body:
                continue
            content = content_of()
            self._put_text(path, content)
            for kind, checksum in maven2.checksums(content).items():
                self._put_text(f"{path}.{kind}", checksum.encode())

    def remove(self, component: Component, version: str) -> None:
        """Delete a version's files, its manifest first, so that nobody takes half a version for a whole one."""
        folder = self._folder(component, version)
        names = maven2.leaving(component, version, self._listed(folder)).union(*self._in_manifest(component, version))
        first = manifest_name(component.name, version)
        for name in sorted(names, key=lambda name: (name != first, name)):
            path = folder + quote(name)
            reply = self.server.ask("DELETE", path)
            if reply.status not in (200, 204) and not absent(reply):
                raise self._refused(reply, path)
            self.recent.discard(path)

    def address(self, component: Component, version: str, name: str) -> str:
        return f"{self.server.url}{self._path(component, version, name)}"

    def _put_text(self, path: str, content: bytes) -> None:
        """Store a small file that later ones may replace, such as a checksum."""
        reply = self.server.ask("PUT", path, body=content)
        if reply.status == 400 and "cannot be updated" in reply.reason:
            if self.server.ask("GET", path).body.strip() != content.strip():
                raise Conflict(f"{self._shown(path)} is there with other content, and may not be replaced")
        elif reply.status not in (200, 201, 204):
            raise self._refused(reply, path)

    def _folder(self, component: Component, version: str) -> str:
        return f"{self._root(version)}/{quote(str(maven2.version_folder(component, version)))}/"

    def _path(self, component: Component, version: str, name: str) -> str:
        return f"{self._root(version)}/{quote(str(maven2.place(component, version, name)))}"

    def _root(self, version: str) -> str:
        return f"/repository/{self.snapshots if snapshots.base(version) else self.repository}"

    def _shown(self, path: str) -> str:
        return f"{self.server.url}{unquote(path)}"

    def _refused(self, reply: Answer, path: str) -> SluicegateError:
        return refused(reply, self._shown(path), path.split("/")[2])


def _repository(settings: Settings, key: str, default: str | None = None) -> str:
    name = settings.text(key, default)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", name):
        raise settings.fail(f"'{key}' is '{name}', expected the name of a repository in the Nexus")
    return name
