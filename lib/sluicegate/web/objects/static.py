"""The style sheet and the script of the pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from sluicegate.runner.rights import Right
from sluicegate.web.call import not_found
from sluicegate.web.kind import Kind
from sluicegate.web.site import Site

FOLDER = Path(__file__).parents[1] / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of `static/`, by its name."""

    name: str


def _read(site: Site, asset: Asset) -> Response:
    path = FOLDER / asset.name
    if path.suffix not in TYPES or not path.is_file():
        raise not_found()
    headers = {"content-type": f"{TYPES[path.suffix]};charset=utf-8", "cache-control": "max-age=3600"}
    return Response(path.read_bytes(), headers=headers)


KIND: Kind[Asset] = Kind(reads={"": _read}, rights={"": Right.NONE})
