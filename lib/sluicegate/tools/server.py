"""A web server that keeps files: asked, sent to and fetched from, patiently and within its own address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError
from sluicegate.tools import door, meter
from sluicegate.tools.credentials import Login
from sluicegate.tools.files import write
from sluicegate.tools.http import Answer, answer, read
from sluicegate.tools.outgoing import Outgoing, Sent, Summing

if TYPE_CHECKING:
    import requests

SMALL = 1 << 16
"""Bytes up to which a file goes out together with its head; a larger one waits for `100 Continue`."""
HOPS = 4
BLOCK = 1 << 20

Result = TypeVar("Result")


class Server:
    """A web server below `url`, for any number of threads."""

    def __init__(self, url: str, login: Callable[[], Login | None] = lambda: None, *, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._login = login
        self._timeout = timeout
        self._open = True  # until the server wants to know who reads

    @cached_property
    def _session(self) -> requests.Session:
        from sluicegate.tools import http_sessions

        return http_sessions.new_session(self.url)

    @cached_property
    def _authorization(self) -> Mapping[str, str]:
        who = self._login()
        return {"Authorization": who.basic()} if who else {}

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """One small request, repeated while the server is busy. GET and HEAD follow redirects within the server."""
        return self._ask(method, path, {**(headers or {}), **self._authorization}, body)

    def head(self, path: str) -> Answer:
        """HEAD, without credentials as long as the server is content: a Nexus spends most of it on the password."""
        if self._open:
            try:
                reply = self._ask("HEAD", path, {})
            except Denied:
                self._open = False
            else:
                if reply.status != 404:
                    return reply
        return self.ask("HEAD", path)

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        for _ in range(HOPS):
            reply = self._exchange(method, path, headers, lambda: body, read)
            if not (300 <= reply.status < 400 and method in ("GET", "HEAD")):
                break
            path = self._redirected(path, reply)
        self._check(reply, method, path)
        return reply

    def send(
        self, method: str, path: str, source: Path, *, kinds: Iterable[str], headers: Mapping[str, str] | None = None,
        before: bytes = b"", after: bytes = b"",
    ) -> tuple[Answer, Sent]:  # fmt: skip
        """Send a file, hashing on the way. Raises IntegrityError when the file changes meanwhile.

        A large one goes out only when the server says that it wants it, so that a refusal comes before.
        """
        with Outgoing.opened(source, kinds, before=before, after=after) as outgoing:
            small = len(outgoing) <= SMALL
            more = {} if small else {"Expect": "100-continue"}
            reply = self._exchange(
                method, path, {**(headers or {}), **more, **self._authorization},
                outgoing.content if small else outgoing.begun, read,
            )  # fmt: skip
            self._check(reply, method, path)
            return reply, outgoing.sent()

    def download(self, path: str, to: Path, *, kinds: Iterable[str]) -> tuple[Answer, Sent]:
        """GET into the new file `to`, hashing on the way; nothing stays there unless the answer is 200 and whole.

        What breaks off goes on where it was, as long as the server still has the same file (its strong ETag says so).
        """
        try:
            for _ in range(HOPS):
                incoming = _Incoming(to, tuple(kinds))
                reply = self._exchange("GET", path, self._authorization, lambda: b"", incoming.take, incoming.rest)
                if not 300 <= reply.status < 400:
                    break
                path = self._redirected(path, reply)
            self._check(reply, "GET", path)
        except BaseException:
            to.unlink(missing_ok=True)
            raise
        return reply, incoming.sum.sent()

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: Callable[[], bytes | Outgoing],
        take: Callable[[requests.Response], Result], more: Callable[[], Mapping[str, str]] = dict,
    ) -> Result:  # fmt: skip
        """One request and what `take` makes of its answer, again where the answer breaks off.

        What goes wrong before there is an answer, the session tries again.
        """
        import requests

        from sluicegate.tools import http_sessions

        # Its own patience for what breaks off after the answer began; before that the session has its own.
        patience = http_sessions.Patience(total=http_sessions.TRIES - 1)
        where = f"{method} {self.url}{unquote(path)}"
        while True:
            door.passing(f"{method} {self.url}{path}")
            request = requests.Request(method, self.url + path, headers={**self._session.headers, **headers, **more()})
            request.data = body() or None
            prepared = request.prepare()
            try:
                with self._session.send(
                    prepared, stream=True, timeout=self._timeout, allow_redirects=False
                ) as response:
                    return take(response)
            except requests.RequestException as problem:
                raise http_sessions.failure(problem, where, self._session, self.url) from problem
            except http_sessions.HTTPError as problem:
                try:
                    patience = patience.increment(method, self.url + path, error=problem)
                except http_sessions.HTTPError:
                    raise http_sessions.failure(problem, where, self._session, self.url) from problem
                patience.sleep()

    def _check(self, reply: Answer, method: str, path: str) -> None:
        """Raise for answers that mean the same everywhere: busy, denied, redirected."""
        from sluicegate.tools import http_sessions

        where = f"{method} {self.url}{unquote(path)}"
        if reply.status in http_sessions.BUSY:
            raise RemoteUnavailable(
                f"{where} was answered by {reply.explanation} (tried {http_sessions.TRIES} times)",
                hint="try again later",
            )
        if reply.status in (401, 403, 407):
            who = self._login()
            raise Denied(
                f"{where} was answered by {reply.explanation}; asked as {who.user if who else 'nobody'}",
                hint="check the repository's 'credentials' and what this user may do there",
            )
        if 300 <= reply.status < 400 and reply.status != 304:
            raise SluicegateError(
                f"{where} leads to {http_sessions.shown(reply.headers.get('Location', 'nowhere'))},"
                " which was not followed, and no credentials were sent there",
                hint="correct the repository's 'url', or find out who answers for this server",
            )

    def _redirected(self, path: str, reply: Answer) -> str:
        """The path within this server that a redirect names. Raises for another host, port or scheme."""
        goal = urlsplit(urljoin(f"{self.url}{path}", reply.headers.get("Location", "")))
        same = (goal.scheme, goal.netloc) == (self._parts.scheme, self._parts.netloc)
        prefix = self._parts.path
        if not same or not goal.path.startswith(f"{prefix}/"):
            self._check(reply, "GET", path)
        return goal.path.removeprefix(prefix) + (f"?{goal.query}" if goal.query else "")


class _Incoming:
    """A file as it comes in, perhaps in several answers."""

    def __init__(self, to: Path, kinds: tuple[str, ...]) -> None:
        self.to = to
        self.sum = Summing(kinds)
        self._mark = ""

    def rest(self) -> Mapping[str, str]:
        """The headers that ask for what is missing, where that is possible; without them it begins anew."""
        if not (self._mark and self.sum.size):
            return {}
        return {"Range": f"bytes={self.sum.size}-", "If-Range": self._mark}

    def take(self, response: requests.Response) -> Answer:
        """Write what an answer brings. Raises urllib3's HTTPError when it breaks off."""
        from urllib3.exceptions import ProtocolError

        if response.status_code not in (200, 206):
            return read(response)
        if response.status_code == 200:
            self.sum = Summing(self.sum.kinds)
            mark = response.headers.get("ETag", "")
            self._mark = mark if mark.startswith('"') else ""
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {self.sum.size}-"):
            self._mark = ""
            raise ProtocolError("the server goes on with another part of the file than was asked for")
        with self.to.open("ab" if self.sum.size else "wb", buffering=0) as stream:
            for block in response.raw.stream(BLOCK, decode_content=False):
                write(stream, block, self.to)
                self.sum.add(block)
                meter.moved(len(block))
        return replace(answer(response), status=200)
