"""The files that a build kept: one by one, in parts, or all in a zip."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from urllib.parse import quote

from starlette.responses import Response

from sluicegate.runner.records import Record
from sluicegate.tools import files
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind, Path
from sluicegate.web.site import Site

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
    archive = record.archive
    found = sorted(archive.rglob("*")) if archive.is_dir() else []
    return [one.relative_to(archive).as_posix() for one in found if one.is_file() and not one.is_symlink()]


def _read(site: Site, artifact: Artifact) -> Response:
    record, path = artifact.record, artifact.path
    if path in (("*zip*", "archive.zip"), ("*zip*",)):
        return _zip(record)
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
    wanted = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", site.call.headers.get("range", ""))
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


KIND: Kind[Artifact] = Kind(reads={"": _read})
