"""An answer over HTTP, read whole, and what its status means everywhere: busy, a date to come back, an address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from sluicegate.errors import RemoteUnavailable
from sluicegate.model.numbers import INT, whole
from sluicegate.tools.wire import Head

LARGEST = 64 << 20
BUSY = (408, 425, 429, 500, 502, 503, 504)


class Busy(RemoteUnavailable):
    """A failure that a retry may help; `after` seconds where the server said so."""

    def __init__(self, message: str, *, after: float | None = None, hint: str = "try again later") -> None:
        super().__init__(message, hint=hint)
        self.after = after


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, read whole."""

    head: Head
    body: bytes = b""

    @property
    def status(self) -> int:
        return self.head.status

    @property
    def said(self) -> str:
        """What the server says of it: the reason phrase, where Nexus puts its message, and a short body."""
        text = self.body[:300].decode("utf-8", "replace").strip()
        return f"{self.status} {self.head.reason}".strip() + (f": {text}" if text and "<" not in text[:20] else "")

    @property
    def looks_like_a_page(self) -> bool:
        return "html" in self.head.headers.get("content-type", "") or self.body[:200].lstrip()[:1] == b"<"


def read(blocks: Iterator[bytes]) -> bytes:
    found = bytearray()
    for block in blocks:
        found += block
        if len(found) > LARGEST:
            raise OSError(f"the answer has more than {LARGEST >> 20} MiB")
    return bytes(found)


def seconds(text: str | None) -> float | None:
    """Retry-After: seconds, or a date."""
    if not text:
        return None
    if (number := whole(text.strip(), most=INT)) is not None:
        return float(number)
    import email.utils

    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def reason(problem: OSError) -> str:
    return problem.strerror or str(problem) or type(problem).__name__


def shown(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
