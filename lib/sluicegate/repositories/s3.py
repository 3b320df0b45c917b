"""Repository driver `s3`: Maven layout in a bucket of AWS, Ceph's RADOS gateway, MinIO or another S3 server."""

from __future__ import annotations

import base64
import configparser
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sluicegate.errors import Conflict, Denied, IntegrityError, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.config import Component, Config
from sluicegate.model.settings import Settings
from sluicegate.model.values import Artifact
from sluicegate.repositories import maven2
from sluicegate.tools import files, meter, s3
from sluicegate.tools.reading import marks_of

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
WHOLE = 256 << 20
"""Bytes up to which a file goes in one request, which a server that knows If-None-Match decides in one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A local file as it was read: size, checksums, and the marks that tell whether it changed since."""

    path: Path
    size: int
    md5: str
    sha256: str
    marks: tuple[int, ...]


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
            raise settings.fail(f"'bucket' is '{bucket}', expected 3 to 63 small letters, digits, '.' and '-'")
        endpoint = settings.text("endpoint", "").rstrip("/")
        if endpoint and not re.fullmatch(r"https?://[^/?#@\s]+", endpoint):
            raise settings.fail(f"'endpoint' is '{endpoint}', expected a form such as https://s3.example.com")
        prefix = settings.text("prefix", "").strip("/")
        for part in prefix.split("/") if prefix else ():
            try:
                maven2.check_name(part, "prefix")
            except UsageError as problem:
                raise settings.fail(problem.message) from problem
        file, profile = _credentials(settings)
        return cls(
            bucket=bucket, prefix=f"{prefix}/" if prefix else "", endpoint=endpoint,
            region=settings.text("region", ""), profile=profile, file=file,
        )  # fmt: skip

    @cached_property
    def _client(self) -> Any:
        login = read_profile(Path(self.file), self.profile) if self.file else None
        profile = "" if self.file else self.profile
        return s3.client(endpoint=self.endpoint, region=self.region, login=login, profile=profile)

    def put(self, component: Component, version: str, name: str, source: Path) -> Artifact:
        """Store a file once; what the server keeps is compared with what was read."""
        key = self._key(component, version, name)
        read = _read(source)
        with self._asked(name, key):
            standing = self._head(key)
            if standing is None:
                self._send(key, read)
                meter.moved(read.size)
                standing = self._head(key)
        if standing is None:
            raise IntegrityError(f"{self._shown(key)} was stored, and is not there", hint="try again")
        self._compare(key, standing, read)
        return Artifact(name=name, size=read.size, sha256=read.sha256)

    def _send(self, key: str, read: Source) -> None:
        """Upload, only where nothing stands; being beaten is no error here: the caller compares."""
        options = {"Metadata": {"sha256": read.sha256}, "ContentType": "application/octet-stream"}
        with read.path.open("rb") as stream:
            if read.size <= WHOLE:
                md5 = base64.b64encode(bytes.fromhex(read.md5)).decode()  # the server refuses what differs on the way
                s3.put_once(self._client, self.bucket, key, stream, {**options, "ContentMD5": md5})
            else:
                s3.put_in_parts(self._client, self.bucket, key, stream, options)
            if marks_of(os.fstat(stream.fileno())) != read.marks or not _same(read):
                raise IntegrityError(
                    f"{read.path} changed while it was read", hint="write it to its end first, then try again"
                )

    def _compare(self, key: str, standing: s3.Head, read: Source) -> None:
        found = standing.metadata.get("sha256", "")
        if not re.fullmatch(r"[0-9a-f]{64}", found):  # put there by another tool
            found = self._stored_sha256(key)
        if found != read.sha256:
            raise Conflict(
                f"{self._shown(key)} is already published with other content: it has SHA-256 {found},"
                f" the new file has {read.sha256}",
                hint="a version is immutable; publish the change under a new version",
            )
        if standing.size != read.size or (standing.md5 and standing.md5 != read.md5):
            raise IntegrityError(
                f"{self._shown(key)} holds {standing.size} bytes with MD5 {standing.md5 or 'unknown'},"
                f" expected {read.size} with {read.md5}",
                hint="the object or its metadata was changed in the bucket; publish a new version",
            )

    def _stored_sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        with self._asked(key, key):
            for block in s3.blocks(self._client, self.bucket, key)[1]:
                digest.update(block)
        return digest.hexdigest()

    def fetch(self, component: Component, version: str, name: str, to: Path) -> None:
        """Write the file to `to` and compare it with the SHA-256 of its metadata."""
        key = self._key(component, version, name)
        digest = hashlib.sha256()
        with self._asked(name, key):
            head, blocks = s3.blocks(self._client, self.bucket, key)
            try:
                with to.open("wb") as stream:
                    for block in blocks:
                        digest.update(block)
                        stream.write(block)
                        meter.moved(len(block))
            except BaseException:
                to.unlink(missing_ok=True)
                raise
        expected = head.metadata.get("sha256", digest.hexdigest())
        if digest.hexdigest() != expected:
            to.unlink()
            raise IntegrityError(
                f"{self._shown(key)} has SHA-256 {digest.hexdigest()}, expected {expected} from its metadata",
                hint="the object was changed in the bucket; publish a new version",
            )

    def names(self, component: Component, version: str) -> tuple[str, ...]:
        folder = f"{self.prefix}{maven2.version_folder(component, version)}/"
        with self._asked(version, folder):
            found = [key.removeprefix(folder) for key in s3.keys(self._client, self.bucket, folder)]
        return tuple(sorted(maven2.files_of(component, version, (n for n in found if n and "/" not in n))))

    def announce(self, component: Component, versions: Iterable[str]) -> None:
        """Write maven-metadata.xml; that of a SNAPSHOT where it is out of date."""
        for path, made, mark in maven2.announcements(component, tuple(versions), self.names, datetime.now(UTC)):
            key = f"{self.prefix}{path}"
            with self._asked(maven2.METADATA, key):
                if not mark or mark.encode() not in self._content(key):
                    s3.replace(self._client, self.bucket, key, made())

    def _content(self, key: str) -> bytes:
        """A small object, b'' where there is none."""
        return b"".join(s3.blocks(self._client, self.bucket, key)[1]) if self._head(key) else b""

    def remove(self, component: Component, version: str) -> None:
        """Delete every object of the version."""
        folder = f"{self.prefix}{maven2.version_folder(component, version)}/"
        with self._asked(version, folder):
            names = {key.removeprefix(folder) for key in s3.keys(self._client, self.bucket, folder)}
            for name in sorted(maven2.leaving(component, version, names)):
                s3.delete(self._client, self.bucket, folder + name)

    def address(self, component: Component, version: str, name: str) -> str:
        key = self._key(component, version, name)
        if not self.endpoint:
            return f"s3://{self.bucket}/{key}"
        return f"{self.endpoint}/{self.bucket}/{quote(key)}"

    def _head(self, key: str) -> s3.Head | None:
        return s3.head(self._client, self.bucket, key)

    def _key(self, component: Component, version: str, name: str) -> str:
        return f"{self.prefix}{maven2.place(component, version, name)}"

    def _shown(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def _asked(self, name: str, key: str) -> s3.Asked:
        return s3.Asked(self._explain, name, key)

    def _explain(self, failure: s3.Failure, name: str, key: str) -> SluicegateError:
        """The error for an answer of the server, or for none."""
        place = f"{self.endpoint or 'S3'}, bucket {self.bucket}"
        said = f"{place}: {failure.code}: {failure.text}"
        match failure.kind:
            case "missing" if failure.code == "NoSuchBucket":
                return UsageError(said, hint="make the bucket, or correct 'bucket' in sluicegate.yaml")
            case "missing":
                return UsageError(
                    f"there is no file {name} at {self._shown(key)}", hint="check component, version and file name"
                )
            case "refused":
                return Denied(said, hint="check the credentials and what they may do; the clock, too, must be right")
            case "credentials":
                return UsageError(
                    said, hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or 'credentials' in sluicegate.yaml"
                )
            case "unavailable":
                return RemoteUnavailable(said, hint="try again later")
            case "broken":
                return IntegrityError(said, hint="the file changed on the way, or the server is no S3 server")
        return SluicegateError(said)


def _credentials(settings: Settings) -> tuple[str, str]:
    """`env` (also the default: boto's own order), or `{file: PATH, profile: NAME}`; file and profile, '' for none."""
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
        raise below.fail(f"'file' of the credentials is '{file}', expected an absolute path or ~/...")
    return str(path), profile


def read_profile(path: Path, profile: str) -> s3.Login:
    """Key, secret and token of a profile in a file in AWS' form, which nobody else may read."""
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others", hint=f"chmod 600 {path}")
        text = path.read_text()
    except OSError as problem:
        raise UsageError(f"the credentials file {path} cannot be read: {os.strerror(problem.errno or 0)}") from problem
    parser = configparser.RawConfigParser(default_section="", interpolation=None)
    try:
        parser.read_string(text, source=path.name)
        section = parser[profile]
        return s3.Login(
            key=section["aws_access_key_id"],
            secret=section["aws_secret_access_key"],
            token=section.get("aws_session_token", ""),
        )
    except (configparser.Error, KeyError):  # its message would show a line of the file
        wanted = "aws_access_key_id and aws_secret_access_key"
    raise UsageError(f"{path} has no profile [{profile}] with {wanted}")


def _read(source: Path) -> Source:
    """Size and checksums of a file."""
    if not source.is_file():
        raise UsageError(f"there is no file {source} to store", hint="build it first, or correct the path")
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size = 0
    with source.open("rb") as stream:
        while block := stream.read(files.BLOCK):
            md5.update(block)
            sha256.update(block)
            size += len(block)
        marks = marks_of(os.fstat(stream.fileno()))
    return Source(path=source, size=size, md5=md5.hexdigest(), sha256=sha256.hexdigest(), marks=marks)


def _same(read: Source) -> bool:
    """Whether the name still stands for the file that was read."""
    try:
        return marks_of(read.path.stat()) == read.marks
    except FileNotFoundError:
        return False
