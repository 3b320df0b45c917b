"""Hides secrets in logs, also where a secret is split over two writes, quoted, or encoded."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from sluicegate.errors import UsageError

STARS = b"****"
SHORTEST = 3


def refuse_short(secret: str, name: str) -> None:
    """A secret of one or two letters would star half the log, and give itself away."""
    if len(secret) < SHORTEST:
        raise UsageError(f"the secret '{name}' has fewer than {SHORTEST} characters; it could not be masked in logs")


def forms(secret: str) -> set[bytes]:
    """The ways in which a secret commonly shows up in a log."""
    plain = secret.encode("utf-8", "surrogateescape")
    found = {plain, quote(secret, safe="").encode(), quote_plus(secret).encode(), shlex.quote(secret).encode()}
    # `set -x` of dash and bash writes 'a'\''b'; lines of a multi-line key are printed one by one.
    found.add(secret.replace("'", "'\\''").encode("utf-8", "surrogateescape"))
    found.update(line for raw in plain.splitlines() if len(line := raw.strip()) >= SHORTEST)
    for shift in range(3):
        # Within a longer text the base64 of the secret depends on where it starts: three shapes, ends cut off.
        encoded = base64.b64encode(b"\0" * shift + plain).rstrip(b"=")
        start, end = (0, 2, 3)[shift], len(encoded) - (1 if (len(plain) + shift) % 3 else 0)
        if end - start >= 6:
            found.update({encoded[start:end], encoded[start:end].replace(b"+", b"-").replace(b"/", b"_")})
    return {one for one in found if len(one) >= SHORTEST}


class Mask:
    """Filters a byte stream. `feed` returns what may be written now; the rest is kept until it is certain."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[bytes] = []
        self._pattern: re.Pattern[bytes] | None = None
        self._held = b""
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        known = set(self._forms)
        for secret in secrets:
            if secret:
                known |= forms(secret)
        self._forms = sorted(known, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._forms))) if self._forms else None

    def feed(self, block: bytes) -> bytes:
        if self._pattern is None:
            return block
        block = self._pattern.sub(STARS, self._held + block)
        kept = max((self._beginning(block, form) for form in self._forms), default=0)
        self._held = block[len(block) - kept :]
        return block[: len(block) - kept]

    def flush(self) -> bytes:
        """What was held back, at a point where no more of a secret can follow."""
        held, self._held = self._held, b""
        return held

    def text(self, text: str) -> str:
        """A whole text, masked."""
        if self._pattern is None:
            return text
        return self._pattern.sub(STARS, text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")

    @staticmethod
    def _beginning(block: bytes, form: bytes) -> int:
        """How many bytes at the end of `block` may be the beginning of `form`."""
        for size in range(min(len(form) - 1, len(block)), 0, -1):
            if block.endswith(form[:size]):
                return size
        return 0
