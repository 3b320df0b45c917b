"""Moves files over HTTP: hashing while sending, kept connections, bounded retries, no redirects to elsewhere."""

from __future__ import annotations

import hashlib
import os
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from sluicegate.errors import Denied, IntegrityError, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.tools import door, meter
from sluicegate.tools.credentials import Login, Secret
from sluicegate.tools.wire import Head, Wire

if TYPE_CHECKING:
    import ssl

TRIES = 5
LONGEST_PAUSE = 60.0
SMALL = 1 << 16
"""Bytes up to which a file goes out together with its head; a larger one waits for `100 Continue`."""
BLOCK = 1 << 20
LARGEST_ANSWER = 64 << 20
BUSY = (408, 425, 429, 500, 502, 503, 504)

Result = TypeVar("Result")


def pause(seconds: float) -> None:
    """Wait between two tries; tests replace it."""
    time.sleep(seconds)


class Busy(RemoteUnavailable):
    """A failure that a retry may help; `after` seconds where the server said so."""

    def __init__(self, message: str, *, after: float | None = None, hint: str = "try again later") -> None:
        super().__init__(message, hint=hint)
        self.after = after


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, read whole."""

    head: Head
    body: bytes = b""

    @property
    def status(self) -> int:
        return self.head.status

    @property
    def said(self) -> str:
        """What the server says of it: the reason phrase, where Nexus puts its message, and a short body."""
        text = self.body[:300].decode("utf-8", "replace").strip()
        return f"{self.status} {self.head.reason}".strip() + (f": {text}" if text and "<" not in text[:20] else "")

    @property
    def looks_like_a_page(self) -> bool:
        return "html" in self.head.headers.get("content-type", "") or self.body[:200].lstrip()[:1] == b"<"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file as it went out or came in: bytes and hex checksums. `whole` is false when the server cut it short."""

    size: int = 0
    checksums: Mapping[str, str]
    whole: bool = True


class Server:
    """A web server below `url`, for any number of threads; each call leases a kept connection."""

    def __init__(self, url: str, login: Callable[[], Login | None] = lambda: None, *, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._login = login
        self._timeout = timeout
        self._free: list[Wire] = []
        self._lock = threading.Lock()
        self._authorization: str | None = None
        self._open = True  # until the server wants to know who reads
        self._context: ssl.SSLContext | None = None
        self._found_proxy: tuple[_Proxy | None] | None = None

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
                sent = self._headers(headers, len(body), method, login=login)
                wire.start(method, self._target(path), sent, body)
                head = wire.answer()
                reply = Reply(head=head, body=_read(wire.body(method, head)))
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
        with _opened(source) as stream:
            marks = _marks(os.fstat(stream.fileno()))
            size = marks[2]
            digests = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]
            length = len(before) + size + len(after)
            with self._exchange(method, path) as wire:
                whole, early = True, None
                if length <= SMALL:
                    content = stream.read(size + 1)
                    _hash(digests, content)
                    _check_unchanged(source, stream, marks, len(content))
                    wire.start(
                        method, self._target(path), self._headers(headers, length, method), before + content + after
                    )
                    meter.moved(len(content))
                else:
                    expecting = {**(headers or {}), "Expect": "100-continue"}
                    wire.start(method, self._target(path), self._headers(expecting, length, method))
                    early = wire.early(2.0)
                    whole = early is None
                    if whole:
                        early = self._pour(wire, source, stream, marks, digests, before, after)
                head = early or wire.answer()
                reply = Reply(head=head, body=_read(wire.body(method, head)))
                wire.idle = wire.idle and early is None
            sums = {digest.name: digest.hexdigest() for digest in digests}
        self._check(reply, method, path)
        return reply, Sent(size=size, checksums=sums, whole=whole)

    def _pour(
        self, wire: Wire, source: Path, stream: BinaryIO, marks: tuple[int, ...], digests: list[hashlib._Hash],
        before: bytes, after: bytes,
    ) -> Head | None:  # fmt: skip
        """The body, in blocks of one buffer. An answer that comes before the end is returned."""
        buffer = memoryview(bytearray(BLOCK))
        sent, size = 0, marks[2]
        try:
            wire.write(before)
            while sent < size and (count := stream.readinto(buffer)):  # type: ignore[attr-defined]
                block = buffer[: min(count, size - sent)]
                _hash(digests, block)
                sent += len(block)
                if sent == size:  # the last bytes go out only when the file is still the one that was begun
                    _check_unchanged(source, stream, marks, sent + len(stream.read(1)))
                wire.write(block)
                meter.moved(len(block))
            _check_unchanged(source, stream, marks, sent)
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
                wire.start("GET", self._target(path), self._headers(None, 0, "GET"))
                head = wire.answer()
                if head.status == 200:
                    try:
                        with to.open("wb") as stream:
                            for block in wire.body("GET", head):
                                _hash(digests, block)
                                stream.write(block)
                                size += len(block)
                                meter.moved(len(block))
                    except BaseException:
                        to.unlink(missing_ok=True)
                        raise
                    reply = Reply(head=head)
                else:
                    reply = Reply(head=head, body=_read(wire.body("GET", head)))
            if not 300 <= head.status < 400:
                break
            path = self._redirected(path, head)
        self._check(reply, "GET", path)
        return reply, Sent(size=size, checksums={digest.name: digest.hexdigest() for digest in digests})

    def _check(self, reply: Reply, method: str, path: str) -> None:
        """Raise for answers that mean the same everywhere: busy, denied, redirected."""
        where = f"{method} {self.url}{unquote(path)}"
        if reply.status in BUSY:
            raise Busy(f"{where} was answered by {reply.said}", after=_seconds(reply.head.headers.get("retry-after")))
        if reply.status in (401, 403, 407):
            who = self._login()
            raise Denied(
                f"{where} was answered by {reply.said}; asked as {who.user if who else 'nobody'}",
                hint="check the repository's 'credentials' and what this user may do there",
            )
        if 300 <= reply.status < 400 and reply.status != 304:
            raise SluicegateError(
                f"{where} leads to {_shown(reply.head.headers.get('location', 'nowhere'))},"
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

    def _headers(
        self, more: Mapping[str, str] | None, length: int, method: str, *, login: bool = True
    ) -> dict[str, str]:
        if self._authorization is None:
            who = self._login()
            self._authorization = who.basic() if who else ""
        headers = {"Host": self._parts.netloc.rpartition("@")[2], "User-Agent": "sluicegate", "Accept": "*/*"}
        if self._authorization and login:
            headers["Authorization"] = self._authorization
        if length or method in ("PUT", "POST"):
            headers["Content-Length"] = str(length)
        if (proxy := self._proxy()) and self._parts.scheme == "http" and proxy.authorization:
            headers["Proxy-Authorization"] = proxy.authorization.reveal()
        return {**headers, **(more or {})}

    def _target(self, path: str) -> str:
        below = f"{self._parts.path}{path}"
        return f"http://{self._parts.netloc}{below}" if self._parts.scheme == "http" and self._proxy() else below

    @contextmanager
    def _exchange(self, method: str, path: str) -> Iterator[Wire]:
        """A connection for one request; kept afterwards when it can serve another. Failures become Busy."""
        door.passing(f"{method} {self.url}{path}")
        wire = self._lease()
        try:
            yield wire
        except OSError as problem:
            if isinstance(problem, FileNotFoundError | PermissionError | IsADirectoryError) or problem.errno == 28:
                raise
            raise Busy(f"{method} {self.url}{unquote(path)} broke off: {_reason(problem)}") from problem
        finally:
            if wire.idle:
                with self._lock:
                    self._free.append(wire)
            else:
                wire.close()

    def _lease(self) -> Wire:
        while True:
            with self._lock:
                wire = self._free.pop() if self._free else None
            if wire is None:
                return self._connect()
            if not select.select([wire.socket], [], [], 0)[0]:
                return wire
            wire.close()  # the server has closed it, or says something that nobody asked for

    def _connect(self) -> Wire:
        host, secure = self._parts.hostname or "", self._parts.scheme == "https"
        port = self._parts.port or (443 if secure else 80)
        proxy = self._proxy()
        try:
            goal = (proxy.host, proxy.port) if proxy else (host, port)
            connected = socket.create_connection(goal, timeout=self._timeout)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure and proxy:
                _tunnel(connected, proxy, host, port)
            if secure:
                self._context = self._context or _trust()
                connected = self._context.wrap_socket(connected, server_hostname=host)
            return Wire(connected)
        except OSError as problem:
            raise self._unreachable(problem) from problem

    def _unreachable(self, problem: OSError) -> RemoteUnavailable:
        if type(problem).__name__ == "SSLCertVerificationError":
            return RemoteUnavailable(
                f"{self.url} shows a certificate that is not trusted: {getattr(problem, 'verify_message', '')}",
                hint="for a private authority set SSL_CERT_FILE to its certificate",
            )
        return Busy(f"{self.url} cannot be reached: {_reason(problem)}")

    def _proxy(self) -> _Proxy | None:
        """What the environment says once; a request asks three times, and looking there costs more than a request."""
        if self._found_proxy is None:
            self._found_proxy = (self._look_for_proxy(),)
        return self._found_proxy[0]

    def _look_for_proxy(self) -> _Proxy | None:
        scheme = self._parts.scheme
        if not any(name.lower() in (f"{scheme}_proxy", "all_proxy") for name in os.environ):
            return None
        from urllib.request import getproxies, proxy_bypass

        found = getproxies()
        address = found.get(scheme) or found.get("all")
        if not address or proxy_bypass(self._parts.netloc.rpartition("@")[2]):
            return None
        return _Proxy.read(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proxy:
    host: str
    port: int
    authorization: Secret | None = None

    @classmethod
    def read(cls, address: str) -> _Proxy:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError("the proxy in the environment is not of the form http://host:port")
        login = Login(unquote(parts.username), Secret(unquote(parts.password or ""))) if parts.username else None
        return cls(
            host=parts.hostname, port=parts.port or 80, authorization=Secret(login.basic()) if login else None
        )  # fmt: skip


def _tunnel(connected: socket.socket, proxy: _Proxy, host: str, port: int) -> None:
    """Have the proxy connect to an https server. Read byte by byte: what follows belongs to TLS."""
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    lines += [f"Proxy-Authorization: {proxy.authorization.reveal()}"] if proxy.authorization else []
    connected.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    answer = b""
    while not answer.endswith(b"\r\n\r\n") and len(answer) < 1 << 16:
        if not (byte := connected.recv(1)):
            break
        answer += byte
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise OSError(f"the proxy {proxy.host}:{proxy.port} answered {answer[:100].decode('latin-1').splitlines()[:1]}")


def _trust() -> ssl.SSLContext:
    """The system's authorities or SSL_CERT_FILE's, and those of the variables that requests and curl know."""
    import ssl

    context = ssl.create_default_context()
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if place := os.environ.get(variable):
            folder = os.path.isdir(place)
            context.load_verify_locations(cafile=None if folder else place, capath=place if folder else None)
    return context


def _read(blocks: Iterator[bytes]) -> bytes:
    found = bytearray()
    for block in blocks:
        found += block
        if len(found) > LARGEST_ANSWER:
            raise OSError(f"the answer has more than {LARGEST_ANSWER >> 20} MiB")
    return bytes(found)


def _hash(digests: list[hashlib._Hash], block: bytes | memoryview) -> None:
    for digest in digests:
        digest.update(block)


def checksums(source: Path, kinds: Iterable[str]) -> Sent:
    """Hash a file without sending it. Raises IntegrityError when it changes meanwhile."""
    with _opened(source) as stream:
        marks = _marks(os.fstat(stream.fileno()))
        digests = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]
        size = 0
        while block := stream.read(BLOCK):
            _hash(digests, block)
            size += len(block)
        _check_unchanged(source, stream, marks, size)
    return Sent(size=size, checksums={digest.name: digest.hexdigest() for digest in digests})


def _opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except FileNotFoundError as problem:
        raise IntegrityError(f"{source} vanished before it was read", hint="build it again") from problem


def _marks(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _check_unchanged(source: Path, stream: BinaryIO, marks: tuple[int, ...], read: int) -> None:
    """Compare what was opened with what stands under the name after reading: grown, shrunk, replaced or gone."""
    try:
        named = source.stat()
    except FileNotFoundError:
        named = None
    if named is None or {_marks(named), _marks(os.fstat(stream.fileno()))} != {marks} or read != marks[2]:
        raise IntegrityError(f"{source} changed while it was read", hint="write it to its end first, then try again")


def _seconds(text: str | None) -> float | None:
    """Retry-After: seconds, or a date."""
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    import email.utils

    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _reason(problem: OSError) -> str:
    return problem.strerror or str(problem) or type(problem).__name__


def _shown(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
