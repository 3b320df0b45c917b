"""Reads a console piece by piece from what a Jenkins says of it, without a gap.

X-Text-Size cannot be believed: while a build runs Jenkins sends whole lines only, at most 10,000, and names the length
of the file. What came is counted instead. It cannot be counted to the byte either (Jenkins makes CR LF of LF, and
replaces what is no text), so each answer begins with some text that is known: where it lies tells where we are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NOTE = re.compile(rb"\x1b\[8mha:[^\x1b]*\x1b\[0m")
"""A console note: encoded Java objects that annotate the line."""
UNFINISHED = re.compile(rb"(\r|\x1b\[8mha:[^\x1b]*(\x1b(\[0?)?)?|\x1b(\[(8(m(ha?)?)?)?)?)\Z")
"""The beginning of a note or of a line's end, whose rest may come with the next piece."""
BARE = re.compile(rb"(?<!\r)\n")
REPLACED = "\N{REPLACEMENT CHARACTER}".encode()
KNOWN = 1024
"""Bytes of known text that an answer is asked to begin with."""
MOST_KNOWN = 64 << 10
"""Of a log that repeats itself for longer than this some of it may be shown twice, where it holds CR LF of its own."""


@dataclass
class Console:
    """Where we are in a log: `known` is the text from the offset `start` on, and has been given out."""

    start: int = 0
    known: bytes = b""
    _before: tuple[int, bytes] = (0, b"")
    """Start and known text of the answer before: where its end was counted too far we go back there."""
    _raw: bool = False
    """Whether the server sends the log's own bytes, as ours does, so that they can be counted."""
    _held: bytes = b""

    def take(self, body: bytes) -> bytes | None:
        """The new text of an answer from `start` on, as it came; None when it is to be asked for again from `start`.

        An offset that was counted too small repeats text, which is found and left out.
        """
        at = body.find(self.known)
        if at < 0 and self.start:
            self.start, self.known = self._before
            self._before = (0, b"")
            return None
        at = max(at, 0)  # from the very start other text came: it is another log now
        new = body[at + len(self.known) :]
        if new:
            self._raw = self._raw or BARE.search(body) is not None
            self._before = (self.start, body)
            cut = _cut(body)
            self.start += cut if self._raw else _least(body[:cut])
            self.known = body[cut:]
        return new

    def all_read(self, size: int | None) -> bool:
        """Whether nothing is missing of a finished log of `size` bytes."""
        length = len(self.known) if self._raw else _least(self.known)
        return size is None or self.start + length >= size

    def clean(self, piece: bytes, *, last: bool = False) -> bytes:
        """The piece without console notes and without the CR of a line's end."""
        text = NOTE.sub(b"", self._held + piece)
        cut = None if last else UNFINISHED.search(text)
        text, self._held = (text[: cut.start()], text[cut.start() :]) if cut else (text, b"")
        return text.replace(b"\r\n", b"\n")


def _cut(body: bytes) -> int:
    """Where the known text begins: between two characters, not within CR LF, and not in the midst of repeated text.

    Repeated text could be found too early, where it is asked for from an offset that was counted too small.
    """
    length = KNOWN
    while True:
        cut = max(0, len(body) - length)
        while cut and (body[cut] & 0xC0 == 0x80 or body[cut] == 0x0A):
            cut -= 1
        doubt = cut - _least(body[:cut])
        if body.find(body[cut:], max(0, cut - doubt)) == cut or length >= MOST_KNOWN:
            return cut
        length *= 4


def _least(text: bytes) -> int:
    """The fewest bytes of the log that may have become this text."""
    return len(text) - text.count(b"\r\n") - 2 * text.count(REPLACED)
