"""A build's console: whole, and what is new of it."""

from __future__ import annotations

import html as escaping
import os
import re
from collections.abc import Callable, Mapping

from starlette.responses import Response

from sluicegate.model.numbers import whole
from sluicegate.runner.records import Record
from sluicegate.web import call as calls
from sluicegate.web.site import Site

NOTE = re.compile(rb"\x1b\[8mha:.*?\x1b\[0m", re.DOTALL)
"""A console note of a real Jenkins: encoded Java objects inside the log, hidden from plain readers."""


def log_bytes(record: Record) -> bytes:
    try:
        return record.log.read_bytes()
    except OSError:
        return b""


def _console_text(site: Site, record: Record) -> Response:
    return calls.text(NOTE.sub(b"", log_bytes(record)))


def _progressive(site: Site, record: Record) -> Response:
    """New text from `start` on. X-More-Data is there only while more can come; cuts fall between characters."""
    more = record.building  # Looked at first: what is written before the end is then surely in the file.
    start = whole(site.call.value("start", "0")) or 0
    block, size = _tail(record, start)
    if more and (cut := _unfinished(block)):
        block, size = block[:-cut], size - cut
    headers = {"content-type": "text/plain;charset=utf-8", "x-text-size": str(size)}
    if more:
        headers["x-more-data"] = "true"
    if site.call.segments[-1] == "progressiveHtml":
        shown = escaping.escape(NOTE.sub(b"", block).decode("utf-8", "replace"), quote=False)
        return Response(shown, headers={**headers, "content-type": "text/html;charset=utf-8"})
    return Response(block, headers=headers)


def _tail(record: Record, start: int) -> tuple[bytes, int]:
    """The log from a byte on, and its size; nothing when `start` lies beyond the end."""
    try:
        with record.log.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(min(start, size))
            block = stream.read(size - min(start, size))
    except OSError:
        return b"", 0
    return block, size


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
