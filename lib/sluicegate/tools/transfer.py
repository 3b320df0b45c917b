"""Moves files over HTTP: hashing while sending, kept connections, bounded retries, no redirects to elsewhere."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError
from sluicegate.tools import door, meter
from sluicegate.tools.answers import BUSY, Busy, Reply, read, reason, seconds, shown
from sluicegate.tools.connections import Connections
from sluicegate.tools.credentials import Login
from sluicegate.tools.files import write
from sluicegate.tools.reading import BLOCK, Sent, check_unchanged, feed, marks_of, opened
from sluicegate.tools.wire import Head, Wire

TRIES = 5
LONGEST_PAUSE = 60.0
SMALL = 1 << 16
"""Bytes up to which a file goes out together with its head; a larger one waits for `100 Continue`."""

Result = TypeVar("Result")


def pause(seconds: float) -> None:
    """Wait between two tries; tests replace it."""
    time.sleep(seconds)


class Server:
    """A web server below `url`, for any number of threads; each call leases a kept connection."""

    def __init__(self, url: str, login: Callable[[], Login | None] = lambda: None, *, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._login = login
        self._connections = Connections(self._parts, timeout)
        self._authorization: str | None = None
        self._open = True  # until the server wants to know who reads

    def patiently(self, action: Callable[[int], Result]) -> Result:
        """Call `action` with the number of the try, from 0, until it does not raise Busy; at most TRIES times."""
        for number in range(TRIES):
            try:
                return action(number)
            except Busy as problem:
                if number == TRIES - 1 or (problem.after or 0) > LONGEST_PAUSE:
                    raise RemoteUnavailable(
                        f"{problem.message} (tried {number + 1} times)", hint=problem.hint
                    ) from problem
                wait = random.uniform(0.5, 1.0) * 2**number if problem.after is None else problem.after
                meter.waits(f"{problem.message}; trying again in {wait:.0f} s")
                pause(wait)
        raise AssertionError("unreachable")

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply:  # fmt: skip
        """One small request, repeated while the server is busy."""
        return self.patiently(lambda _: self.ask_once(method, path, headers=headers, body=body))

    def head(self, path: str) -> Reply:
        """HEAD, without credentials as long as the server is content: a Nexus spends most of it on the password."""
        if self._open:
            try:
                reply = self.ask_once("HEAD", path, login=False)
            except Denied:
                self._open = False
            else:
                if reply.status != 404:
                    return reply
        return self.ask_once("HEAD", path)

    def ask_once(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"",
        login: bool = True,
    ) -> Reply:  # fmt: skip
        """One small request. GET and HEAD follow redirects within the server."""
        for _ in range(4):
            with self._exchange(method, path) as wire:
                sent = self._headers(method, path, headers, len(body), login=login)
                wire.start(method, self._target(path), sent, body)
                head = wire.answer()
                reply = Reply(head=head, body=read(wire.body(method, head)))
            if not (300 <= head.status < 400 and method in ("GET", "HEAD")):
                break
            path = self._redirected(path, head)
        self._check(reply, method, path)
        return reply

    def send(
        self, method: str, path: str, source: Path, *, kinds: Iterable[str], headers: Mapping[str, str] | None = None,
        before: bytes = b"", after: bytes = b"",
    ) -> tuple[Reply, Sent]:  # fmt: skip
        """Send a file once, hashing on the way. Raises IntegrityError when the file changes meanwhile."""
        with opened(source) as stream:
            marks = marks_of(os.fstat(stream.fileno()))
            size = marks[2]
            digests = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]
            length = len(before) + size + len(after)
            with self._exchange(method, path) as wire:
                whole, early = True, None
                if length <= SMALL:
                    content = stream.read(size + 1)
                    feed(digests, content)
                    check_unchanged(source, stream, marks, len(content))
                    sent = self._headers(method, path, headers, length)
                    wire.start(method, self._target(path), sent, before + content + after)
                    meter.moved(len(content))
                else:
                    expecting = {**(headers or {}), "Expect": "100-continue"}
                    wire.start(method, self._target(path), self._headers(method, path, expecting, length))
                    early = wire.early(2.0)
                    whole = early is None
                    if whole:
                        early = self._pour(wire, source, stream, marks, digests, before, after)
                head = early or wire.answer()
                reply = Reply(head=head, body=read(wire.body(method, head)))
                wire.idle = wire.idle and early is None
            sums = {digest.name: digest.hexdigest() for digest in digests}
        self._check(reply, method, path)
        return reply, Sent(size=size, checksums=sums, whole=whole)

    def _pour(
        self, wire: Wire, source: Path, stream: BinaryIO, marks: tuple[int, ...], digests: list[hashlib._Hash],
        before: bytes, after: bytes,
    ) -> Head | None:  # fmt: skip
        """The body, in blocks of one buffer, each hashed while it goes out. An early answer is returned."""
        from concurrent.futures import ThreadPoolExecutor

        buffer = memoryview(bytearray(BLOCK))
        sent, size = 0, marks[2]
        try:
            wire.write(before)
            with ThreadPoolExecutor(1) as beside:
                while sent < size and (count := stream.readinto(buffer)):  # type: ignore[attr-defined]
                    block = buffer[: min(count, size - sent)]
                    hashed = beside.submit(feed, digests, block)
                    sent += len(block)
                    if sent == size:  # the last bytes go out only when the file is still the one that was begun
                        check_unchanged(source, stream, marks, sent + len(stream.read(1)))
                    wire.write(block)
                    hashed.result()
                    meter.moved(len(block))
            check_unchanged(source, stream, marks, sent)
            wire.write(after)
        except ConnectionError:
            early = wire.early(0.5)
            if early is None:
                raise
            return early
        return None

    def download(self, path: str, to: Path, *, kinds: Iterable[str]) -> tuple[Reply, Sent]:
        """GET into the new file `to`, hashing on the way; nothing stays there unless the answer is 200 and whole."""
        return self.patiently(lambda _: self._download_once(path, to, tuple(kinds)))

    def _download_once(self, path: str, to: Path, kinds: tuple[str, ...]) -> tuple[Reply, Sent]:
        for _ in range(4):
            digests = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]
            size = 0
            with self._exchange("GET", path) as wire:
                wire.start("GET", self._target(path), self._headers("GET", path, None, 0))
                head = wire.answer()
                if head.status == 200:
                    try:
                        with to.open("wb", buffering=0) as stream:
                            for block in wire.body("GET", head):
                                feed(digests, block)
                                write(stream, block, to)
                                size += len(block)
                                meter.moved(len(block))
                    except BaseException:
                        to.unlink(missing_ok=True)
                        raise
                    reply = Reply(head=head)
                else:
                    reply = Reply(head=head, body=read(wire.body("GET", head)))
            if not 300 <= head.status < 400:
                break
            path = self._redirected(path, head)
        self._check(reply, "GET", path)
        return reply, Sent(size=size, checksums={digest.name: digest.hexdigest() for digest in digests})

    def _check(self, reply: Reply, method: str, path: str) -> None:
        """Raise for answers that mean the same everywhere: busy, denied, redirected."""
        where = f"{method} {self.url}{unquote(path)}"
        if reply.status in BUSY:
            raise Busy(f"{where} was answered by {reply.said}", after=seconds(reply.head.headers.get("retry-after")))
        if reply.status in (401, 403, 407):
            who = self._login()
            raise Denied(
                f"{where} was answered by {reply.said}; asked as {who.user if who else 'nobody'}",
                hint="check the repository's 'credentials' and what this user may do there",
            )
        if 300 <= reply.status < 400 and reply.status != 304:
            raise SluicegateError(
                f"{where} leads to {shown(reply.head.headers.get('location', 'nowhere'))},"
                " which was not followed, and no credentials were sent there",
                hint="correct the repository's 'url', or find out who answers for this server",
            )

    def _redirected(self, path: str, head: Head) -> str:
        """The path within this server that a redirect names. Raises for another host, port or scheme."""
        goal = urlsplit(urljoin(f"{self.url}{path}", head.headers.get("location", "")))
        same = (goal.scheme, goal.netloc) == (self._parts.scheme, self._parts.netloc)
        prefix = self._parts.path
        if not same or not goal.path.startswith(f"{prefix}/"):
            self._check(Reply(head=head), "GET", path)
        return goal.path.removeprefix(prefix) + (f"?{goal.query}" if goal.query else "")

    def _identified(self, method: str, target: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers that say who asks, for a request with these others; another kind of server wants others."""
        if self._authorization is None:
            who = self._login()
            self._authorization = who.basic() if who else ""
        return {"Authorization": self._authorization} if self._authorization else {}

    def _headers(
        self, method: str, path: str, more: Mapping[str, str] | None, length: int, *, login: bool = True
    ) -> dict[str, str]:
        headers = {"Host": self._parts.netloc, "User-Agent": "sluicegate", "Accept": "*/*", **(more or {})}
        if login:
            headers |= self._identified(method, f"{self._parts.path}{path}", headers)
        if length or method in ("PUT", "POST"):
            headers["Content-Length"] = str(length)
        if (proxy := self._connections.proxy()) and self._parts.scheme == "http" and proxy.authorization:
            headers["Proxy-Authorization"] = proxy.authorization.reveal()
        return headers

    def _target(self, path: str) -> str:
        below = f"{self._parts.path}{path}"
        proxied = self._parts.scheme == "http" and self._connections.proxy()
        return f"http://{self._parts.netloc}{below}" if proxied else below

    @contextmanager
    def _exchange(self, method: str, path: str) -> Iterator[Wire]:
        """A connection for one request; kept afterwards when it can serve another. Failures become Busy."""
        door.passing(f"{method} {self.url}{path}")
        wire = self._connections.lease()
        try:
            yield wire
        except OSError as problem:
            if problem.filename is not None:  # a file of ours, not the server
                raise
            raise Busy(f"{method} {self.url}{unquote(path)} broke off: {reason(problem)}") from problem
        finally:
            self._connections.give_back(wire)
