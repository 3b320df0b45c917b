"""A proxy that harms what passes through it, in front of a real server."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.parts import web_server


@dataclass(kw_only=True)
class Fault:
    """What happens to requests of one method whose path matches, `times` times after letting `skip` pass.

    `kind`: reset (at `part` of the request's body), lost (the server does it, its answer is lost), status (an answer
    with `status`, without the server), late status (the server does it, then that answer), truncate (the answer's body
    is cut at `part`), delay (by `seconds`), lie (another ETag), corrupt (the request's body is changed), redirect (to
    `location`), page (an HTML page with status 200).
    """

    kind: str
    method: str = "PUT"
    path: str = ""
    times: int = 1
    skip: int = 0
    part: float = 0.99
    status: int = 503
    retry_after: str = ""
    seconds: float = 0.0
    location: str = ""


@dataclass
class Proxy:
    """The proxy's address, what it shall do, and what it saw: method, path, whether with credentials."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str, bool]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, method: str, path: str, *, authorized: bool) -> Fault | None:
        with self.lock:
            self.seen.append((method, path, authorized))
            for fault in self.faults:
                if fault.method == method and fault.times and re.search(fault.path, path):
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def count(self, method: str, path: str = "") -> int:
        return sum(seen_method == method and re.search(path, at) is not None for seen_method, at, _ in self.seen)


@contextmanager
def harming(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of the server at `upstream`."""
    place = urlsplit(upstream)
    proxy = Proxy(url="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_expect_100(self) -> bool:
            return True  # the answer to that is given once the fault is known

        def log_message(self, *words: object) -> None:
            pass

        def _serve(self) -> None:
            fault = proxy.of(self.command, self.path, authorized="Authorization" in self.headers)
            kind = fault.kind if fault else ""
            if fault and kind in ("status", "redirect", "page"):
                self._answer_alone(fault)
                return
            if "Expect" in self.headers:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(self.headers.get("Content-Length", 0))
            if fault and kind == "reset":
                self.rfile.read(int(length * fault.part))
                self._reset()
                return
            if fault and kind == "delay":
                time.sleep(fault.seconds)
            body = self.rfile.read(length)
            if len(body) < length:  # the client gave up
                self.close_connection = True
                return
            if kind == "corrupt":
                body = bytes([body[0] ^ 1]) + body[1:]
            self._relay(body, fault)

        def _relay(self, body: bytes, fault: Fault | None) -> None:
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Expect")}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if fault and fault.kind == "lost":
                self._reset()
                return
            if fault and fault.kind == "late status":
                self._answer_alone(fault)
                return
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() == "etag" and fault and fault.kind == "lie":
                    value = f'"{"0" * 40}"'
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            if self.command != "HEAD" and "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if fault and fault.kind == "truncate":
                self.wfile.write(content[: int(len(content) * fault.part)])
                self.close_connection = True
                return
            self.wfile.write(content)

        def _answer_alone(self, fault: Fault) -> None:
            body = b"<html><body>Please log in</body></html>" if fault.kind == "page" else b""
            status = {"page": 200, "redirect": 302}.get(fault.kind, fault.status)
            self.send_response_only(status, {200: "OK", 302: "Found"}.get(status, "Injected"))
            if fault.kind == "page":
                self.send_header("Content-Type", "text/html")
            if fault.location:
                self.send_header("Location", fault.location)
            if fault.retry_after:
                self.send_header("Retry-After", fault.retry_after)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.close_connection = True

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # after a reset there is nothing to flush
                super().finish()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    with web_server(Handler) as port:
        proxy.url = f"http://127.0.0.1:{port}{place.path}"
        yield proxy
