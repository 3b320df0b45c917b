"""Repository driver `s3`: Maven layout in a bucket of AWS, Ceph's RADOS gateway, MinIO or another S3 server."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import quote

from sluicegate.errors import Conflict, IntegrityError, Malformed, NotFound, UnknownName
from sluicegate.model.config import Component, Config
from sluicegate.model.manifest import Artifact
from sluicegate.model.settings import Settings
from sluicegate.repositories import maven2
from sluicegate.tools import s3
from sluicegate.tools.outgoing import Sent, checksums
from sluicegate.tools.scratch import scratch

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class S3Repository:
    """Objects below `prefix` of a bucket. Their key ends in component, version and name; `sha256` is metadata."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    profile: str = ""
    file: str = ""

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> Self:
        """Read `bucket`, `prefix`, `endpoint`, `region`, `format` and `credentials`."""
        settings.only("bucket", "prefix", "endpoint", "region", "format", "credentials")
        settings.choice("format", ("maven2",), "maven2")
        bucket = settings.text("bucket")
        if not BUCKET.fullmatch(bucket):
            raise settings.fail(
                f"'bucket' is '{bucket}', expected 3 to 63 small letters, digits, '.' and '-'", "bucket"
            )
        endpoint = settings.text("endpoint", "").rstrip("/")
        if endpoint and not re.fullmatch(r"https?://[^/?#@\s]+", endpoint):
            raise settings.fail(
                f"'endpoint' is '{endpoint}', expected a form such as https://s3.example.com", "endpoint"
            )
        prefix = settings.text("prefix", "").strip("/")
        for part in prefix.split("/") if prefix else ():
            try:
                maven2.check_name(part, "prefix")
            except Malformed as problem:
                raise settings.fail(problem.message) from problem
        file, profile = _credentials(settings)
        return cls(
            bucket=bucket, prefix=f"{prefix}/" if prefix else "", endpoint=endpoint,
            region=settings.text("region", ""), profile=profile, file=file,
        )  # fmt: skip

    @cached_property
    def _bucket(self) -> s3.Bucket:
        return s3.Bucket(
            name=self.bucket, endpoint=self.endpoint, region=self.region, profile=self.profile, file=self.file
        )

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once; what the server keeps is compared with what was read."""
        key = self._key(component, version, name)
        if not source.is_file():
            raise UnknownName(f"there is no file {source} to store", hint="build it first, or correct the path")
        read = checksums(source, s3.KINDS)
        standing = self._bucket.object(key)
        if standing is None:
            self._bucket.put(key, source, read, {"sha256": read.checksums["sha256"]})
            standing = self._bucket.object(key)
        if standing is None:
            raise IntegrityError(f"{self._shown(key)} was stored, and is not there", hint="try again")
        self._compare(key, standing, read)
        return Artifact(name=name, size=read.size, sha256=read.checksums["sha256"])

    def _compare(self, key: str, standing: s3.Head, read: Sent) -> None:
        md5, sha256 = read.checksums["md5"], read.checksums["sha256"]
        standing_sha256 = standing.metadata.get("sha256", "")
        if not re.fullmatch(r"[0-9a-f]{64}", standing_sha256):  # put there by another tool
            standing_sha256 = self._stored_sha256(key)
        if standing_sha256 != sha256:
            raise Conflict(
                f"{self._shown(key)} is already published with other content: it has SHA-256 {standing_sha256},"
                f" the new file has {sha256}",
                hint="a version is immutable; publish the change under a new version",
            )
        if standing.size != read.size or (standing.md5 and standing.md5 != md5):
            raise IntegrityError(
                f"{self._shown(key)} holds {standing.size} bytes with MD5 {standing.md5 or 'unknown'},"
                f" expected {read.size} with {md5}",
                hint="the object or its metadata was changed in the bucket; publish a new version",
            )

    def _stored_sha256(self, key: str) -> str:
        with scratch() as folder:
            fetched = self._bucket.fetch(key, folder / "found")
        return fetched[1].checksums["sha256"] if fetched else ""

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        """Write the file to `to` and compare it with the SHA-256 of its metadata."""
        key = self._key(component, version, name)
        fetched = self._bucket.fetch(key, to)
        if fetched is None:
            raise NotFound(
                f"there is no file {name} at {self._shown(key)}", hint="check component, version and file name"
            )
        head, received = fetched
        sha256 = received.checksums["sha256"]
        expected = head.metadata.get("sha256", sha256)
        if sha256 != expected:
            to.unlink()
            raise IntegrityError(
                f"{self._shown(key)} has SHA-256 {sha256}, expected {expected} from its metadata",
                hint="the object was changed in the bucket; publish a new version",
            )

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        below = self._below(f"{self.prefix}{maven2.version_folder(component, version)}/")
        return tuple(sorted(maven2.files_of(component, version, (n for n in below if n and "/" not in n))))

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """Write maven-metadata.xml; that of a SNAPSHOT where it is out of date."""
        for path, content_of, mark in maven2.announcements(component, tuple(versions), self.names, datetime.now(UTC)):
            key = f"{self.prefix}{path}"
            if not mark or mark.encode() not in self._bucket.content(key):
                self._bucket.replace(key, content_of())

    def remove(self, component: Component, version: str) -> None:
        """Delete every object of the version."""
        folder = f"{self.prefix}{maven2.version_folder(component, version)}/"
        for name in sorted(maven2.leaving(component, version, self._below(folder))):
            self._bucket.delete(folder + name)

    def _below(self, folder: str) -> set[str]:
        return {key.removeprefix(folder) for key, _ in self._bucket.listed(folder)}

    def address(self, component: Component, version: str, name: str) -> str:
        key = self._key(component, version, name)
        if not self.endpoint:
            return f"s3://{self.bucket}/{key}"
        return f"{self.endpoint}/{self.bucket}/{quote(key)}"

    def _key(self, component: Component, version: str, name: str) -> str:
        return f"{self.prefix}{maven2.place(component, version, name)}"

    def _shown(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def _credentials(settings: Settings) -> tuple[str, str]:
    """`env` (also the default: AWS' own order), or `{file: PATH, profile: NAME}`; file and profile, '' for none."""
    value = settings.values.get("credentials", "env")
    if isinstance(value, str):
        settings.choice("credentials", ("env",), "env")
        return "", ""
    below = settings.below("credentials")
    below.only("file", "profile")
    file, profile = below.text("file", ""), below.text("profile", "default" if "file" in below.values else "")
    if not file:
        return "", profile
    path = Path(file).expanduser()
    if not path.is_absolute():
        raise below.fail(f"'file' of the credentials is '{file}', expected an absolute path or ~/...", "file")
    return str(path), profile
