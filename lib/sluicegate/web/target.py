"""Whom a request is for: the host that it names, which must be this server, and the path there."""

from __future__ import annotations

import re

from starlette.requests import Request

from sluicegate.tools.sockets import is_loopback
from sluicegate.web.call import Refusal

HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::\d{1,5})?")
WHOLE = re.compile(rb"https?://([^/]*)", re.IGNORECASE)
"""The beginning of a request's target that is a whole URL."""


def asked(request: Request) -> tuple[str, bytes]:
    """The host, with its port, and the raw path of a request."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    if whole := WHOLE.match(path):  # as clients write to a proxy; the Host beside it does not count (RFC 9112, 3.2.2)
        return whole[1].decode("latin-1"), path[whole.end() :]
    return request.headers.get("host", ""), path


def must_be_ours(host: str, hosts: frozenset[str]) -> None:
    """Refuse a foreign host, as answers name the request's: no poisoned links, no DNS rebinding."""
    match = HOST.fullmatch(host)
    name = ((match["v6"] or match["name"]) if match else host).lower()
    if match is None or not (name in hosts or is_loopback(name) or name.endswith(".localhost")):
        raise Refusal(421, f"this server does not answer for the host '{name}'; start it with --url or --allow-host")
