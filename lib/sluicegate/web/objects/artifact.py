"""The files that a build kept: one by one, in parts, or all in a zip."""

from __future__ import annotations

import errno
import os
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from sluicegate.runner.records import Record
from sluicegate.tools import beneath, files
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, Path
from sluicegate.web.site import Site
from sluicegate.web.streams import BLOCK, Slice

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a path below `artifact/` names: a file, or a zip of all."""

    record: Record
    path: Path


def names(record: Record) -> list[str]:
    """The relative paths of a build's artifacts; links are none."""
    return list(beneath.names(record.archive))


def _read(site: Site, artifact: Artifact) -> Response:
    record, path = artifact.record, artifact.path
    if path in (("*zip*", "archive.zip"), ("*zip*",)):
        return StreamingResponse(_zip(record.archive), headers={"content-type": "application/zip"})
    try:
        descriptor = _open(record.archive, "/".join(path))
    except OSError as problem:
        if problem.errno in files.TOO_LITTLE:
            raise
        raise not_found() from None
    return _file(site, os.fdopen(descriptor, "rb", buffering=0), path[-1])


def _open(archive: Folder, name: str) -> int:
    """A descriptor of an artifact. Raises OSError, also for a hard link to what no build of ours has made."""
    descriptor = beneath.open_file(archive / name)
    if beneath.is_anothers(os.fstat(descriptor), os.geteuid()):
        os.close(descriptor)
        raise PermissionError(name)
    return descriptor


def _file(site: Site, stream: BinaryIO, name: str) -> Response:
    """A file, or the range asked for. What a browser could run is sandboxed and offered for saving."""
    suffix = os.path.splitext(name)[1].lower()
    headers = {
        "content-type": TYPES.get(suffix, "application/octet-stream"),
        "accept-ranges": "bytes",
        "content-security-policy": SANDBOX,
    }
    if suffix in ACTIVE or suffix not in TYPES:
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(name, errors='surrogateescape')}"
    size = os.fstat(stream.fileno()).st_size
    wanted = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", site.call.headers.get("range", ""))
    if wanted is None or not (wanted[1] or wanted[2]):
        return Slice(stream, 0, size, headers=headers)
    first = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
    last = min(size - 1, int(wanted[2])) if wanted[1] and wanted[2] else size - 1
    if first > last:
        stream.close()
        return Response(b"", status_code=416, headers={"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Slice(stream, first, last - first + 1, headers=headers, status_code=206)


class _Sink:
    """Takes what a zip writes, until it is sent."""

    def __init__(self) -> None:
        self.kept = bytearray()

    def write(self, block: bytes) -> int:
        self.kept += block
        return len(block)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        taken, self.kept = bytes(self.kept), bytearray()
        return taken


def _zip(archive: Folder) -> Iterator[bytes]:
    """A zip of all artifacts, made while it is sent."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:  # type: ignore[call-overload]
        for name in beneath.names(archive):
            try:
                descriptor = _open(archive, name)
            except OSError as problem:
                if problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    continue  # It is gone, or was swapped for a link.
                raise  # A zip that is cut off is seen to be none.
            with os.fdopen(descriptor, "rb", buffering=0) as stream:
                entry = zipfile.ZipInfo(f"archive/{name.encode('utf-8', 'replace').decode()}", _date(stream))
                entry.compress_type = zipfile.ZIP_DEFLATED
                with packed.open(entry, "w", force_zip64=True) as target:
                    while block := stream.read(BLOCK):
                        target.write(block)
                        yield sink.taken()
    yield sink.taken()


def _date(stream: BinaryIO) -> tuple[int, int, int, int, int, int]:
    """When a file was changed, within the years that a zip knows."""
    at = time.localtime(os.fstat(stream.fileno()).st_mtime)[:6]
    return (min(max(at[0], 1980), 2107), *at[1:])


KIND: Kind[Artifact] = Kind(reads={"": _read})
