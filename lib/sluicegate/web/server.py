"""Starts and stops the web server around a runner."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

import uvicorn

from sluicegate.errors import UsageError
from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.web.app import Application
from sluicegate.web.connection import MOST, Connection
from sluicegate.web.delivery import Delivery
from sluicegate.web.reports import Reports
from sluicegate.web.routes import Routes
from sluicegate.web.tls import Certificate

OTHER_FILES = 1000
"""What else is open: files that are read and written, pipes of builds."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, before anything else is done: a taken port must not touch the home. Port 0: any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that do; without it a reply takes 44 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as problem:
        listening.close()
        raise UsageError(
            f"cannot listen on {host} port {port}: {problem.strerror}", hint="choose another --port"
        ) from problem
    listening.listen(2048)
    return listening


class Kept(RotatingFileHandler):
    """A log; what it has no room for stands on stderr alone."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def log_to(home: Path) -> None:
    """Send warnings and worse to stderr and to HOME/logs/server.log, and keep three of these, 5 MB each."""
    folder = home / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = Kept(folder / "server.log", maxBytes=5_000_000, backupCount=3, encoding="utf-8", delay=True)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, handlers=[logging.StreamHandler(), kept], force=True)


def serve(
    runner: Runner,
    listening: socket.socket,
    *,
    hosts: frozenset[str] = frozenset(),
    delivery: Delivery | None = None,
    started: Callable[[], None] = lambda: None,
    tls: Certificate | None = None,
    reports: Reports | None = None,
) -> None:
    """Answer requests until SIGINT or SIGTERM; then stop the builds and keep the queue."""
    triggers = Triggers(runner)
    application = Application(Routes(runner, triggers, delivery), hosts=hosts, reports=reports)
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        http=tls.protocol if tls else Connection,  # type: ignore[arg-type]
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    # A list of thousands of jobs keeps the interpreter busy: the others get their turn after 1 ms, not 5.
    sys.setswitchinterval(0.001)
    Connection.most = _allow_descriptors()
    runner.start()
    triggers.start()
    if reports is not None:
        reports.worker.start()
    _settle()
    with _asked_to_end(server), _asked_to_renew(server, tls):
        started()
        try:
            server.run(sockets=[listening])
        finally:
            if delivery is not None:
                delivery.close()
            if reports is not None:
                reports.stop()
            triggers.stop()
            runner.stop()


def _settle() -> None:
    """Let the collector pass over what was loaded until now, which stays: looking at it all would stop everybody.

    A full collection took 30 ms of the processor with 200 jobs, and 70 ms with 5,000; requests leave few cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@contextmanager
def _asked_to_end(server: uvicorn.Server) -> Iterator[None]:
    """End the server by SIGINT and SIGTERM from now on, also before it hears them itself; pass them on at the end.

    An exception out of a signal's handler is lost wherever Python cannot raise one, as in the call of a weak reference.
    """
    signals: list[int] = []

    def end(number: int, _: object) -> None:
        signals.append(number)
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signals:
        signal.raise_signal(signals[0])


@contextmanager
def _asked_to_renew(server: uvicorn.Server, tls: Certificate | None) -> Iterator[None]:
    """Read the certificate anew by SIGHUP; whose terminal has gone ends as by SIGTERM."""
    at_terminal = os.isatty(0)

    def heard(_: int, __: object) -> None:
        if at_terminal:
            server.should_exit = True
        elif tls is not None:
            # A handler must not log: it may have come in the middle of that.
            threading.Thread(target=tls.renew, name="certificate").start()

    before = signal.signal(signal.SIGHUP, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _allow_descriptors() -> int:
    """Let the process open as many files as all connections need, as far as the system lets it; how many it may have.

    Where it lets it open fewer, half of them are for connections: without files nothing is built, read or written.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + OTHER_FILES
    possible = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and possible > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    most = min(MOST, max(possible - OTHER_FILES, possible // 2))
    if most < MOST:
        message = "this process may open %d files only: at most %d connections at a time (raise ulimit -Hn to %d)"
        logging.getLogger(__name__).warning(message, possible, most, wanted)
    return most


def home_url(listening: socket.socket, host: str, url: str, scheme: str = "http") -> str:
    """The root URL for builds: the configured one, else where the server listens."""
    if url:
        return url.rstrip("/") + "/"
    port = listening.getsockname()[1]
    shown = (
        "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    )
    return f"{scheme}://{shown}:{port}/"


def default_home() -> Path:
    return Path.home() / ".sluicegate" / "runner"
