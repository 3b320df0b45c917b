"""Formats of a Nexus with a layout of their own (apt, yum, pypi, npm, helm, ...): uploaded by the server's own words.

The server says at /service/rest/v1/formats/upload-specs which fields an upload has, and decides itself where a package
stands. So each version's other files (manifest, SBOM, signature) live in a raw repository `beside`, together with one
small file per package that says where it stands and what its checksums are.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote, urlencode

from sluicegate.errors import IntegrityError, NotFound, RemoteUnavailable, SluicegateError, UnknownName, UsageError
from sluicegate.model.config import Component
from sluicegate.model.manifest import Artifact
from sluicegate.model.numbers import required
from sluicegate.model.values import Json
from sluicegate.ports import Repository
from sluicegate.repositories import maven2
from sluicegate.repositories.nexus_answers import KINDS, absent, conflict, etag
from sluicegate.tools.http import Answer
from sluicegate.tools.outgoing import Sent, checksums
from sluicegate.tools.scratch import scratch
from sluicegate.tools.server import Server

PACKAGES = {
    "apt": ("*.deb",),
    "yum": ("*.rpm",),
    "pypi": ("*.whl", "*.tar.gz"),
    "npm": ("*.tgz",),
    "helm": ("*.tgz",),
    "nuget": ("*.nupkg",),
    "rubygems": ("*.gem",),
}
"""Which files are packages; the setting `packages` says it for any other format."""
ENDING = ".package.json"
SLOWEST_SEARCH = 30.0
"""Seconds until a new asset shows in the search: two on an idle server (measured)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a package stands in the repository, and its checksums."""

    path: str
    size: int
    sha1: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class NexusPackages:
    """A hosted repository of packages, and a raw one beside it."""

    server: Server
    repository: str
    format: str
    beside: Repository
    packages: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """A package goes by the upload that the server describes, any other file beside."""
        if not self._is_package(name):
            return self.beside.put(component, version, name, source)
        maven2.check_file_name(name)
        if not source.is_file():
            raise UnknownName(f"there is no file {source} to store", hint="build it first, or correct the path")
        place = self._place(component, version, name)
        if place is None:
            upload = self._form(component, version, source)
            place = self._upload(source, *upload)
            with scratch() as folder:
                note = folder / "place"
                note.write_text(json.dumps({key: getattr(place, key) for key in Place.__slots__}, sort_keys=True))
                self.beside.put(component, version, name + ENDING, note)
        else:
            mine = checksums(source, ("sha256",)).checksums["sha256"]
            if mine != place.sha256:
                raise conflict(f"{self.server.url}{place.path}", place.sha256, mine, kind="SHA-256")
        return Artifact(name=name, size=place.size, sha256=place.sha256)

    def _upload(self, source: Path, form: Mapping[str, str], asset: str) -> Place:
        boundary = secrets.token_hex(16)
        before = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in form.items()
        )
        safe = source.name.replace('"', "%22")
        before += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{asset}"; filename="{safe}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        reply, sent = self.server.send(
            "POST", f"/service/rest/v1/components?repository={self.repository}", source, kinds=KINDS,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            before=before.encode(), after=f"\r\n--{boundary}--\r\n".encode(),
        )  # fmt: skip
        if reply.status in (200, 201, 204) and not reply.looks_like_a_page:
            return self._found(sent)
        # The server decides the name: what is taken is compared with what we have.
        taken = re.search(
            rf"{re.escape(self.repository)}/+([^']+?) cannot be updated", reply.body.decode(errors="replace")
        )
        if reply.status == 400 and taken:
            return self._standing(f"/repository/{self.repository}/{quote(taken[1])}", source)
        raise self._refused(reply)

    def _standing(self, path: str, source: Path) -> Place:
        """Refuse to overwrite a package with other content."""
        mine = checksums(source, KINDS)
        standing = etag(self.server.head(path))
        if standing != mine.checksums["sha1"]:
            raise conflict(f"{self.server.url}{path}", standing or "unknown", mine.checksums["sha1"])
        return Place(path=path, size=mine.size, **mine.checksums)

    def _found(self, sent: Sent) -> Place:
        """Where the server has put it: the asset with this checksum, once the search shows it."""
        path, _ = self._asset(sent.checksums["sha256"])
        if etag(self.server.head(path)) not in (None, sent.checksums["sha1"]):
            raise IntegrityError(f"{self.server.url}{path} holds something else than what was sent")
        return Place(path=path, size=sent.size, **sent.checksums)

    def _asset(self, sha256: str, path: str = "") -> tuple[str, str]:
        """Path and id of the asset with this checksum; where `path` is given, the one that stands there."""
        query = urlencode({"repository": self.repository, "sha256": sha256})
        deadline = time.monotonic() + SLOWEST_SEARCH
        while time.monotonic() < deadline:
            for item in _json(self.server.ask("GET", f"/service/rest/v1/search/assets?{query}")).get("items", []):
                place = f"/repository/{self.repository}/{quote(str(item['path']).lstrip('/'))}"
                if path in ("", place):
                    return place, str(item["id"])
            time.sleep(0.25)
        raise RemoteUnavailable(
            f"the search of the Nexus does not show the package in '{self.repository}' with SHA-256 {sha256}",
            hint="run the same again; if it stays away, the repository changes packages, or rebuild its search index",
        )

    def _form(self, component: Component, version: str, source: Path) -> tuple[dict[str, str], str]:
        """The fields that the server asks for, filled in, and the name of the field for the file."""
        specs = {
            spec["format"]: spec for spec in _json(self.server.ask("GET", "/service/rest/v1/formats/upload-specs"))
        }
        if self.format not in specs:
            raise UsageError(
                f"{self.server.url} takes no uploads of the format '{self.format}'",
                hint=f"it takes: {', '.join(sorted(specs))}",
            )
        spec = specs[self.format]
        number = "1" if spec.get("multipleUpload") else ""
        words = {"component": component.name, "group": component.group, "version": version, "file": source.name}
        form, asset = {}, ""
        # The server's names: `deb.asset`, `yum.asset1.filename`; the number where it takes several files.
        for where, ending in (("componentFields", ""), ("assetFields", number)):
            for wanted in spec.get(where, []):
                dots = "." if ending and wanted["type"] != "FILE" else ""
                name = (
                    f"{self.format}.asset{ending}.{wanted['name']}"
                    if dots
                    else f"{self.format}.{wanted['name']}{ending}"
                )
                if wanted["type"] == "FILE":
                    asset = name
                elif wanted["name"] in self.fields:
                    form[name] = self.fields[wanted["name"]].format_map(words)
                elif not wanted.get("optional"):
                    raise UsageError(
                        f"the Nexus asks for the field '{wanted['name']}' with a {self.format} package",
                        hint=f"add to the repository: fields: {{{wanted['name']}: '{{component}}'}}",
                    )
        return form, asset

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        place = self._place(component, version, name) if self._is_package(name) else None
        if place is None:
            self.beside.fetch(component, version, name, to)
            return
        reply, received = self.server.download(place.path, to, kinds=("sha256",))
        if absent(reply):
            raise NotFound(f"there is no file {name} at {self.server.url}{place.path}: it was deleted there")
        if reply.status != 200:
            raise self._refused(reply)
        if received.checksums["sha256"] != place.sha256:
            to.unlink()
            sha256 = received.checksums["sha256"]
            raise IntegrityError(
                f"{self.server.url}{place.path} has SHA-256 {sha256}, published was {place.sha256}",
                hint="the package was replaced in the repository; publish a new version",
            )

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        return tuple(sorted({name.removesuffix(ENDING) for name in self.beside.names(component, version)}))

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """The server keeps the format's own index."""
        self.beside.announce(component, versions)

    def address(self, component: Component, version: str, name: str) -> str:
        if not self._is_package(name):
            return self.beside.address(component, version, name)
        query = urlencode({"repository": self.repository, "name": component.name, "version": version})
        return f"{self.server.url}/service/rest/v1/search/assets?{query}"

    def remove(self, component: Component, version: str) -> None:
        for name in self.names(component, version):
            place = self._place(component, version, name) if self._is_package(name) else None
            if place is not None and self.server.head(place.path).status == 200:
                _, asset = self._asset(place.sha256, place.path)
                reply = self.server.ask("DELETE", f"/service/rest/v1/assets/{quote(asset, safe='')}")
                if reply.status not in (200, 204, 404):
                    raise self._refused(reply)
        self.beside.remove(component, version)

    def _is_package(self, name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in self.packages)

    def _place(self, component: Component, version: str, name: str) -> Place | None:
        """What the small file beside says, None where there is none."""
        with scratch() as folder:
            try:
                self.beside.fetch(component, version, name + ENDING, folder / "place")
            except NotFound:
                if name + ENDING in self.beside.names(component, version):
                    raise
                return None
            try:
                value = json.loads((folder / "place").read_bytes())
                texts = {key: str(value[key]) for key in ("path", "sha1", "sha256")}
                return Place(size=required(value["size"]), **texts)
            except (ValueError, KeyError, TypeError) as problem:
                raise IntegrityError(f"{name}{ENDING} does not say where the package stands") from problem

    def _refused(self, reply: Answer) -> SluicegateError:
        """The server's own words: a 400 carries JSON or the text of a Java object."""
        messages = re.findall(r"message\"?\s*[=:]\s*['\"](.+?)['\"]\s*[,}]", reply.body.decode("utf-8", "replace"))
        return SluicegateError(
            f"the Nexus does not take it into '{self.repository}': {'; '.join(messages) or reply.explanation}",
            hint=f"is '{self.repository}' a hosted repository of the format {self.format}?",
        )


def _json(reply: Answer) -> Json:
    if reply.status != 200:
        raise RemoteUnavailable(f"the Nexus answered {reply.explanation}, expected JSON", hint="try again later")
    try:
        return json.loads(reply.body)
    except ValueError as problem:
        raise IntegrityError(
            "the Nexus answered with something that is no JSON", hint="a login page or a proxy stands before it"
        ) from problem
