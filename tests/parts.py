"""Small things that driver tests are made of: components, free ports, applications to deploy, web servers."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sluicegate.model.config import Component, Config, DriverSpec
from sluicegate.model.manifest import Release
from sluicegate.model.settings import Plain, Settings
from sluicegate.ports import Host
from sluicegate.tools import process, sockets
from sluicegate.tools.supervisor import Supervisor

AUTH = Component(name="auth", repository="releases", group="com.example")
PORTAL = Component(name="portal", repository="releases", group="com.example")
CONFIG = Config(
    repositories={},
    components={"auth": AUTH, "portal": PORTAL},
    environments={},
    hosts={"int1": DriverSpec(driver="local", settings=Settings(where="sluicegate.yaml:7"))},
    groups={"blue": ("app1",), "green": ("app3",)},
)

APP = """
import http.server, json, os
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open("answer").read().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), App).serve_forever()
"""


def settings(**values: Plain) -> Settings:
    return Settings(where="sluicegate.yaml:7", values=values)


_kept: list[socket.socket] = []


def free_port() -> int:
    """A port for a server that is still to be started; it is kept from all others until the tests end."""
    _kept.append(sockets.keep_port())
    return sockets.port_of(_kept[-1])


def no_host(name: str) -> Host:
    """For a balancer on this machine."""
    raise AssertionError(f"nobody asks for the host {name}")


PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
"""A Python that machines of tests have as well, which know nothing of the folder that ours lies in."""


def app_files(answer: str, command: str = f"{PYTHON} app.py") -> dict[str, str]:
    """An application that answers every request with `answer`."""
    return {"Procfile": f"web: {command}\n", "app.py": APP, "answer": answer}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def make_unlistable(folder: Path) -> None:
    """Folders below this one whose way is longer than any call to the system takes: nobody lists all, not even root."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(17):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def tar(path: Path, files: Mapping[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return path


def release(folder: Path, version: str, files: Mapping[str, str] | None = None, manifest: str = "") -> Release:
    """A release of auth whose application answers with its version."""
    place = folder / f"release-{version}-{manifest}"
    place.mkdir(exist_ok=True)
    name = f"auth-{version}.tar.gz"
    tar(place / name, app_files(json.dumps({"version": version})) if files is None else files)
    return Release(
        component="auth", version=version, manifest=manifest or version.encode().hex().ljust(64, "0"), folder=place,
        files=(name,),
    )  # fmt: skip


@contextmanager
def web_server(handler: type[BaseHTTPRequestHandler], port: int = 0, address: str = "127.0.0.1") -> Iterator[int]:
    """A web server in a thread; gives its port."""
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer((address, port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Replying(BaseHTTPRequestHandler):
    """Writes an answer with its length, and no log."""

    protocol_version = "HTTP/1.1"

    def reply(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None, *, length: int | None = None
    ) -> None:
        """Answer; with another `length` than the body's it is cut off."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = self.close_connection or bool(length)

    def log_message(self, *words: object) -> None:
        pass


def answering(body: bytes, status: int = 200, *, length: int | None = None) -> type[BaseHTTPRequestHandler]:
    """A server that answers every request with the same, whatever it is sent."""

    class Handler(Replying):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {"Location": "http://elsewhere.invalid/"} if 300 <= status < 400 else {}
            if length:  # of what is cut off
                headers["ETag"] = '"0123"'
            self.reply(body, status, headers, length=length)

        do_PUT = do_HEAD = do_GET

    return Handler


def group_server(group: str) -> type[BaseHTTPRequestHandler]:
    """An application that says its group and the path it was asked for, and logs in on /login."""
    cookies = {"/login": "session=secret; Path=/; HttpOnly", "/other": "language=sv; Path=/"}

    class Handler(Replying):
        def do_GET(self) -> None:
            body = json.dumps({"group": group, "path": self.path, "version": f"1.0-{group}"}).encode()
            self.reply(body, headers={"Set-Cookie": cookies[self.path]} if self.path in cookies else {})

        do_POST = do_GET

    return Handler


HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def typed(
    pages: Sequence[str], folder: Path, *, hosts: Sequence[str], seconds: float, within: Sequence[str] = (),
    **variables: str,
) -> str:  # fmt: skip
    """Type every shell block of these pages into one shell in the folder, and say what it printed.

    `within` are the words that start the shell elsewhere, such as `ip netns exec NAME`.

    Whatever went wrong, what was started in the background is ended, and the services of the folder's hosts.
    """
    blocks = [block for page in pages for block in SHELL_BLOCK.findall(page)]
    script = "set -eu\n" + "\n".join(f'{block}[ -z "${{!:-}}" ] || echo $! >> pids' for block in blocks)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder), **variables}
    try:
        done = subprocess.run(
            [*within, "bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    finally:
        for name in hosts:
            Supervisor(folder / "hosts" / name).shutdown()
        if (pids := folder / "pids").exists():
            for pid in dict.fromkeys(pids.read_text().split()):
                process.end(int(pid), seconds=10)


def available_memory() -> int:
    """Bytes of memory that new processes can have."""
    (line,) = (line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
