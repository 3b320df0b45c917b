"""Reports that a puppetserver posts: who may, how large, and that none is lost or in the way of the others."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.web.conftest import ROOT, Server, command, serving, until

REPORT = "--- !ruby/object:Puppet::Transaction::Report\nhost: app{0}\nstatus: changed\ntime: '2026-11-26T06:00:00Z'\n"
CONFIG = """\
repositories: {{releases: {{driver: directory, path: {root}/releases, url: "http://127.0.0.1"}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
environments: {{integration: {{}}}}
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG.format(root=tmp_path))
    init = command("init", "--bare", "--config", str(tmp_path / "config.yaml"), str(tmp_path / "delivery.git"))
    assert init.returncode == 0, init.stderr
    return tmp_path / "delivery.git"


@pytest.fixture
def server(tmp_path: Path, repo: Path) -> Iterator[Server]:
    near = os.path.relpath(repo, ROOT)  # as somebody types it
    with serving(tmp_path / "home", "--delivery", near, "--reports-from", "127.0.0.0/8") as running:
        yield running


def secret(server: Server) -> tuple[str, str]:
    path = server.home / "secrets" / "reports"
    assert path.stat().st_mode & 0o777 == 0o600
    return "puppet", path.read_text().strip()


def post(server: Server, body: bytes | str, auth: tuple[str, str] | None) -> requests.Response:
    headers = {"Content-Type": "application/x-yaml"}
    return requests.post(f"{server.url}delivery/reports", data=body, auth=auth, headers=headers, timeout=30)


def log(server: Server) -> str:
    path = server.home / "logs" / "server.log"
    return path.read_text() if path.exists() else ""


def waiting(server: Server) -> list[Path]:
    return sorted((server.home / "reports").glob("*.yaml"))


def test_reports_of_the_puppetserver_reach_the_delivery_kit(server: Server) -> None:
    for number in range(3):
        answer = post(server, REPORT.format(number), secret(server))
        assert (answer.status_code, answer.text) == (200, "taken\n")
    assert post(server, "no report at all", secret(server)).status_code == 200
    until(lambda: not waiting(server), 60)
    log_text = log(server)
    for number in range(3):
        assert f"report of app{number} stranger" in log_text
    assert "unreadable" in log_text


def test_only_the_secret_lets_reports_in_and_it_opens_nothing_else(server: Server) -> None:
    user, word = secret(server)
    admin = ("admin", server.password("admin"))
    for auth in (None, (user, "wrong"), (user, ""), ("admin", word), admin, (user, word + "x")):
        assert post(server, REPORT.format(1), auth).status_code == 401
    for path in ("", "api/json", "delivery/", "delivery/reports/x", "computer/"):
        assert requests.get(f"{server.url}{path}?x", auth=(user, word), timeout=30).status_code == 401
    assert requests.get(f"{server.url}delivery/reports", auth=(user, word), timeout=30).status_code == 405
    assert not waiting(server) and not log(server)


def test_reports_are_taken_from_said_addresses_alone(tmp_path: Path, repo: Path) -> None:
    with serving(tmp_path / "home", "--delivery", str(repo), "--reports-from", "10.0.0.5") as server:
        answer = post(server, REPORT.format(1), secret(server))
        assert answer.status_code == 403 and "not taken from 127.0.0.1" in answer.text
        assert not waiting(server)
    with serving(tmp_path / "without", "--delivery", str(repo)) as server:
        assert post(server, REPORT.format(1), None).status_code == 403
        assert post(server, REPORT.format(1), ("admin", server.password("admin"))).status_code in (403, 404)
        assert not (server.home / "secrets" / "reports").exists()


def memory(server: Server) -> int:
    """The most that the server has had, in MB."""
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024


def test_a_report_of_50_mb_is_taken_in_constant_memory_and_a_larger_one_refused(server: Server) -> None:
    server.process.send_signal(signal.SIGCONT) if server.process else None
    before = memory(server)
    padding = b"# " + b"x" * (1 << 20) + b"\n"

    def body(megabytes: int) -> Iterator[bytes]:
        yield REPORT.format(1).encode()
        for _ in range(megabytes):
            yield padding

    for answer in (post(server, body(50), secret(server)), post(server, b"".join(body(50)), secret(server))):  # type: ignore[arg-type]
        assert answer.status_code == 200
    assert memory(server) - before < 40
    until(lambda: not waiting(server), 120)
    assert log(server).count("report of app1 stranger") == 2

    host = urlsplit(server.url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
    connection.putrequest("POST", "/delivery/reports")
    login = requests.auth._basic_auth_str(*secret(server))
    for name, value in (("Authorization", login), ("Content-Length", str(65 << 20))):
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    try:
        status = post(server, body(70), secret(server)).status_code  # type: ignore[arg-type]
    except requests.ConnectionError:  # it was closed while we still wrote
        status = 413
    assert status == 413
    assert list((server.home / "reports").iterdir()) == []


def test_a_report_that_was_taken_in_survives_a_crash(tmp_path: Path, repo: Path) -> None:
    options = ("--delivery", str(tmp_path / "nowhere.git"), "--reports-from", "127.0.0.1")
    with serving(tmp_path / "home", *options) as server:
        assert post(server, REPORT.format(7), secret(server)).status_code == 200
        until(lambda: "reports wait" in log(server), 60)
        known = secret(server)
        server.kill()
    assert len(waiting(server)) == 1
    (server.home / "reports" / ".half.part").write_text("half")
    with serving(tmp_path / "home", "--delivery", str(repo), "--reports-from", "127.0.0.1") as server:
        until(lambda: "report of app7 stranger" in log(server), 60)
        assert secret(server) == known and list((server.home / "reports").iterdir()) == []


def test_too_many_reports_are_refused_until_some_are_taken(tmp_path: Path) -> None:
    options = ("--delivery", str(tmp_path / "nowhere.git"), "--reports-from", "127.0.0.1")
    with serving(tmp_path / "home", *options) as server:
        for number in range(2000):
            (server.home / "reports" / f"{number:020}-x.yaml").touch()
        answer = post(server, REPORT.format(1), secret(server))
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "60"


def test_the_thread_that_takes_reports_is_shown(server: Server) -> None:
    nodes = requests.get(
        f"{server.url}computer/api/json?tree=workers[name,alive]", auth=("admin", server.password("admin")), timeout=30
    ).json()
    assert {"name": "reports", "alive": True} in [
        {key: worker[key] for key in ("name", "alive")} for worker in nodes["workers"]
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--reports-from", "10.0.0.5"), "--reports-from needs --delivery"),
        (("--reports-from", "app1", "--delivery", "."), "'app1' is neither an address nor a network"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = command("serve", "--home", str(tmp_path / "home"), "--port", "0", *words)
    assert done.returncode == 2 and message in done.stderr
