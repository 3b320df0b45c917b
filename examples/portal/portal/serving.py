"""HTTP/1.1 for a small service: each reply in one write, and a stop that finishes the requests in flight."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

BODY_LIMIT = 16 * 1024
DRAIN_LIMIT = 1024 * 1024
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks; HEAD arrives as GET."""

    method: str
    path: str
    form: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the client gets."""

    body: str
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Application = Callable[[Request], Reply]


class Refused(Exception):
    """A request that must not reach the application."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def as_json(content: Mapping[str, object], status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(body=json.dumps(content) + "\n", status=status, headers=headers)


def route(routes: Mapping[tuple[str, str], Application], request: Request) -> Reply:
    """The answer of the route for this method and path, else 404 or 405."""
    if found := routes.get((request.method, request.path)):
        return found(request)
    if allowed := ", ".join(method for method, path in routes if path == request.path):
        return as_json({"error": f"use {allowed} here"}, 405, (("Allow", allowed),))
    return as_json({"error": "no such page"}, 404)


class Service(ThreadingHTTPServer):
    """Listens, one thread per connection; knows which connections wait for their next request."""

    daemon_threads = False  # server_close() waits for every connection's thread
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.application = application
        self.idle: set[socket.socket] = set()
        self.stopping = False
        super().__init__(address, Handler)

    def stop(self) -> None:
        """Take no new connections, end the idle ones, wait for the others."""
        self.stopping = True
        self.shutdown()
        for connection in tuple(self.idle):
            end_of_input(connection)
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients may hang up as they like
            LOG.exception("connection from %s", client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # head and body collect here and leave together
    timeout = 30

    def handle_one_request(self) -> None:
        self.server.idle.add(self.connection)
        if self.server.stopping:
            end_of_input(self.connection)
        super().handle_one_request()

    def parse_request(self) -> bool:
        self.server.idle.discard(self.connection)
        return super().parse_request()

    def finish(self) -> None:
        self.server.idle.discard(self.connection)
        super().finish()

    def handle_expect_100(self) -> bool:
        accepted = super().handle_expect_100()
        self.wfile.flush()
        return accepted

    def do_GET(self) -> None:
        try:
            reply = self.server.application(self.read_request())
        except Refused as refused:
            self.close_connection = True
            reply = as_json({"error": str(refused)}, refused.status)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            LOG.exception("%s %s", self.command, self.path)
            reply = as_json({"error": "a fault of this service: its log says more"}, 500)
        self.send(reply)

    do_HEAD = do_POST = do_GET

    def read_request(self) -> Request:
        body = self.read_body().decode("utf-8", "replace")
        try:
            form = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=20))
            path = urlsplit(self.path).path
        except ValueError as error:
            raise Refused(400, str(error)) from error
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        method = "GET" if self.command == "HEAD" else self.command
        return Request(method=method, path=path, form=form, cookies={name: value for name, _, value in pairs})

    def read_body(self) -> bytes:
        lengths = set(self.headers.get_all("Content-Length", ["0"]))
        length = lengths.pop()
        if "Transfer-Encoding" in self.headers:
            raise Refused(411, "send a Content-Length, not chunks")
        if lengths or not length.isdecimal():
            raise Refused(400, "Content-Length is not one number")
        if int(length) > BODY_LIMIT:
            self.rfile.read(min(int(length), DRAIN_LIMIT))  # unread input would reset the connection before the reply
            raise Refused(413, f"a body has at most {BODY_LIMIT} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the client hung up inside the body")
        return body

    def send(self, reply: Reply) -> None:
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", f"{reply.content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in reply.headers:
            self.send_header(name, value)
        if self.close_connection or self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def end_of_input(connection: socket.socket) -> None:
    """What has arrived is still read and answered; then the connection's thread sees its end."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)


def run(application: Application, *, name: str, port: int) -> None:
    """Serve on HOST and PORT (0: any free port) until SIGTERM or SIGINT."""
    service = Service((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", port))), application)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True).start()
    print(f"{name} listens on http://{service.server_address[0]!s}:{service.server_port}", flush=True)
    stop.wait()
    service.stop()
