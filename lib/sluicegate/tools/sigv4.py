"""Signs requests to S3 servers: AWS Signature Version 4, as "Authenticating Requests" of AWS' S3 API reference has it.

Own, because botocore takes thirty times as long to start as Python does, and this is all that a request needs of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

EMPTY = hashlib.sha256(b"").hexdigest()
SIGNED = ("content-md5", "content-type", "host", "range")
"""Headers that are signed besides all x-amz-*; what proxies may change is not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """An access key; the secret never shows. `token` comes with keys that expire."""

    key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def query(values: Mapping[str, str]) -> str:
    """A query in the one form that is signed: sorted, and encoded as RFC 3986 has it."""
    return "&".join(f"{quote(name, safe='~')}={quote(values[name], safe='~')}" for name in sorted(values))


def signed(
    keys: Keys, region: str, method: str, target: str, headers: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """The headers that identify a request, to be added to `headers`.

    `target` is the path, percent-encoded once, and where there is one the query as `query` makes it. `headers` must
    have Host, and x-amz-content-sha256 unless the body is empty.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    more = {"x-amz-date": stamp} | ({"x-amz-security-token": keys.token} if keys.token else {})
    covered = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    covered.setdefault("x-amz-content-sha256", EMPTY)
    covered = {n: v for n, v in (covered | more).items() if n in SIGNED or n.startswith("x-amz-")}
    names = ";".join(sorted(covered))
    path, _, asked = target.partition("?")
    lines = [method, path, asked, *(f"{name}:{covered[name]}" for name in sorted(covered)), "", names]
    request = "\n".join([*lines, covered["x-amz-content-sha256"]])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    said = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = _hmac(_signing_key(keys.secret, stamp[:8], region), said).hex()
    words = (f"Credential={keys.key}/{scope}", f"SignedHeaders={names}", f"Signature={signature}")
    authorization = f"AWS4-HMAC-SHA256 {', '.join(words)}"
    return {**more, "x-amz-content-sha256": covered["x-amz-content-sha256"], "Authorization": authorization}


@lru_cache(maxsize=16)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    found = f"AWS4{secret}".encode()
    for word in (day, region, "s3", "aws4_request"):
        found = _hmac(found, word)
    return found


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
