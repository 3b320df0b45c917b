"""A bucket of an S3 server, asked by boto3: its signing, its ways to find keys, its tries.

Longer than a module should be: a bucket's calls share how they are tried again and how their errors are told.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sluicegate.errors import (
    Denied,
    IntegrityError,
    MissingProgram,
    RemoteUnavailable,
    SluicegateError,
    UsageError,
)
from sluicegate.tools import door, extras, meter
from sluicegate.tools.credentials import private
from sluicegate.tools.files import write
from sluicegate.tools.outgoing import Outgoing, Sent, Summing, changed, checksums, opened

KINDS = ("md5", "sha256")
WHOLE = 256 << 20
"""Bytes up to which a file goes in one request, which a server that knows If-None-Match decides in one step."""
PART = 16 << 20
PAGE = 1000
BLOCK = 1 << 20
TRIES = 5
TIMEOUT = 60
CHANGED = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody")
SLOW = ("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable")
EXPIRED = ("ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "RequestTimeTooSkewed")
BEATEN = (409, 412)
BUSY = (408, 425, 429, 500, 502, 503, 504)
BUNDLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
ONCE = {"IfNoneMatch": "*"}
WANTED = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or 'credentials' in sluicegate.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the server says of an object: size in bytes, MD5 where its ETag is one, and the metadata given with it."""

    size: int
    md5: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket, for any number of threads. Without an `endpoint` it is one of AWS.

    The keys come from the profile of a private `file`, else from where boto3 finds them: the environment, profiles,
    roles, the machine.
    """

    name: str
    endpoint: str = ""
    region: str = ""
    profile: str = ""
    file: str = ""

    @property
    def place(self) -> str:
        return f"{self.endpoint or 'S3'}, bucket {self.name}"

    @cached_property
    def _client(self) -> Any:
        """boto3's client. Raises MissingProgram without boto3, UsageError for keys that cannot be had."""
        try:
            import boto3
            import botocore.session
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ConfigParseError, ProfileNotFound
        except ModuleNotFoundError as problem:
            words = f"repositories in S3 need the package {problem.name}"
            raise MissingProgram(words, hint=extras.install("s3")) from problem
        # Patience and addresses as our servers need them; checksums only where the protocol wants one.
        config = Config(
            retries={"total_max_attempts": TRIES, "mode": "standard"}, max_pool_connections=16,
            connect_timeout=TIMEOUT, read_timeout=TIMEOUT, s3={"addressing_style": "path" if self.endpoint else "auto"},
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
        )  # fmt: skip
        try:
            core = botocore.session.Session(profile=self.profile or None)
            if self.file:
                private(Path(self.file))
                core.set_config_variable("credentials_file", self.file)
            if core.get_credentials() is None:
                raise UsageError("there are no credentials for the S3 server", hint=WANTED)
            region = self.region or core.get_config_variable("region") or "us-east-1"
            session = boto3.session.Session(botocore_session=core)
            client = session.client(
                "s3", endpoint_url=self.endpoint or None, region_name=region, config=config, verify=_authorities()
            )
        except (ProfileNotFound, ConfigParseError):
            where = f"{self.file} has no profile" if self.file else "there is no profile"
            raise UsageError(f"{where} [{self.profile or 'default'}] with keys", hint=WANTED) from None
        except BotoCoreError as problem:
            raise UsageError(f"the credentials of the S3 server cannot be read: {problem}", hint=WANTED) from None
        if self.endpoint:
            client.meta.events.register_last("before-parameter-build.s3", _stay)
        return client

    def object(self, key: str) -> Head | None:
        """What is known of an object, None when there is none."""
        answer = self._asked("head_object", key, absent=True)
        return None if answer is None else _head(answer)

    def put(self, key: str, source: Path, read: Sent, metadata: Mapping[str, str]) -> None:
        """Store a file of these checksums (md5, sha256), where none stands; in parts when it is large.

        Silent when another was there first: look at it.
        """
        facts = {"ContentType": "application/octet-stream", "Metadata": dict(metadata)}
        self._store(key, source, read, facts, ONCE)

    def replace_file(self, key: str, source: Path) -> None:
        """Store a file of any size, whatever stands there."""
        self._store(key, source, checksums(source, KINDS), {}, {})

    def replace(self, key: str, content: bytes) -> None:
        """Store a small object, whatever stands there."""
        self._asked("put_object", key, Body=content, ContentMD5=_md5(content))

    def _store(
        self, key: str, source: Path, read: Sent, facts: Mapping[str, Any], condition: Mapping[str, str]
    ) -> None:
        if read.size > WHOLE:
            self._in_parts(key, source, read, facts, condition)
            return
        md5 = base64.b64encode(bytes.fromhex(read.checksums["md5"])).decode()
        # Over http the body is read once more, to be signed.
        with Outgoing.opened(source, ("sha256",), metered=not self.endpoint.startswith("http:")) as body:
            stored = self._asked("put_object", key, Body=body, ContentMD5=md5, condition=condition, **facts)
            if body.sent().whole and body.sent().checksums["sha256"] != read.checksums["sha256"]:
                if stored is not None:  # else another was there first, and stays
                    self.delete(key)
                raise changed(source)

    def _in_parts(
        self, key: str, source: Path, read: Sent, facts: Mapping[str, Any], condition: Mapping[str, str]
    ) -> None:
        """Send in parts, and leave nothing of a transfer that breaks off, or of a file that has changed meanwhile."""
        upload = self._asked("create_multipart_upload", key, **facts)["UploadId"]
        ended = False
        try:
            parts = {"Parts": self._send_parts(key, source, read, upload)}
            self._asked("complete_multipart_upload", key, UploadId=upload, MultipartUpload=parts, condition=condition)
            ended = True
        finally:
            if not ended:
                self._asked("abort_multipart_upload", key, UploadId=upload, absent=True)

    def _send_parts(self, key: str, source: Path, read: Sent, upload: str) -> list[dict[str, Any]]:
        """Send the parts; what the server is told about them at the end."""
        parts: list[dict[str, Any]] = []
        passed = Summing(("sha256",))
        with opened(source) as stream:
            while block := stream.read(PART):
                passed.add(block)
                about: dict[str, Any] = {"UploadId": upload, "PartNumber": len(parts) + 1, "ContentMD5": _md5(block)}
                answer = self._asked("upload_part", key, Body=block, **about)
                parts.append({"PartNumber": about["PartNumber"], "ETag": answer.get("ETag", "")})
                meter.moved(len(block))
        if passed.sent().checksums["sha256"] != read.checksums["sha256"]:
            raise changed(source)
        return parts

    def content(self, key: str) -> bytes:
        """A small object, b'' where there is none."""
        answer = self._asked("get_object", key, absent=True)
        with self._told():
            return b"" if answer is None else bytes(answer["Body"].read())

    def fetch(self, key: str, to: Path) -> tuple[Head, Sent] | None:
        """Write an object to the new file `to`. What the server says of it, and its SHA-256; None without an object.

        What breaks off goes on where it was; nothing is left of it when it does not come to its end.
        """
        answer = self._asked("get_object", key, absent=True)
        if answer is None:
            return None
        try:
            head, received = _head(answer), Summing(("sha256",))
            with to.open("xb", buffering=0) as stream:
                for number in range(TRIES):
                    if self._take(answer, received, lambda block: write(stream, block, to), last=number == TRIES - 1):
                        break
                    rest: dict[str, Any] = {"Range": f"bytes={received.size}-", "IfMatch": answer["ETag"]}
                    answer = self._asked("get_object", key, **rest)
        except BaseException:
            to.unlink(missing_ok=True)
            raise
        return head, received.sent()

    def _take(self, answer: Any, received: Summing, keep: Callable[[bytes], None], *, last: bool) -> bool:
        """Keep what an answer brings; False when it broke off, which is raised at the last try."""
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        try:
            with self._told():
                for block in answer["Body"].iter_chunks(BLOCK):
                    keep(block)
                    received.add(block)
                    meter.moved(len(block))
        except RemoteUnavailable as problem:
            if last or not isinstance(problem.__cause__, HTTPClientError | IncompleteReadError):
                raise
            meter.waits(f"{problem.message}; going on")
            return False
        return True

    def listed(self, prefix: str) -> Iterator[tuple[str, tuple[int, str]]]:
        """The keys that begin with `prefix`, each with its size and its ETag, which is an MD5 where it went at once."""
        token: dict[str, Any] = {}
        while True:
            page = self._asked("list_objects_v2", Prefix=prefix, MaxKeys=PAGE, **token)
            if page.get("Name") != self.name:
                raise IntegrityError(f"the answer to the list of {self.name}/{prefix} is none of an S3 server")
            for entry in page.get("Contents", ()):
                yield entry["Key"], (entry["Size"], entry.get("ETag", "").strip('"'))
            if not page.get("NextContinuationToken"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        self._asked("delete_object", key, absent=True)

    def _asked(
        self, method: str, key: str = "", *, absent: bool = False, condition: Mapping[str, str] | None = None,
        **words: Any,
    ) -> Any:  # fmt: skip
        """One call of the client that must go well; None for what is `absent`, or where the condition does not hold.

        A server that does not know the condition is asked without it.
        """
        client = self._client
        from botocore.exceptions import ClientError

        door.passing(f"{method} {self.name}/{key}")
        where = {"Bucket": self.name, **({"Key": key} if key else {})}
        with self._told():
            try:
                return getattr(client, method)(**where, **words, **(condition or {}))
            except ClientError as problem:
                status, code = _status(problem)
                if (absent and status == 404 and code != "NoSuchBucket") or (condition and status in BEATEN):
                    return None
                if not (condition and status == 501):
                    raise
            return getattr(client, method)(**where, **words)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Failures of boto3 in our words."""
        from botocore import exceptions
        from botocore.parsers import ResponseParserError

        try:
            yield
        except exceptions.ClientError as problem:
            raise self._refused(problem) from problem
        except ResponseParserError as problem:
            raise IntegrityError(
                f"{self.place}: the answer is none of an S3 server", hint="look at 'endpoint'"
            ) from problem
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as problem:
            raise UsageError(f"there are no credentials for the S3 server: {problem}", hint=WANTED) from problem
        except exceptions.SSLError as problem:
            hint = "for a private authority set AWS_CA_BUNDLE to its certificate"
            raise RemoteUnavailable(f"{self.place}: {problem}", hint=hint) from problem
        except exceptions.BotoCoreError as problem:
            raise RemoteUnavailable(f"{self.place}: {problem}", hint="try again later") from problem

    def _refused(self, problem: Any) -> SluicegateError:
        status, code = _status(problem)
        message = f"{self.place}: {code}: {problem.response.get('Error', {}).get('Message', '')}".rstrip(": ")
        if code == "NoSuchBucket":
            return UsageError(message, hint="make the bucket, or correct 'bucket' in sluicegate.yaml")
        if code in CHANGED:
            return IntegrityError(message, hint="the file changed on the way, or the server is no S3 server")
        if status in BUSY or code in SLOW:
            return RemoteUnavailable(f"{message} (tried {TRIES} times)", hint="try again later")
        if status in (401, 403) or code in EXPIRED:
            return Denied(message, hint="check the credentials and what they may do; the clock, too, must be right")
        return SluicegateError(message, hint="look at the server's log")


def _stay(context: dict[str, Any], **_: Any) -> None:
    """Only AWS has other regions to send us to; any other server that redirects would be asked for ever."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _status(problem: Any) -> tuple[int, str]:
    answer = problem.response
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)), str(
        answer.get("Error", {}).get("Code", "")
    )


def _head(answer: Mapping[str, Any]) -> Head:
    """What an answer says of its object. Raises IntegrityError for one that no S3 server gives."""
    etag = str(answer.get("ETag", "")).strip('"')
    if not etag or "ContentLength" not in answer:
        raise IntegrityError("the answer has no ETag, so it is none of an S3 server", hint="look at 'endpoint'")
    simple = len(etag) == 32 and not str(answer.get("ServerSideEncryption", "")).startswith("aws:kms")
    return Head(size=int(answer["ContentLength"]), md5=etag if simple else "", metadata=answer.get("Metadata", {}))


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _authorities() -> str | None:
    """The file of authorities that the environment names, else the system's; None leaves it to boto3."""
    named = next((place for name in BUNDLES if (place := os.environ.get(name))), None)
    return named or ssl.get_default_verify_paths().cafile
