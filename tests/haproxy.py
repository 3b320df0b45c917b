"""A real HAProxy in front of two groups with one small server each."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from sluicegate.balancers.haproxy.runtime import HaproxyProcess
from sluicegate.balancers.haproxy.swap import HaproxyBalancer
from sluicegate.model.settings import Plain, Settings
from sluicegate.tools import sockets
from tests.parts import CONFIG, free_port, group_server, no_host, web_server
from tests.real.needs import needs, program

HEAD = """\
global
    hard-stop-after 5s
    stats socket {folder}/admin.sock mode 600 level admin
    stats socket {folder}/weak.sock mode 600 level user
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
frontend users
    bind 127.0.0.1:{port}
"""


@dataclass(kw_only=True)
class Haproxy:
    """One running HAProxy, below `folder`."""

    folder: Path
    url: str
    balancer: HaproxyBalancer
    process: subprocess.Popen[bytes]

    def reload(self) -> None:
        reload(self.process, self.balancer.processes[0])

    def worker(self) -> str:
        return worker(self.balancer.processes[0])


def reload(master: subprocess.Popen[bytes], runtime: HaproxyProcess) -> None:
    """Let a new worker take over, and wait until it answers."""
    before = worker(runtime)
    for _ in range(10):  # a master that has just started may not hear the first
        os.kill(master.pid, signal.SIGUSR2)
        with suppress(AssertionError):
            wait_until(lambda: worker(runtime) not in ("", before), seconds=2)
            return
    raise AssertionError("HAProxy was not reloaded")


def worker(runtime: HaproxyProcess) -> str:
    """The process number of the worker that answers on the socket, '' when none does."""
    try:
        answer = runtime.ask("show info")
    except Exception:  # between two workers nobody may listen; what it is does not matter
        return ""
    return next((line for line in answer.splitlines() if line.startswith("Pid:")), "")


def wait_until(true: object, seconds: float = 20.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def configured(folder: Path, url: str, **more: Plain) -> HaproxyBalancer:
    """The driver as sluicegate.yaml has it."""
    values: dict[str, Plain] = {
        "map": str(folder / "main.map"),
        "socket": str(folder / "admin.sock"),
        "address": url,
        "routes": {"auth": "/"},
        "sessions": "keep",
        "idle": "30 min",
        "life": "8 h",
    }
    wanted = {key: value for key, value in (values | more).items() if value != ""}
    return HaproxyBalancer.configure("production", Settings(where="x:1", values=wanted), CONFIG, no_host)


@contextmanager
def running(
    folder: Path, servers: dict[str, type[BaseHTTPRequestHandler]] | None = None, **more: Plain
) -> Iterator[Haproxy]:
    """HAProxy with the fragments that the driver prints, users on blue; ended by its process number."""
    needs("haproxy")
    with ExitStack() as stack:
        handlers = servers or {group: group_server(group) for group in ("blue", "green")}
        ports = {group: stack.enter_context(web_server(handler)) for group, handler in handlers.items()}
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        balancer = configured(folder, url, **more)
        (folder / "main.map").write_text("live blue\n")
        fragments = balancer.configuration({group: {"auth": [f"127.0.0.1:{p}"]} for group, p in ports.items()})
        rules, _, backends = fragments.partition("\nbackend ")
        text = f"{HEAD.format(folder=folder, port=port)}{rules}\nbackend {backends}"
        (folder / "haproxy.cfg").write_text(text)
        with (folder / "haproxy.log").open("wb") as log:
            process = subprocess.Popen(
                [program("haproxy"), "-W", "-db", "-f", folder / "haproxy.cfg"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        stack.callback(end, process)
        wait_until(lambda: process.poll() is None and sockets.listens("127.0.0.1", port))
        yield Haproxy(folder=folder, url=url, balancer=balancer, process=process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=20)
