"""Hides secrets in logs, also where a secret is split over two writes, quoted, or encoded."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from sluicegate.errors import UsageError

if TYPE_CHECKING:
    import regex

STARS = b"****"
SHORTEST = 3
FOLD = rb"(?:\r?\n[ \t]*)?"
LETTER = rb"[A-Za-z0-9+/=_-]"
BOTH_ALPHABETS = {ord("+"): rb"[+-]", ord("/"): rb"[/_]"}
HEX_BREAK = rb"(?:(?:[ :,]|\r?\n[ \t]*){0,2}(?:\\x|0x)?)"


def refuse_short(secret: str, name: str) -> None:
    """Who asks for a secret by name is told that it is too short to be hidden."""
    if len(secret) < SHORTEST:
        raise UsageError(f"the secret '{name}' has fewer than {SHORTEST} characters; it could not be masked in logs")


def patterns(secret: str) -> set[bytes]:
    """Regular expressions for the ways in which tools print a secret: as it is, quoted for shells, URLs, XML and JSON,
    in hex and base64, the latter two also folded into lines and within a longer text."""
    plain = secret.encode("utf-8", "surrogateescape")
    # Lines of a multi-line key are printed one by one.
    lines = {line for raw in plain.splitlines() if len(line := raw.strip()) >= SHORTEST}
    expressions = {re.escape(spelling) for spelling in _quoted(secret) | lines | {plain} if len(spelling) >= SHORTEST}
    quoted = {quote(secret, safe=safe) for safe in ("", "/", "/:")}
    # Twice: an address that is a parameter of another one.
    quoted |= {quote(once, safe=safe) for once in quoted for safe in ("", "/")} | {quote_plus(secret)}
    expressions |= set(map(_any_case_of_escapes, quoted))
    pairs = [f"(?i:{byte:02x})".encode() for byte in plain]
    expressions.add(HEX_BREAK.join(pairs))
    return expressions | _base64(plain)


def _quoted(secret: str) -> set[bytes]:
    """The secret as shells, XML, JSON and Python write it."""
    xml = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    ascii_json, json_text = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    words = {
        # `set -x` of dash and bash writes 'a'\''b', Python's shlex 'a'"'"'b', bash's printf %q a\'b.
        shlex.quote(secret),
        secret.replace("'", "'\\''"),
        secret.replace("'", "'\"'\"'"),
        re.sub(r"([^A-Za-z0-9_@%+=:,./-])", r"\\\1", secret),
        xml,
        xml.replace('"', "&quot;"),
        xml.replace('"', "&quot;").replace("'", "&apos;"),
        xml.replace('"', "&quot;").replace("'", "&#39;"),
        xml.replace('"', "&#34;").replace("'", "&#39;"),
        xml.replace('"', "&quot;").replace("'", "&#x27;"),
        ascii_json,
        json_text,
        json_text.replace("/", "\\/"),
        # A body that is a text in another one, as hooks are logged.
        json.dumps(ascii_json)[1:-1],
        json.dumps(json_text, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(secret.encode("utf-8", "surrogateescape"))[2:-1],
    }
    return {word.encode("utf-8", "surrogateescape") for word in words}


def _any_case_of_escapes(text: str) -> bytes:
    """A percent-encoded text; RFC 3986 lets the hex digits be of either case."""
    return b"".join(
        b"(?i:" + part.encode() + b")" if part.startswith("%") else re.escape(part.encode())
        for part in re.split("(%[0-9A-F]{2})", text)
    )


def _base64(plain: bytes) -> set[bytes]:
    """Within a longer text the base64 of a secret depends on where it starts: three shapes.

    Of the letters at both ends only some bits are the secret's; they go with it.
    """
    expressions = set()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain).rstrip(b"=")
        start, end = (0, 2, 3)[shift], len(encoded) - (1 if (len(plain) + shift) % 3 else 0)
        if end - start < 6:
            continue
        letters = [BOTH_ALPHABETS.get(byte, re.escape(bytes([byte]))) for byte in encoded[start:end]]
        before = (b"(?:" + LETTER + FOLD + b")?") * (1 if shift else 0)
        expressions.add(before + FOLD.join(letters) + b"(?:" + FOLD + LETTER + b"){0,3}")
    return expressions


class Mask:
    """Filters a byte stream. `feed` returns what may be written now; the rest is kept until it is certain."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[bytes] = set()
        self._pattern: regex.Pattern[bytes] | None = None
        self._held = b""
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these too; one of fewer than SHORTEST letters would star half the log, and is left as it is."""
        import regex  # Only builds with secrets need it.

        for secret in secrets:
            if len(secret) >= SHORTEST:
                self._known |= patterns(secret)
        if self._known:
            longest_first: list[bytes] = sorted(self._known, key=len, reverse=True)
            self._pattern = regex.compile(b"|".join(longest_first))

    def feed(self, block: bytes) -> bytes:
        if self._pattern is None:
            return block
        block = self._held + block
        shown, at = [], 0
        for hit in self._pattern.finditer(block):
            if hit.end() == len(block):
                break  # It may go on in the next block.
            shown += [block[at : hit.start()], STARS]
            at = hit.end()
        rest = block[at:]
        begun = self._pattern.search(rest, partial=True)
        kept = len(rest) if begun is None else begun.start()
        self._held = rest[kept:]
        return b"".join([*shown, rest[:kept]])

    def flush(self) -> bytes:
        """What was held back, at a point where no more of a secret can follow."""
        held, self._held = self._held, b""
        return held if self._pattern is None else self._pattern.sub(STARS, held)

    def text(self, text: str) -> str:
        """A whole text, masked."""
        if self._pattern is None:
            return text
        hidden: bytes = self._pattern.sub(STARS, text.encode("utf-8", "surrogateescape"))
        return hidden.decode("utf-8", "replace")
