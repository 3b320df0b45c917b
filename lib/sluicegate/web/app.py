"""The ASGI application: reads a request whole, checks host, login and crumb, and hands it to the routes."""

from __future__ import annotations

import base64
import binascii
import errno
import html as escaping
import logging
import os
import secrets
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.runner.journal import NotStored
from sluicegate.runner.users import Login
from sluicegate.web import call as calls
from sluicegate.web.call import VERSION, Call, Refusal
from sluicegate.web.routes import Routes

LARGEST = 64 << 20
SESSION = secrets.token_hex(4)
COOKIE = "JSESSIONID"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
STATUS = ((UsageError, 400), (NotStored, 503))
OPEN = ("login", "static", "git", "favicon.ico", "loginError")
"""First path segments that need no login: the hook only makes the server look at repositories that it knows."""


class Application:
    """Jenkins' remote API and pages over one runner."""

    def __init__(self, routes: Routes, *, hosts: frozenset[str]) -> None:
        self.routes = routes
        self.hosts = hosts
        self.root = routes.runner.url
        self.users = routes.runner.users

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        set_session = ""
        try:
            call = await self._read(request)
            # One thread call a request: everything behind it is plain blocking code on files.
            response = await run_in_threadpool(self._answer, call)
            set_session = call.set_session
        except ClientDisconnect:
            return
        except SluicegateError as problem:
            response = refusal(problem, request.headers)
        self._dress(response, set_session)
        await response(scope, receive, send)

    async def _read(self, request: Request) -> Call:
        headers = request.headers
        host = headers.get("host", "")
        self._must_be_ours(host)
        body = await _body(request)
        call = Call(
            method=request.method,
            segments=calls.split_path(request.scope.get("raw_path") or request.scope["path"].encode()),
            query=calls.pairs(request.scope["query_string"].decode("latin-1")),
            headers=headers,
            body=body,
            base=self.root if host == urlsplit(self.root).netloc else f"{request.scope['scheme']}://{host}/",
        )
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            call.form = calls.pairs(body.decode("utf-8", "surrogateescape"))
        elif kind == "multipart/form-data":
            await _multipart(request, call)
        return call

    def _must_be_ours(self, host: str) -> None:
        """Answers name the request's host, so a foreign one is refused: no poisoned links, no DNS rebinding."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        loopback = name == "localhost" or name == "::1" or name.startswith("127.") or name.endswith(".localhost")
        if not (loopback or name in self.hosts):
            raise Refusal(
                421, f"this server does not answer for the host '{name}'; start it with --url or --allow-host"
            )

    def _answer(self, call: Call) -> Response:
        try:
            self._authenticate(call)
            self._check_crumb(call)
            return self.routes.answer(call)
        except SluicegateError as problem:
            return refusal(problem, call.headers, call.login)
        except Exception as problem:
            return self._failed(call, problem)

    def _failed(self, call: Call, problem: Exception) -> Response:
        """A fault of the disk, which is told, or of ours, which only the log tells."""
        log = logging.getLogger(__name__)
        if isinstance(problem, OSError) and problem.errno in FULL:
            log.warning("%s /%s: %s", call.method, "/".join(call.segments), problem)
            return refusal(NotStored(f"the disk takes nothing: {os.strerror(problem.errno)}"), call.headers, call.login)
        log.error("%s /%s failed", call.method, "/".join(call.segments), exc_info=problem)
        return calls.text("The server failed; its log says why.\n", 500)

    def _authenticate(self, call: Call) -> None:
        """Basic with password or token, else the session cookie. Wrong credentials are 401 wherever they are sent."""
        call.session = _cookie(call.headers)
        scheme, _, rest = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            call.login = self._basic(rest)
            if call.login is None:
                raise Refusal(
                    401, "Unauthorized", headers={"WWW-Authenticate": 'Basic realm="Jenkins", charset="UTF-8"'}
                )
        elif call.session and (user := self.users.session_user(call.session)):
            call.login = Login(user=user)
        if call.login is None and not self._is_open(call):
            raise Refusal(403, "anonymous is missing the Overall/Read permission")

    def _basic(self, encoded: str) -> Login | None:
        try:
            user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.users.login(user, secret)

    def _is_open(self, call: Call) -> bool:
        """What needs no login: the login itself, the hook, the empty root that clients ask for the version, and
        `build` with the token of a job's <authToken>, which the route compares."""
        if not call.segments:
            return not call.wants_html and call.method in ("GET", "HEAD")
        if call.query.get("token") and call.segments[-1] in ("build", "buildWithParameters"):
            return True
        return call.segments[0] in OPEN

    def _check_crumb(self, call: Call) -> None:
        """Everything but reading needs a crumb, unless an API token proves that no browser was tricked."""
        if call.method in ("GET", "HEAD", "OPTIONS") or call.login is None or call.login.by_token:
            return
        crumb = call.headers.get("jenkins-crumb") or call.form.get("Jenkins-Crumb", "")
        if not (crumb and self.users.crumb_fits(crumb, call.login.user, call.session)):
            raise Refusal(403, "No valid crumb was included in the request")

    def _dress(self, response: Response, set_session: str) -> None:
        response.headers["X-Jenkins"] = VERSION
        response.headers["X-Hudson"] = "1.395"
        response.headers["X-Jenkins-Session"] = SESSION
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("X-Frame-Options", "deny")
        response.headers.setdefault(
            "Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        )
        if set_session:
            response.headers["Set-Cookie"] = f"{COOKIE}={set_session}; Path=/; HttpOnly; SameSite=Lax"


async def _body(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST:
        raise Refusal(413, f"at most {LARGEST} bytes are read")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            raise Refusal(413, f"at most {LARGEST} bytes are read")
        parts.append(part)
    return b"".join(parts)


async def _multipart(request: Request, call: Call) -> None:
    async def again() -> dict[str, object]:
        return {"type": "http.request", "body": call.body, "more_body": False}

    try:
        form = await Request(request.scope, again).form(max_files=100, max_fields=1000, max_part_size=1 << 20)
    except MultiPartException as problem:
        raise UsageError(f"the multipart body is broken: {problem.message}") from problem
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            call.uploads[name] = (value.filename or name, await value.read())
        else:
            call.form.setdefault(name, value)


def _cookie(headers: Headers) -> str:
    """The session of the request. Some clients send back whole Set-Cookie lines, so attributes may stand in it."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')
    return ""


def refusal(problem: SluicegateError, headers: Headers, login: Login | None = None) -> Response:
    """The answer for an error: 400 with X-Error for what the user did wrong."""
    status = (
        problem.status if isinstance(problem, Refusal) else next((n for c, n in STATUS if isinstance(problem, c)), 500)
    )
    message = escaping.escape(problem.message)
    hint = f"<p>{escaping.escape(problem.hint)}</p>" if problem.hint else ""
    jump = ""
    if status == 403 and login is None and "text/html" in headers.get("accept", ""):
        jump = '<meta http-equiv="refresh" content="0;url=/login"><p><a href="/login">Log in</a></p>'
    head = f"<html><head><title>Error {status}</title></head>"
    response = calls.html(f"{head}<body><h2>Error {status}</h2><p>{message}</p>{hint}{jump}</body></html>", status)
    if isinstance(problem, Refusal):
        response.headers.update({name: calls.header(value) for name, value in problem.headers.items()})
    if isinstance(problem, NotStored):
        response.headers["Retry-After"] = "10"
    if status in (400, 503):
        response.headers["X-Error"] = calls.header(problem.message)
    if status == 403:
        response.headers["X-You-Are-Authenticated-As"] = calls.header(login.user if login else "anonymous")
    return response
