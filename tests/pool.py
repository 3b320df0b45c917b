"""A real HAProxy in front of a pool of small servers that say their version, and sessions that stay on one of them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from sluicegate.balancers.haproxy.pool import HaproxyPool
from sluicegate.config import read_config
from sluicegate.hosts.local import LocalHost
from sluicegate.model.settings import Plain, Settings
from sluicegate.tools import sockets
from tests.haproxy import HEAD, end, reload, wait_until
from tests.parts import HOW_TO, Replying, free_port, web_server
from tests.real.needs import needs, program

ORGANISATION = """
repositories: {{releases: {{driver: directory, path: /nonexistent}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
hosts: {{{hosts}}}
groups: {{web: [{names}]}}
environments:
  production: {{hosts: web, deploy: {{driver: archive}}, pool: {{driver: haproxy}}}}
"""


@dataclass
class Server:
    """One host's application: its version, how many requests it works on, the file that its health check reads."""

    name: str
    version: str = "1.0"
    delay: float = 0.0
    failing: float = 0.0
    flag: Path | None = None
    busy: int = 0
    answered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(Replying):
            def do_GET(self) -> None:
                if self.path == "/version":
                    flag_text = server.flag.read_text() if server.flag and server.flag.exists() else ""
                    self.answer({"": 200, "drain\n": 404}.get(flag_text, 503))
                    return
                with server.lock:
                    server.busy += 1
                    server.answered += 1
                try:
                    time.sleep(server.delay)
                    broken = server.failing and server.answered % round(1 / server.failing) == 0
                    self.answer(500 if broken else 200)
                finally:
                    with server.lock:
                        server.busy -= 1

            def answer(self, status: int) -> None:
                self.reply(json.dumps({"version": server.version, "host": server.name}).encode(), status)

        return Handler


@dataclass(kw_only=True)
class Pooled:
    """A running HAProxy with its pool, below `folder`; `servers` by the name of their host."""

    folder: Path
    url: str
    pool: HaproxyPool
    servers: Mapping[str, Server]
    ports: Mapping[str, int]
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def restart(self) -> None:
        """As after a crash: the next process knows only what stands in its files."""
        self.process.kill()
        self.process.wait(timeout=20)
        wait_until(lambda: not sockets.listens("127.0.0.1", self.port))
        self.process = started(self.folder)
        wait_until(lambda: sockets.listens("127.0.0.1", self.port))

    def reload(self) -> None:
        """Its `master` starts another worker, which takes over; the one before ends what it is at."""
        reload(self.process, self.pool.processes[0])

    def leads(self) -> set[str]:
        """The hosts that new users reach."""
        import requests

        return {str(requests.get(self.url, timeout=5).json()["host"]) for _ in range(4 * len(self.ports))}


def configured(folder: Path, url: str, names: list[str], **more: Plain) -> HaproxyPool:
    """The driver as sluicegate.yaml has it; each host is a folder."""
    hosts = ", ".join(f"{name}: {{driver: local}}" for name in names)
    config = read_config(ORGANISATION.format(hosts=hosts, names=", ".join(names)).encode())
    values: dict[str, Plain] = {
        "servers": str(folder / "production.cfg"), "socket": str(folder / "admin.sock"), "address": url,
        "routes": {"auth": "/"}, "sessions": "keep", "idle": "1 s", "life": "2 s",
    }  # fmt: skip
    wanted = {key: value for key, value in (values | more).items() if value != ""}

    def host(name: str) -> LocalHost:
        (folder / name).mkdir(exist_ok=True)
        return LocalHost(name=name, folder=folder / name, ports={})

    return HaproxyPool.configure("production", Settings(where="x:1", values=wanted), config, host)


def addresses(names: Sequence[str], *, apart: bool) -> dict[str, str]:
    """Where each host is: all on one loopback address, or `apart`, each on one of its own."""
    return {name: f"127.0.0.{number if apart else 1}" for number, name in enumerate(names, start=2)}


@contextmanager
def agents(folder: Path, names: Sequence[str], port: int) -> Iterator[None]:
    """The agent of docs/how-to/rollout.md on every host, each below a folder of its own, as systemd starts it."""
    needs("systemd-socket-activate")
    page = HOW_TO.joinpath("rollout.md").read_text()
    (line,) = re.findall(r"^ExecStart=(/bin/sh -c .*)$", page, re.MULTILINE)
    (path,) = re.findall(r"^\| `file` .*`(/\S+)`", page, re.MULTILINE)
    with ExitStack() as stack:
        for name, address in addresses(names, apart=True).items():
            words = shlex.split(line.replace(path, str(folder / name / "drained")))
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            place = f"{address}:{port}"
            agent = subprocess.Popen(
                ["systemd-socket-activate", "--accept", "--inetd", f"--listen={place}", *words], stdout=log, stderr=log
            )
            stack.callback(end, agent)
            wait_until(lambda address=address: sockets.listens(address, port))  # type: ignore[misc]
        yield


def started(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    with (folder / "haproxy.log").open("ab") as log:
        return subprocess.Popen(
            [program("haproxy"), *options, "-db", "-f", folder / "haproxy.cfg", "-f", folder / "production.cfg"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


@contextmanager
def running(
    folder: Path,
    names: list[str],
    ports: Mapping[str, int] | None = None,
    *,
    master: bool = False,
    apart: bool = False,
    **more: Plain,
) -> Iterator[Pooled]:
    """HAProxy with the fragments that the driver prints, every host ready; ended by its process number.

    `ports` are those of servers that run already, by the name of their host, each on its own address where they are
    `apart`; with a `master` HAProxy can be reloaded.
    """
    needs("haproxy")
    with ExitStack() as stack:
        at = addresses(names, apart=apart)
        servers = {name: Server(name) for name in names} if ports is None else {}
        ports = ports or {
            name: stack.enter_context(web_server(server.handler(), 0, at[name])) for name, server in servers.items()
        }
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        pool = configured(folder, url, names, **more)
        upstreams = {"auth": {name: f"{at[name]}:{number}" for name, number in ports.items()}}
        rules, _, backends = pool.configuration(upstreams).partition("\nbackend ")
        (folder / "haproxy.cfg").write_text(f"{HEAD.format(folder=folder, port=port)}{rules}\n")
        (folder / "production.cfg").write_text(f"backend {backends}")
        process = started(folder, *["-W"] * master)
        pooled = Pooled(folder=folder, url=url, pool=pool, servers=servers, ports=ports, process=process)
        stack.callback(lambda: end(pooled.process))
        wait_until(lambda: pooled.process.poll() is None and sockets.listens("127.0.0.1", port))
        wait_until(lambda: all(serving.serves for serving in pool.survey().values()))
        yield pooled
