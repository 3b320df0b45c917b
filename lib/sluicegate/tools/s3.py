"""Talks to an S3 server by boto3: the client, the requests we need, and one list of what can go wrong."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

from sluicegate.errors import IntegrityError, SluicegateError, UsageError
from sluicegate.tools import door

BLOCK = 1 << 20
PART = 16 << 20
PAGE = 1000
CONNECT_SECONDS = 10
READ_SECONDS = 60
TRIES = 4

Kind = Literal["missing", "refused", "credentials", "unavailable", "broken", "other"]
"""`missing` 404, `refused` 401 and 403, `unavailable` 429, 5xx and no answer, `broken` other content than sent."""

CHANGED = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody")
BEATEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the server says of an object: size in bytes, MD5 where its ETag is one, and the metadata given with it."""

    size: int
    md5: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request failed."""

    kind: Kind
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An access key; the secret never shows."""

    key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def client(*, endpoint: str, region: str, login: Login | None = None, profile: str = "") -> Any:
    """A client that may be used by several threads. Without login and profile boto's own order holds."""
    try:
        import boto3
    except ModuleNotFoundError as problem:
        raise UsageError("the driver 's3' needs the package boto3", hint="pip install 'sluicegate[s3]'") from problem
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    door.passing("s3 client")
    config = Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=16,
        s3={"addressing_style": "path" if endpoint else "auto"},
        # checksums as trailers are AWS' own: Ceph 16 and others store them as content or refuse them
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    keys = {
        "aws_access_key_id": login.key, "aws_secret_access_key": login.secret, "aws_session_token": login.token or None
    } if login else {}  # fmt: skip
    try:
        session = boto3.session.Session(profile_name=profile or None, region_name=region or None, **keys)
        made = session.client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=region or session.region_name or "us-east-1",
            config=config,
        )
    except BotoCoreError as problem:
        raise UsageError(f"the S3 client cannot be made: {problem}", hint="check 'credentials' and 'region'") from None
    if endpoint:
        made.meta.events.register("before-call.s3", _stay)
    return made


def _stay(context: dict[str, Any], **rest: object) -> None:
    """Say that a request was redirected before: a redirecting endpoint would make boto ask itself for ever whereto."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def head(client: Any, bucket: str, key: str) -> Head | None:
    """What is known of an object, None when there is none."""
    from botocore.exceptions import ClientError

    door.passing(f"s3 HEAD {key}")
    try:
        answer = client.head_object(Bucket=bucket, Key=key)
    except ClientError as problem:
        if _status(problem) == 404 and problem.response["Error"].get("Code") != "NoSuchBucket":
            return None
        raise
    return _head(answer)


def _head(answer: Mapping[str, Any]) -> Head:
    etag = str(answer.get("ETag", "")).strip('"')
    if not etag:
        raise IntegrityError("the answer has no ETag, so it is none of an S3 server", hint="look at 'endpoint'")
    simple = len(etag) == 32 and not answer.get("ServerSideEncryption", "").startswith("aws:kms")
    metadata = {name.lower(): str(value) for name, value in answer.get("Metadata", {}).items()}
    return Head(size=int(answer.get("ContentLength", -1)), md5=etag if simple else "", metadata=metadata)


def put_once(client: Any, bucket: str, key: str, stream: BinaryIO, options: Mapping[str, Any]) -> None:
    """Store an object in one request, where none stands. Silent when another was there first: look at it."""
    from botocore.exceptions import ClientError

    door.passing(f"s3 PUT {key}")
    try:
        client.put_object(Bucket=bucket, Key=key, Body=stream, IfNoneMatch="*", **options)
    except ClientError as problem:
        if _code(problem) in BEATEN or _status(problem) in (409, 412):
            return
        if _status(problem) != 501:
            raise
        stream.seek(0)  # this server does not know the condition
        client.put_object(Bucket=bucket, Key=key, Body=stream, **options)


def put_in_parts(client: Any, bucket: str, key: str, stream: BinaryIO, options: Mapping[str, Any]) -> None:
    """Store a big object in parts, where none stands; nothing is left of a transfer that breaks off."""
    from botocore.exceptions import ClientError

    door.passing(f"s3 PUT in parts {key}")
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    place = {"Bucket": bucket, "Key": key, "UploadId": upload}
    try:
        parts: list[dict[str, Any]] = []
        while block := stream.read(PART):
            number = len(parts) + 1
            sent = client.upload_part(**place, PartNumber=number, Body=io.BytesIO(block), ContentMD5=_md5(block))
            parts.append({"ETag": sent["ETag"], "PartNumber": number})
        client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException as problem:
        client.abort_multipart_upload(**place)
        if isinstance(problem, ClientError) and (_code(problem) in BEATEN or _status(problem) in (409, 412)):
            return
        raise


def _md5(block: bytes) -> str:
    return base64.b64encode(hashlib.md5(block, usedforsecurity=False).digest()).decode()


def replace(client: Any, bucket: str, key: str, content: bytes) -> None:
    """Store a small object, whatever stands there."""
    door.passing(f"s3 PUT {key}")
    client.put_object(Bucket=bucket, Key=key, Body=content, ContentMD5=_md5(content))


def blocks(client: Any, bucket: str, key: str) -> tuple[Head, Iterator[bytes]]:
    """An object, piece by piece."""
    door.passing(f"s3 GET {key}")
    answer = client.get_object(Bucket=bucket, Key=key)
    return _head(answer), answer["Body"].iter_chunks(BLOCK)


def replace_file(client: Any, bucket: str, key: str, path: Path) -> None:
    """Store a file of any size, whatever stands there; boto sends a big one in parts, several at once."""
    door.passing(f"s3 PUT {key}")
    with path.open("rb") as stream:  # not `upload_file`, which hides the server's answer in an error of its own
        client.upload_fileobj(stream, bucket, key)


def keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    """The keys that begin with `prefix`, over as many pages as it takes."""
    return (key for key, _ in listed(client, bucket, prefix))


def listed(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, tuple[int, str]]]:
    """The same with each object's size and ETag, which is the MD5 of what was stored in one request."""
    door.passing(f"s3 LIST {prefix}")
    for page in client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE}
    ):
        if page.get("Name") != bucket:
            raise IntegrityError(f"the answer to the list of {bucket}/{prefix} is none of an S3 server")
        for entry in page.get("Contents", ()):
            yield str(entry["Key"]), (int(entry["Size"]), str(entry["ETag"]).strip('"'))


def delete(client: Any, bucket: str, key: str) -> None:
    door.passing(f"s3 DELETE {key}")
    client.delete_object(Bucket=bucket, Key=key)


class Asked:
    """Requests made within this turn boto's errors into what `explain` makes of them; ours pass."""

    def __init__(self, explain: Callable[[Failure, str, str], SluicegateError], name: str, key: str) -> None:
        self.explain, self.name, self.key = explain, name, key

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if problem is None or isinstance(problem, SluicegateError):
            return
        failure = _failure(problem)
        if failure is not None:
            raise self.explain(failure, self.name, self.key) from problem


def _status(problem: Any) -> int:
    return int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(problem: Any) -> str:
    return str(problem.response.get("Error", {}).get("Code", ""))


def _failure(problem: BaseException) -> Failure | None:
    """What an error of boto means; None for an error that is not boto's."""
    from botocore import exceptions

    if isinstance(problem, exceptions.ClientError):
        text = str(problem.response.get("Error", {}).get("Message") or problem)
        return Failure(kind=_kind(_status(problem), _code(problem)), code=_code(problem), text=text)
    if not isinstance(problem, exceptions.BotoCoreError):
        return None
    name = type(problem).__name__
    kind: Kind = "other"
    if isinstance(problem, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        kind = "credentials"
    elif isinstance(problem, (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError)):
        kind = "unavailable"
    elif name in ("ResponseStreamingError", "FlexibleChecksumError", "ResponseParserError"):
        kind = "unavailable" if name == "ResponseStreamingError" else "broken"
    return Failure(kind=kind, code=name, text=str(problem))


def _kind(status: int, code: str) -> Kind:
    if code in CHANGED:
        return "broken"
    if status == 404:
        return "missing"
    if status in (401, 403):
        return "refused"
    if status == 429 or status >= 500 or code in ("SlowDown", "RequestTimeout"):
        return "unavailable"
    return "other"
