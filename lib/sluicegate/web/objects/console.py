"""A build's console: whole, and what is new of it."""

from __future__ import annotations

import html as escaping
import os
import re
from collections.abc import Callable, Iterator, Mapping

from starlette.responses import Response, StreamingResponse

from sluicegate.model.numbers import whole
from sluicegate.runner.records import Record
from sluicegate.tools import beneath
from sluicegate.web import call as calls
from sluicegate.web.site import Site
from sluicegate.web.streams import BLOCK

NOTE = re.compile(rb"\x1b\[8mha:[^\x1b]*\x1b\[0m")
"""A console note of a real Jenkins: encoded Java objects inside the log, hidden from plain readers."""
NOTE_START = b"\x1b[8mha:"
LONGEST_NOTE = 64 << 10
MOST_AT_ONCE = 1 << 20
"""Bytes of one progressive answer; who follows a log asks again."""


def _console_text(site: Site, record: Record) -> Response:
    """The whole log as it is now, without notes, however large."""
    try:
        with beneath.reading(record.log):
            descriptor = beneath.open_file(record.log)
    except FileNotFoundError:
        return calls.text(b"")
    return StreamingResponse(_without_notes(descriptor), headers={"content-type": "text/plain;charset=utf-8"})


def _without_notes(descriptor: int) -> Iterator[bytes]:
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        left = os.fstat(descriptor).st_size
        held = b""
        while left > 0 and (block := stream.read(min(BLOCK, left))):
            left -= len(block)
            block = NOTE.sub(b"", held + block)
            at = _note_begins(block)
            held = block[at:]
            if at:
                yield block[:at]
        if held:
            yield held


def _note_begins(block: bytes) -> int:
    """Where a note begins that may end in the next block; the length of the block when none does."""
    at = block.rfind(b"\x1b", max(0, len(block) - LONGEST_NOTE))
    rest = block[at:] if at >= 0 else b""
    return at if rest and (rest.startswith(NOTE_START) or NOTE_START.startswith(rest)) else len(block)


def _progressive(site: Site, record: Record) -> Response:
    """New text from `start` on. X-More-Data is there only while more can come; cuts fall between characters."""
    more = record.building  # Looked at first: what is written before the end is then surely in the file.
    start = whole(site.call.value("start", "0")) or 0
    block, end, size = _tail(record, start)
    more = more or end < size
    if more and (cut := _unfinished(block)):
        block, end = block[:-cut], end - cut
    headers = {"content-type": "text/plain;charset=utf-8", "x-text-size": str(end)}
    if more:
        headers["x-more-data"] = "true"
    if site.call.segments[-1] == "progressiveHtml":
        shown = escaping.escape(NOTE.sub(b"", block).decode("utf-8", "replace"), quote=False)
        return Response(shown, headers={**headers, "content-type": "text/html;charset=utf-8"})
    return Response(block, headers=headers)


def _tail(record: Record, start: int) -> tuple[bytes, int, int]:
    """A piece of the log from a byte on, where it ends, and the log's size; nothing when `start` lies beyond."""
    try:
        with (
            beneath.reading(record.log),
            os.fdopen(beneath.open_file(record.log), "rb", buffering=0) as stream,
        ):
            size = os.fstat(stream.fileno()).st_size
            at = min(start, size)
            stream.seek(at)
            block = stream.read(min(size - at, MOST_AT_ONCE))
    except FileNotFoundError:
        return b"", 0, 0
    return block, at + len(block), size


def _unfinished(block: bytes) -> int:
    """How many bytes at the end belong to a character that is not complete."""
    for back in range(1, min(4, len(block)) + 1):
        byte = block[-back]
        if byte & 0xC0 != 0x80:
            length = 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4 if byte >> 3 == 30 else 1
            return back if length > back else 0
    return 0


READS: Mapping[str, Callable[[Site, Record], Response]] = {
    "consoleText": _console_text,
    "logText/progressiveText": _progressive,
    "logText/progressiveHtml": _progressive,
}
