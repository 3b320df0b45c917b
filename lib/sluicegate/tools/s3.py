"""Talks to an S3 server: a bucket as a place on a web server, each request signed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote_plus

from sluicegate.errors import Denied, IntegrityError, Malformed, SluicegateError, UsageError
from sluicegate.model.numbers import whole
from sluicegate.tools import meter, sigv4
from sluicegate.tools.answers import BUSY, Busy, Reply, seconds
from sluicegate.tools.credentials import Login, Secret
from sluicegate.tools.reading import Sent, changed, checksums, opened
from sluicegate.tools.transfer import Server

KINDS = ("md5", "sha256")
WHOLE = 256 << 20
"""Bytes up to which a file goes in one request, which a server that knows If-None-Match decides in one step."""
PART = 16 << 20
PAGE = 1000
CHANGED = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody")
SLOW = ("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable")
EXPIRED = ("ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "RequestTimeTooSkewed")
BEATEN = (409, 412)
NEVER_SEEN = (404, *BEATEN, 501)
"""Answers that mean something else to each request: no such object, one is there, a condition that is not known."""
ONCE = {"If-None-Match": "*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the server says of an object: size in bytes, MD5 where its ETag is one, and the metadata given with it."""

    size: int
    md5: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class Bucket(Server):
    """A bucket, for any number of threads. Without an `endpoint` it is one of AWS."""

    def __init__(self, name: str, *, keys: Callable[[], sigv4.Keys], endpoint: str = "", region: str = "") -> None:
        self.name = name
        self.place = f"{endpoint or 'S3'}, bucket {name}"
        self._keys = keys
        self._region = region or "us-east-1"
        super().__init__(_address(name, endpoint, self._region), self._who)

    def _who(self) -> Login:
        return Login(self._keys().key, Secret(""))

    def _identified(self, method: str, target: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        return sigv4.signed(self._keys(), self._region, method, target, headers, datetime.now(UTC))

    def _check(self, reply: Reply, method: str, path: str) -> None:
        if reply.status < 300:
            return
        code, text = _said(reply)
        if reply.status in NEVER_SEEN and code != "NoSuchBucket":
            return
        said = f"{self.place}: {code}: {text}"
        if code == "NoSuchBucket":
            raise UsageError(said, hint="make the bucket, or correct 'bucket' in sluicegate.yaml")
        if code in CHANGED:
            raise IntegrityError(said, hint="the file changed on the way, or the server is no S3 server")
        if reply.status in BUSY or code in SLOW:
            raise Busy(said, after=seconds(reply.head.headers.get("retry-after")))
        if reply.status in (401, 403) or code in EXPIRED:
            raise Denied(said, hint="check the credentials and what they may do; the clock, too, must be right")
        if home := reply.head.headers.get("x-amz-bucket-region"):
            raise SluicegateError(f"{said}; the bucket is in the region {home}", hint=f"set region: {home}")
        super()._check(reply, method, path)
        raise SluicegateError(said)

    def object(self, key: str) -> Head | None:
        """What is known of an object, None when there is none."""
        reply = self.ask("HEAD", place(key))
        return None if reply.status == 404 else head(reply)

    def put(self, key: str, source: Path, read: Sent, metadata: Mapping[str, str]) -> None:
        """Store a file of these checksums (md5, sha256), where none stands; in parts when it is large.

        Silent when another was there first: look at it.
        """
        headers = {"Content-Type": "application/octet-stream", **metadata}
        if read.size > WHOLE:
            self._in_parts(key, source, read, headers, ONCE)
            return
        reply = self._sent(key, source, read, {**headers, **ONCE})
        if reply.status == 501:  # this server does not know the condition
            reply = self._sent(key, source, read, headers)
        self._well(reply, fine=BEATEN)

    def _sent(self, key: str, source: Path, read: Sent, headers: Mapping[str, str]) -> Reply:
        """PUT; the server refuses what is not of these checksums when it arrives."""
        whole = {**headers, **_digests(read.checksums)}
        return self.patiently(lambda _: self.send("PUT", place(key), source, kinds=(), headers=whole)[0])

    def _in_parts(
        self, key: str, source: Path, read: Sent, headers: Mapping[str, str], condition: Mapping[str, str]
    ) -> None:
        """Nothing is left of a transfer that breaks off, or whose file is no longer the one that was read."""
        upload = _field(self._asked("POST", f"{place(key)}?uploads=", headers=headers), "UploadId")
        path = f"{place(key)}?{sigv4.query({'uploadId': upload})}"
        ended = False
        try:
            parts = self._send_parts(key, source, read, upload)
            whole = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
            reply = self._asked("POST", path, body=whole, headers=condition, fine=BEATEN)
            if b"<Error>" in reply.body and reply.status < 300:
                raise self._refused(reply)  # a server that takes long says 200 first, and then how it went
            ended = reply.status < 300
        finally:
            if not ended:
                self.ask("DELETE", path)

    def _send_parts(self, key: str, source: Path, read: Sent, upload: str) -> str:
        """Send the parts; what the server is told about them at the end."""
        parts: list[str] = []
        digest = hashlib.sha256()
        with opened(source) as stream:
            while block := stream.read(PART):
                digest.update(block)
                number = len(parts) + 1
                asked = sigv4.query({"partNumber": str(number), "uploadId": upload})
                tag = self._asked("PUT", f"{place(key)}?{asked}", body=block).head.headers.get("etag", "")
                parts.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
                meter.moved(len(block))
        if digest.hexdigest() != read.checksums["sha256"]:
            raise changed(source)
        return "".join(parts)

    def replace(self, key: str, content: bytes) -> None:
        """Store a small object, whatever stands there."""
        self._asked("PUT", place(key), body=content)

    def replace_file(self, key: str, source: Path) -> None:
        """Store a file of any size, whatever stands there."""
        read = checksums(source, KINDS)
        if read.size > WHOLE:
            self._in_parts(key, source, read, {}, {})
            return
        self._well(self._sent(key, source, read, {}))

    def content(self, key: str) -> bytes:
        """A small object, b'' where there is none."""
        reply = self.ask("GET", place(key))
        return b"" if reply.status == 404 else reply.body

    def fetch(self, key: str, to: Path) -> tuple[Head, Sent] | None:
        """Write an object to the new file `to`. What the server says of it, and its SHA-256; None without an object."""
        reply, received = self.download(place(key), to, kinds=("sha256",))
        if reply.status == 404:
            return None
        try:
            return head(reply), received
        except IntegrityError:
            to.unlink()
            raise

    def listed(self, prefix: str) -> Iterator[tuple[str, tuple[int, str]]]:
        """The keys that begin with `prefix`, each with its size and its ETag, which is an MD5 where it went at once."""
        from sluicegate.tools import xml

        token = ""
        while True:
            asked = {"list-type": "2", "encoding-type": "url", "max-keys": str(PAGE), "prefix": prefix}
            asked |= {"continuation-token": token} if token else {}
            reply = self._asked("GET", f"/?{sigv4.query(asked)}")
            try:
                page = xml.parse(re.sub(rb'\sxmlns="[^"]*"', b"", reply.body, count=1))
            except Malformed as problem:
                raise self._no_list(prefix) from problem
            if page.findtext("Name") != self.name:
                raise self._no_list(prefix)
            for entry in page.iterfind("Contents"):
                size, etag = entry.findtext("Size", ""), entry.findtext("ETag", "")
                if (length := whole(size)) is None:
                    raise self._no_list(prefix)
                yield unquote_plus(entry.findtext("Key", "")), (length, etag.strip('"'))
            token = page.findtext("NextContinuationToken", "")
            if not token:
                return

    def _no_list(self, prefix: str) -> IntegrityError:
        return IntegrityError(f"the answer to the list of {self.name}/{prefix} is none of an S3 server")

    def delete(self, key: str) -> None:
        self._asked("DELETE", place(key), fine=(404,))

    def _asked(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> Reply:  # fmt: skip
        """One request that must go well, or be answered by a status that is fine too."""
        sums = {kind: hashlib.new(kind, body, usedforsecurity=False).hexdigest() for kind in KINDS} if body else None
        whole = {**(headers or {}), **(_digests(sums) if sums else {})}
        return self._well(self.ask(method, path, body=body, headers=whole), fine=fine)

    def _well(self, reply: Reply, *, fine: tuple[int, ...] = ()) -> Reply:
        if reply.status >= 300 and reply.status not in fine:
            raise self._refused(reply)
        return reply

    def _refused(self, reply: Reply) -> SluicegateError:
        code, text = _said(reply)
        return SluicegateError(f"{self.place}: {code}: {text}")


def _address(name: str, endpoint: str, region: str) -> str:
    """Where a bucket is: below an endpoint by its path; at AWS by its own name, which dots keep from having TLS."""
    if endpoint:
        return f"{endpoint}/{name}"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{domain}/{name}" if "." in name else f"https://{name}.s3.{region}.{domain}"


def place(key: str) -> str:
    """The path of an object below its bucket."""
    return f"/{quote(key, safe='/~')}"


def head(reply: Reply) -> Head:
    """What an answer says of its object. Raises IntegrityError for one that no S3 server gives."""
    found = reply.head.headers
    etag = found.get("etag", "").strip('"')
    size = whole(found.get("content-length", ""))
    if not etag or size is None:
        raise IntegrityError("the answer has no ETag, so it is none of an S3 server", hint="look at 'endpoint'")
    simple = len(etag) == 32 and not found.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    start = "x-amz-meta-"
    metadata = {name.removeprefix(start): value for name, value in found.items() if name.startswith(start)}
    return Head(size=size, md5=etag if simple else "", metadata=metadata)


def _said(reply: Reply) -> tuple[str, str]:
    """Code and message of an error; an answer to HEAD has none."""
    return _field(reply, "Code") or str(reply.status), _field(reply, "Message") or reply.head.reason


def _field(reply: Reply, name: str) -> str:
    import html

    found = re.search(rf"<{name}>([^<]{{1,2000}})</{name}>".encode(), reply.body[: 1 << 16])
    return html.unescape(found[1].decode("utf-8", "replace")) if found else ""


def _digests(sums: Mapping[str, str]) -> dict[str, str]:
    """The headers by which a server refuses a body that is not of these checksums when it arrives."""
    md5 = base64.b64encode(bytes.fromhex(sums["md5"])).decode()
    return {"x-amz-content-sha256": sums["sha256"], "Content-MD5": md5}
