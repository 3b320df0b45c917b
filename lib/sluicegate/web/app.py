"""The ASGI application: checks host and login of a request, reads it, and hands it to the routes."""

from __future__ import annotations

import base64
import binascii
import errno
import html as escaping
import logging
import os
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sluicegate.errors import Conflict, Denied, Malformed, NotFound, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.runner.audit import Audit
from sluicegate.runner.journal import NotStored
from sluicegate.runner.logins import SECRET, Proxy
from sluicegate.runner.users import Login
from sluicegate.tools import files
from sluicegate.web import call as calls
from sluicegate.web import reports as reporting
from sluicegate.web import target
from sluicegate.web.body import Bodies
from sluicegate.web.call import Call, Refusal, checked_login
from sluicegate.web.reports import Reports
from sluicegate.web.routes import Routes

Answer = TypeVar("Answer")
COOKIE = "JSESSIONID"
FULL = (*files.NO_ROOM, errno.EROFS, errno.EIO)
STATUS = (
    (UsageError, 400),
    (Malformed, 400),
    (NotFound, 400),
    (Conflict, 400),
    (NotStored, 503),
    (RemoteUnavailable, 503),
    (Denied, 503),
)
"""A Failure of Jenkins is 400; what it has no page for, and answers by 404, is a Refusal."""
OPEN = {
    ("login",): ("GET", "HEAD", "POST"),
    ("git", "notifyCommit"): ("GET", "HEAD", "POST"),
    ("static", "style.css"): ("GET", "HEAD"),
    ("static", "console.js"): ("GET", "HEAD"),
}
"""What needs no login, whole: the hook only makes the server look at repositories that it knows."""
READERS, CHANGERS, LOGINS, ASKERS = 40, 16, 2, 8
"""Threads for what reads, for what changes something, for passwords, which are slow on purpose, and for a directory."""


class Application:
    """Jenkins' remote API and pages over one runner."""

    def __init__(self, routes: Routes, *, hosts: frozenset[str], reports: Reports | None = None) -> None:
        self.routes = routes
        self.reports = reports
        self.hosts = frozenset(host.lower() for host in hosts)
        self.root = routes.runner.url
        self.users = routes.runner.users
        self.rights = routes.runner.rights
        self.proxy = routes.runner.logins.proxy
        self.audit = Audit(routes.runner.home.path)
        self.bodies = Bodies()
        sizes = (READERS, CHANGERS, LOGINS, ASKERS)
        self.readers, self.changers, self.logins, self.askers = map(CapacityLimiter, sizes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        call: Call | None = None
        try:
            call = self._head(request)
            if self.reports is not None and call.segments == reporting.PATH:
                response = await self._reported(self.reports, request, call)
                await response(scope, receive, send)
                return
            await self._authenticate(call)
            async with self.bodies.read(request, call):
                if self.routes.is_at_hand(call):
                    response = self._answer(call)
                else:
                    # One thread call a request: everything behind it is plain blocking code on files.
                    response = await to_thread.run_sync(self._answer, call, limiter=self._pool_for(call))
        except ClientDisconnect:
            return
        except SluicegateError as problem:
            response = refusal(problem, request.headers, call.login if call else None)
            if call is not None and calls.is_noted(call, response.status_code):
                await to_thread.run_sync(self._note, call, response.status_code, limiter=self.changers)
        self._dress(response, call.set_session if call else "")
        await response(scope, receive, send)

    def _pool_for(self, call: Call) -> CapacityLimiter:
        if call.segments == ("login",):
            return self._pool(call.form.get("j_username", ""))
        return self.readers if call.method in calls.READING else self.changers

    async def _reported(self, reports: Reports, request: Request, call: Call) -> Response:
        """What a puppetserver is told, whose secret opens this route and no other."""
        try:
            return await reports.receive(request, call)
        except OSError as problem:
            return self._failed(call, problem)

    def _head(self, request: Request) -> Call:
        """What the head of a request says. Raises Refusal for a foreign host."""
        headers = request.headers
        host, path = target.asked(request)
        target.must_be_ours(host, self.hosts)
        peer = request.client.host if request.client else ""
        proxy = self._proxy_at(peer, headers)
        return Call(
            method=request.method,
            segments=calls.split_path(path),
            query=calls.pairs(request.scope["query_string"].decode("latin-1")),
            headers=headers,
            peer=peer,
            address=proxy.client_of(peer, headers.getlist("x-forwarded-for")) if proxy else peer,
            body=b"",
            base=self.root if host == urlsplit(self.root).netloc else f"{request.scope['scheme']}://{host}/",
        )

    def _answer(self, call: Call) -> Response:
        response = self._answered(call)
        if calls.is_noted(call, response.status_code):
            self._note(call, response.status_code)
        return response

    def _answered(self, call: Call) -> Response:
        try:
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
        if isinstance(problem, MemoryError) or (isinstance(problem, OSError) and problem.errno in files.TOO_LITTLE):
            log.warning("%s /%s: %s", call.method, "/".join(call.segments), problem or "no memory")
            why = "no memory" if isinstance(problem, MemoryError) else os.strerror(problem.errno or 0)
            return refusal(NotStored(f"the server has too little of what it needs: {why}"), call.headers, call.login)
        log.error("%s /%s failed", call.method, "/".join(call.segments), exc_info=problem)
        return calls.text("The server failed; its log says why.\n", 500)

    async def _authenticate(self, call: Call) -> None:
        """Basic with password or token, else the session cookie. Wrong credentials are 401 wherever they are sent."""
        call.session = _cookie(call.headers)
        groups: frozenset[str] | None = None
        scheme, _, rest = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            call.claimed = _credentials(rest)[0]
            call.login = self._known(call, rest) or await to_thread.run_sync(
                self._basic, rest, call.address, limiter=self._pool(call.claimed)
            )
            if call.login is None:
                raise Refusal(
                    401, "Unauthorized", headers={"WWW-Authenticate": 'Basic realm="Jenkins", charset="UTF-8"'}
                )
        elif (login := self._by_proxy(call)) is not None:
            call.login, groups = login
        elif call.session:
            user = await self._asked(self.users.sessions.user, call.session, self.users.sessions.named_in(call.session))
            call.login = Login(user=user) if user else None
        if call.login is not None and groups is None:
            groups = await self._asked(self.users.groups, call.login.user, call.login.user)
        call.rules = self.rights.rules().of(call.login.user if call.login else None, groups or ())
        if call.login is None and not (_is_open(call) or call.rules):
            raise Refusal(403, "anonymous is missing the Overall/Read permission")

    async def _asked(self, question: Callable[[str], Answer], about: str, user: str) -> Answer:
        """What is known of a user: in a thread where a directory may have to be asked, which may take its time."""
        if self._pool(user) is self.logins:
            return question(about)
        return await to_thread.run_sync(question, about, limiter=self.askers)

    def _pool(self, user: str) -> CapacityLimiter:
        """Who looks at a login: those of a directory that hangs keep nobody waiting but one another."""
        return self.logins if self.users.outside is None or self.users.is_own(user) else self.askers

    def _known(self, call: Call, encoded: str) -> Login | None:
        """Who is known without hashing: found without a thread of its own, as scripts ask often."""
        return self.users.known(*_credentials(encoded), call.address)

    def _proxy_at(self, peer: str, headers: Headers) -> Proxy | None:
        """The trusted proxy, where it is at the other end of the connection."""
        return self.proxy if self.proxy is not None and self.proxy.speaks(peer, headers.get(SECRET, "")) else None

    def _by_proxy(self, call: Call) -> tuple[Login, frozenset[str]] | None:
        """Whom a trusted proxy has let in, with the groups that it names. Raises Refusal where it says so twice."""
        proxy = self._proxy_at(call.peer, call.headers)
        if proxy is None:
            return None
        users = call.headers.getlist(proxy.header)
        if len(users) > 1:
            raise Refusal(400, f"the request has the header {proxy.header} {len(users)} times")
        if not users or not users[0].strip():
            return None
        user = users[0].strip()
        self.users.must_be_a_name(user)
        listed = call.headers.getlist(proxy.groups) if proxy.groups else []
        groups = (group.strip() for line in listed for group in line.split(","))
        return Login(user=user), frozenset(filter(None, groups))

    def _basic(self, encoded: str, address: str) -> Login | None:
        user, secret = _credentials(encoded)
        return checked_login(self.users, user, secret, address) if user else None

    def _check_crumb(self, call: Call) -> None:
        """Refuse what changes something without a crumb, unless an API token proves that nobody tricked a browser."""
        logs_in = call.segments == ("login",)
        if call.method in calls.READING or (call.login is None and not logs_in) or (call.login and call.login.by_token):
            return
        crumb = call.headers.get("jenkins-crumb") or call.form.get("Jenkins-Crumb", "")
        if not (crumb and self.users.sessions.crumb_fits(crumb, call.user, call.session)):
            raise Refusal(403, "No valid crumb was included in the request")

    def _note(self, call: Call, status: int) -> None:
        # A name that nobody has may be a password that was typed into the wrong field.
        known = call.claimed if call.login is None and self.users.is_own(call.claimed) else ""
        action, told = f"{call.method} /{'/'.join(call.segments)}", calls.told(call)
        self.audit.note(user=call.user, address=call.address, action=action, status=status, claimed=known, told=told)

    def _dress(self, response: Response, set_session: str) -> None:
        own = {name for name, _ in response.raw_headers}
        response.raw_headers += [header for header in calls.ALWAYS if header[0] not in own]
        if set_session:
            secure = "; Secure" if self.root.startswith("https:") else ""
            response.headers["Set-Cookie"] = f"{COOKIE}={set_session}; Path=/; HttpOnly; SameSite=Lax{secure}"


def _credentials(encoded: str) -> tuple[str, str]:
    """User and secret of a Basic login; empty where it is none."""
    try:
        user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, secret


def _is_open(call: Call) -> bool:
    """What needs no login: the open routes, and the empty root that clients ask for the version."""
    if not call.segments:
        return not call.wants_html and call.method in ("GET", "HEAD")
    return call.method in OPEN.get(call.segments, ())


def _cookie(headers: Headers) -> str:
    """The session of the request. Some clients send back whole Set-Cookie lines, so attributes may stand in it."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')
    return ""


def refusal(problem: SluicegateError, headers: Headers, login: Login | None = None) -> Response:
    """The answer for an error: 400 with X-Error for what the user did wrong."""
    own = problem.status if isinstance(problem, Refusal) else 500
    status = next((number for kind, number in STATUS if isinstance(problem, kind)), own)
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
