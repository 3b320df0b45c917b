"""One request, read whole, and the answers that Jenkins' clients expect."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_to_bytes

from starlette.datastructures import Headers
from starlette.responses import Response

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.runner.rights import Rule
from sluicegate.runner.users import Login, Users

VERSION = "2.568.2"
ALWAYS = (
    (b"x-jenkins", VERSION.encode()),
    (b"x-hudson", b"1.395"),
    (b"x-jenkins-session", secrets.token_hex(4).encode()),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"deny"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
)
"""The headers of every answer that has no other ones of the name."""
MANY_FIELDS = 2000
PART = 1 << 16
"""Bytes of a form that are decoded at a time."""
MANY_PARTS = 100_000
"""Objects, lists and commas in the field `json` of a form."""
READING = ("GET", "HEAD", "OPTIONS")
TOLD = {
    "createItem": ("name", "from"),
    "createView": ("name",),
    "doRename": ("newName",),
    "confirmRename": ("newName",),
    "addJobToView": ("name",),
    "removeJobFromView": ("name",),
    "cancelItem": ("id",),
    "generateNewToken": ("newTokenName",),
    "revoke": ("tokenUuid",),
    "submit": ("nextBuildNumber",),
    "notifyCommit": ("sha1",),
}
"""What changes name in their query or form, by the last part of the path."""
LONGEST_TOLD = 200


class Refusal(SluicegateError):
    """An answer other than 200 that ends the handling of a request."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def not_found(what: str = "Not Found") -> Refusal:
    return Refusal(404, what)


@dataclass(slots=True, kw_only=True)
class Call:
    """A request: path segments are decoded once, after splitting."""

    method: str
    segments: tuple[str, ...]
    query: dict[str, str]
    headers: Headers
    body: bytes
    base: str
    peer: str = ""
    """The address at the other end of the connection; `address` is whence a proxy that is trusted says that it came."""
    address: str = ""
    uploads: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    login: Login | None = None
    claimed: str = ""
    """Who somebody said to be whose password or token was wrong."""
    rules: tuple[Rule, ...] = ()
    session: str = ""
    set_session: str = ""

    @property
    def wants_html(self) -> bool:
        """Browsers name text/html, and who names nothing gets a page, as from Jenkins.

        Clients of the API name something else, and want an empty body instead of a page; Go's name nothing, and read
        every answer as JSON.
        """
        accept = self.headers.get("accept")
        if accept is None:
            return not self.headers.get("user-agent", "").startswith("Go-http-client")
        return "text/html" in accept

    @property
    def user(self) -> str:
        return self.login.user if self.login else "anonymous"

    def value(self, name: str, default: str = "") -> str:
        """A value from the query, else from the form."""
        return self.query.get(name, self.form.get(name, default))

    def need(self, name: str) -> str:
        value = self.value(name)
        if not value:
            raise UsageError(f"Query parameter '{name}' is required")
        return value

    def json_form(self) -> dict[str, object]:
        """The `json` field that Jenkins' own forms send; empty when it is missing or broken."""
        text = self.value("json") or "{}"
        if sum(map(text.count, "{[,")) > MANY_PARTS:
            raise UsageError(f"the field 'json' has more than {MANY_PARTS} parts")
        try:
            form = json.loads(text)
        except (ValueError, RecursionError):
            raise UsageError("the field 'json' is no JSON") from None
        return form if isinstance(form, dict) else {}


def checked_login(users: Users, user: str, secret: str, address: str) -> Login | None:
    """A login from somewhere. Raises Refusal (429) where too many were wrong; a token is taken all the same."""
    pause = max(users.throttle.pause(user, address), users.throttle.pause_of_all(address))
    if pause and not users.is_token(user, secret):
        seconds = str(int(pause) + 1)
        raise Refusal(429, f"too many wrong passwords; try again in {seconds} s", headers={"Retry-After": seconds})
    login = users.login(user, secret)
    if login is None:
        users.throttle.wrong(user, address)
    else:
        users.throttle.right(user, address)
    return login


def is_noted(call: Call, status: int) -> bool:
    """Changes, and logins that failed, go into the audit log."""
    return call.method not in READING or status in (401, 429)


def told(call: Call) -> dict[str, str]:
    """What of a request the audit log names beside its path: which item, never a value that may be secret."""
    names = TOLD.get(call.segments[-1] if call.segments else "", ())
    return {name: value[:LONGEST_TOLD] for name in names if (value := call.value(name))}


def split_path(raw: bytes) -> tuple[str, ...]:
    """The decoded segments of a raw path. Raises Refusal for what could leave a folder."""
    segments = []
    for part in raw.decode("latin-1").strip("/").split("/"):
        if part == "":
            continue
        # Names of artifacts may be bytes that are no text; in other names such characters are refused or not found.
        text = unquote(part, encoding="utf-8", errors="surrogateescape")
        if text in (".", "..") or "/" in text or "\\" in text or "\0" in text:
            raise Refusal(400, "Bad Request")
        segments.append(text)
    return tuple(segments)


def pairs(text: str) -> dict[str, str]:
    """Query or form fields; of equal names the first counts, as in a servlet's getParameter."""
    if text.count("&") >= MANY_FIELDS:
        raise UsageError(f"too many fields: at most {MANY_FIELDS} are read")
    fields: dict[str, str] = {}
    for pair in text.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            fields.setdefault(_decoded(name), _decoded(value))
    return fields


def _decoded(text: str) -> str:
    """A name or value of a form. A part at a time: urllib makes a list of all escapes, 700 MB for 9 MB of them."""
    content = text.replace("+", " ").encode("utf-8", "surrogateescape")
    parts, at = [], 0
    while at < len(content):
        end = at + PART
        cut = content.find(b"%", max(at + 1, end - 2), end)  # an escape goes into one part
        end = cut if cut > 0 else end
        parts.append(unquote_to_bytes(content[at:end]))
        at = end
    return b"".join(parts).decode("utf-8", "surrogateescape")


def header(text: str) -> str:
    """A text as a header can carry it: curly quotes become spaces as newer Jetty makes them, nothing ends the line."""
    plain = re.sub(r"[\x00-\x1f\x7f]+", " ", text.translate({0x2018: " ", 0x2019: " "}))
    return plain.encode("latin-1", "replace").decode("latin-1")[:1000].strip()


def empty(status: int = 200) -> Response:
    return Response(b"", status_code=status)


def _bytes(body: str | bytes) -> bytes:
    """A body; what is no text in it, such as an artifact's name in another encoding, is shown as question marks."""
    return body.encode("utf-8", "replace") if isinstance(body, str) else body


def text(body: str | bytes, status: int = 200) -> Response:
    return Response(_bytes(body), status_code=status, headers={"content-type": "text/plain;charset=utf-8"})


def html(body: str, status: int = 200) -> Response:
    return Response(_bytes(body), status_code=status, headers={"content-type": "text/html;charset=utf-8"})


def data(value: object) -> Response:
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, headers={"content-type": "application/json;charset=utf-8"})


def redirect(location: str) -> Response:
    """302 to a path on our own origin: clients insist on this status."""
    target = "/" + location.lstrip("/\\")
    return Response(b"", status_code=302, headers={"location": header(target)})
