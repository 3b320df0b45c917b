"""A real server process on a loopback port, in a temporary home."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jenkins
import pytest
import requests

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "sluicegate"]


def command(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of our commands to its end."""
    return subprocess.run(
        [*PROGRAM, *words], cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=60
    )


@dataclass
class Server:
    """A running `sluicegate serve`."""

    home: Path
    options: tuple[str, ...] = ()
    open_files: int = 0
    full: bool = False
    """Whether no file may grow from the start on, as on a full disk."""
    url: str = ""
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        words = [*PROGRAM, "serve", "--home", str(self.home), "--port", "0", "--user", "anna"]
        words += ["--user", "jobs=configure", *self.options]
        words += [
            "--builds-write",
            str(self.home.parents[1]),
        ]
        if self.open_files:
            words = ["sh", "-c", f'ulimit -n {self.open_files}; exec "$@"', "sh", *words]
        if self.full:
            words = ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh", *words]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Listening on "), line
        self.url = line.split()[-1]

    def kill(self) -> None:
        """As a crash would: no time to tidy."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def password(self, user: str) -> str:
        return (self.home / "secrets" / "passwords" / user).read_text().strip()

    def client(self, user: str = "admin") -> jenkins.Jenkins:
        return jenkins.Jenkins(self.url, username=user, password=self.password(user), timeout=20)

    def token(self, user: str = "admin") -> str:
        """A new API token."""
        session = requests.Session()
        session.auth = (user, self.password(user))
        crumb = session.get(f"{self.url}crumbIssuer/api/json").json()
        path = "me/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken"
        answer = session.post(self.url + path, headers={crumb["crumbRequestField"]: crumb["crumb"]})
        return str(answer.json()["data"]["tokenValue"])

    def session(self, user: str = "admin") -> requests.Session:
        """A session that logs in by token, as scripts do."""
        session = requests.Session()
        session.auth = (user, self.token(user))
        return session


@contextlib.contextmanager
def serving(home: Path, *options: str, open_files: int = 0) -> Iterator[Server]:
    server = Server(home, options, open_files)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("shared") / "home") as server:
        yield server


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A server of its own, for tests that break it."""
    with serving(tmp_path / "home") as server:
        yield server


@pytest.fixture
def name() -> str:
    """A job name that no other test uses."""
    return f"job-{uuid.uuid4().hex[:8]}"


def until(condition: Callable[[], object], seconds: float = 15) -> object:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return value


def ended(client: jenkins.Jenkins, job: str, number: int = 1) -> dict[str, object]:
    """The build's information once it has ended."""

    def look() -> dict[str, object] | None:
        try:
            info: dict[str, object] = client.get_build_info(job, number)
        except jenkins.JenkinsException:
            return None
        return None if info["building"] else info

    build_json = until(look)
    assert isinstance(build_json, dict)
    return build_json


@pytest.fixture(scope="session")
def any_input(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server that may be asked anything, and a login of its administrator (user:token, in base64)."""
    with serving(tmp_path_factory.mktemp("anything") / "home", "--executors", "1") as server:
        yield server, base64.b64encode(f"admin:{server.token()}".encode()).decode()
