"""What is read from and done to builds: console, artifacts, tests, stop, delete, description."""

from __future__ import annotations

import html as escaping
import os
import re
import stat
import zipfile
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from urllib.parse import quote

from starlette.responses import Response

from sluicegate.errors import UsageError
from sluicegate.runner.items import Item
from sluicegate.runner.records import Record
from sluicegate.tools import files
from sluicegate.web import call as calls
from sluicegate.web.answers import answer_api
from sluicegate.web.call import not_found
from sluicegate.web.site import Site

NOTE = re.compile(rb"\x1b\[8mha:.*?\x1b\[0m", re.DOTALL)
"""A console note of a real Jenkins: encoded Java objects inside the log, hidden from plain readers."""
TYPES = {
    ".txt": "text/plain",
    ".log": "text/plain",
    ".json": "application/json",
    ".xml": "application/xml",
    ".html": "text/html",
    ".htm": "text/html",
    ".css": "text/css",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".jar": "application/java-archive",
}
ACTIVE = (".html", ".htm", ".svg", ".xml", ".xhtml")
SANDBOX = "sandbox; default-src 'none'; img-src 'self'; style-src 'self'"


def answer(site: Site, item: Item, record: Record, rest: tuple[str, ...]) -> Response:
    """The response of a build's action."""
    name = rest[0] if rest else ""
    if name == "":
        return site.target(site.pages.build(site.call, item, record))
    if name == "artifact":
        return _artifact(site, item, record, rest[1:])
    if name == "testReport":
        return _tests(site, item, record, rest[1:])
    reader = READERS.get("/".join(rest))
    if reader is not None:
        return reader(site, item, record)
    action = ACTIONS.get("/".join(rest))
    if action is None:
        raise not_found()
    site.must_post()
    return action(site, item, record)


# -- log --
def log_bytes(record: Record) -> bytes:
    try:
        return record.log.read_bytes()
    except OSError:
        return b""


def _console_text(site: Site, item: Item, record: Record) -> Response:
    return calls.text(NOTE.sub(b"", log_bytes(record)))


def _console(site: Site, item: Item, record: Record) -> Response:
    return site.target(site.pages.build(site.call, item, record))


def _progressive(site: Site, item: Item, record: Record) -> Response:
    """New text from `start` on. X-More-Data is there only while more can come; cuts fall between characters."""
    more = record.building  # Looked at first: what is written before the end is then surely in the file.
    text = site.call.value("start", "0")
    start = int(text) if text.isdigit() and len(text) < 16 else 0
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


# -- artifacts --
def _artifact(site: Site, item: Item, record: Record, path: tuple[str, ...]) -> Response:
    site.must_read()
    if path in (("*zip*", "archive.zip"), ("*zip*",)):
        return _zip(record)
    if not path:
        return site.target(site.pages.build(site.call, item, record))
    try:
        descriptor = files.open_beneath(record.archive, "/".join(path))
    except OSError:
        raise not_found() from None
    with os.fdopen(descriptor, "rb") as stream:
        if os.fstat(stream.fileno()).st_nlink > 1:
            raise not_found()
        return _file(site, stream.read, stream.seek, os.fstat(stream.fileno()), path[-1])


def _file(
    site: Site, read: Callable[[int], bytes], seek: Callable[[int], int], status: os.stat_result, name: str
) -> Response:
    """A file, or the range asked for. What a browser could run is sandboxed and offered for saving."""
    suffix = os.path.splitext(name)[1].lower()
    headers = {
        "content-type": TYPES.get(suffix, "application/octet-stream"),
        "accept-ranges": "bytes",
        "content-security-policy": SANDBOX,
    }
    if suffix in ACTIVE or suffix not in TYPES:
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    size = status.st_size
    wanted = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", site.call.headers.get("range", ""))
    if wanted is None or not (wanted[1] or wanted[2]):
        return Response(read(size), headers=headers)
    first = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
    last = min(size - 1, int(wanted[2])) if wanted[1] and wanted[2] else size - 1
    if first > last:
        return Response(b"", status_code=416, headers={"content-range": f"bytes */{size}"})
    seek(first)
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Response(read(last - first + 1), status_code=206, headers=headers)


def _zip(record: Record) -> Response:
    with SpooledTemporaryFile(max_size=8 << 20) as spool:
        with zipfile.ZipFile(spool, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(record.archive.rglob("*")) if record.archive.is_dir() else []:
                if stat.S_ISREG(path.lstat().st_mode):
                    archive.write(path, f"archive/{path.relative_to(record.archive)}")
        spool.seek(0)
        return Response(spool.read(), headers={"content-type": "application/zip"})


# -- tests --
def _tests(site: Site, item: Item, record: Record, rest: tuple[str, ...]) -> Response:
    report = site.api.test_report(record)
    if report is None:
        raise not_found()
    if rest[:1] == ("api",):
        return answer_api(site.call, rest, report)
    return site.target(site.pages.tests(site.call, item, record))


# -- changes --
def _stop(site: Site, item: Item, record: Record) -> Response:
    site.runner.abort(record, f"Aborted by {site.call.user}")
    return calls.found(f"{item.path}{record.number}/")


def _delete(site: Site, item: Item, record: Record) -> Response:
    if record.building:
        raise UsageError(f"{item.full_name} #{record.number} is running; stop it first")
    if record.keep:
        raise UsageError(f"{item.full_name} #{record.number} is marked to be kept")
    item.history.delete(record.number)
    return calls.found(item.path)


def _describe(site: Site, item: Item, record: Record) -> Response:
    record.description = site.call.value("description") or None
    record.save()
    return calls.found(f"{item.path}{record.number}/")


def _keep(site: Site, item: Item, record: Record) -> Response:
    record.keep = not record.keep
    record.save()
    return calls.found(f"{item.path}{record.number}/")


def _number(site: Site, item: Item, record: Record) -> Response:
    return calls.text(str(record.number))


Action = Callable[[Site, Item, Record], Response]
READERS: dict[str, Action] = {
    "consoleText": _console_text,
    "console": _console,
    "consoleFull": _console,
    "buildNumber": _number,
    "logText/progressiveText": _progressive,
    "logText/progressiveHtml": _progressive,
}
ACTIONS: dict[str, Action] = {
    "stop": _stop,
    "term": _stop,
    "kill": _stop,
    "doDelete": _delete,
    "submitDescription": _describe,
    "toggleLogKeep": _keep,
}
