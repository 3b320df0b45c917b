"""The keeper of a local host: its supervisord, its ports, and the build that must not be its parent."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from sluicegate.deployers.keepers import keeper
from sluicegate.errors import ConfigError, NotFound, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.hosts.local import LocalHost
from sluicegate.model.settings import Plain
from sluicegate.model.values import Service
from sluicegate.tools import process, sockets, supervisor
from sluicegate.tools.supervisor import Supervisor
from tests.parts import CONFIG, app_files, free_port, settings, write

SERVICE = Service(name="auth", command=f"{sys.executable} app.py", folder="app")


class Served:
    """A local host with the keeper of its services."""

    def __init__(self, folder: Path, *components: str) -> None:
        write(folder / "app", app_files("hello"))
        variables = {"int1": {"GREETING": "50 % ; 'quoted' \"twice\" # $HOME"}}
        self.folder = folder
        self.ports = {component: free_port() for component in components or ("auth",)}
        self.host = LocalHost(name="int1", folder=folder, ports=self.ports, where="sluicegate.yaml:7")
        self.keeper = keeper(self.host, replace(CONFIG, variables=variables))
        self.supervisor = Supervisor(folder)

    def restart(self, service: Service) -> None:
        self.keeper.restart(service)

    def address(self, component: str) -> str:
        return self.host.address(component)

    def shutdown(self) -> None:
        self.supervisor.shutdown()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Served]:
    host = Served(tmp_path / "a [host] ; 100% #1 \"q\" 'r' \\", "auth", "portal")
    yield host
    host.shutdown()


def service_pid(host: Served, name: str = "auth") -> int:
    server = host.supervisor._server()
    assert server is not None
    return int(server.supervisor.getProcessInfo(name)["pid"])  # type: ignore[call-overload, index]


def environment(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def test_services_carry_their_environment_and_no_mark_of_the_build(
    host: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BUILD_ID", "JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "of the build")
    host.restart(SERVICE)
    pid = service_pid(host)
    variables = environment(pid)
    assert variables["PORT"] == str(host.ports["auth"])
    assert variables["HOST"] == "127.0.0.1"
    assert variables["GREETING"] == "50 % ; 'quoted' \"twice\" # $HOME"
    assert "of the build" not in variables.values()
    assert os.getsid(pid) != os.getsid(0)
    assert all(name.startswith(("/dev/null", "pipe:", "socket:")) for name in _files(pid))


def _files(pid: int) -> set[str]:
    return {os.readlink(f"/proc/{pid}/fd/{handle}") for handle in os.listdir(f"/proc/{pid}/fd")}


def answer(host: Served) -> str | None:
    try:
        return requests.get(host.address("auth"), timeout=5).text
    except requests.ConnectionError:
        return None


def test_a_service_runs_in_its_folder_until_it_is_stopped(host: Served) -> None:
    host.restart(SERVICE)
    assert answer(host) == "hello"
    for _ in range(2):
        host.keeper.stop("auth")
        assert answer(host) is None


def test_restarting_replaces_the_running_service(host: Served) -> None:
    for text in ("first", "second", "third"):
        write(host.folder / text, app_files(text))
        host.restart(Service(name="auth", command=SERVICE.command, folder=text))
        assert answer(host) == text


def test_a_service_that_dies_is_started_again(host: Served) -> None:
    host.restart(SERVICE)
    while not _running(host):
        time.sleep(0.02)
    first = service_pid(host)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while service_pid(host) in (first, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert service_pid(host) not in (first, 0)


def _running(host: Served) -> bool:
    server = host.supervisor._server()
    assert server is not None
    return supervisor._state(server, "auth") == "RUNNING"


def test_children_of_a_service_end_with_it(host: Served) -> None:
    command = f"sh -c 'sleep 1000 & echo $! > child; exec {sys.executable} app.py'"
    host.restart(Service(name="auth", command=command, folder="app"))
    child = int((host.folder / "app/child").read_text())
    assert process.command_line(child).startswith("sleep")
    host.keeper.stop("auth")
    deadline = time.monotonic() + 5
    while process.command_line(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.command_line(child) == ""


def test_the_last_lines_of_a_failed_start_are_told_and_no_older_ones(host: Served) -> None:
    for text in ("old trouble", "new trouble"):
        with pytest.raises(SluicegateError, match="ended at once") as caught:
            host.restart(Service(name="auth", command=f"sh -c 'echo {text}; exit 3'", folder="app"))
        assert text in str(caught.value)
    assert "old" not in str(caught.value)


@pytest.mark.parametrize("command", ["no-such-program", "./app.py", "'unbalanced"])
def test_a_command_that_cannot_run_is_told(host: Served, command: str) -> None:
    with pytest.raises(SluicegateError, match="ended at once"):
        host.restart(Service(name="auth", command=command, folder="app"))


def test_a_busy_port_is_recognised_before_the_start(host: Served) -> None:
    message = rf"port {host.ports['auth']} on 127\.0\.0\.1 is in use by another program"
    with socket.create_server(("127.0.0.1", host.ports["auth"])), pytest.raises(UsageError, match=message):
        host.restart(SERVICE)
    assert not (host.folder / "supervisor/services/auth.sh").exists()
    host.restart(SERVICE)


def test_a_component_without_a_port_is_not_found_by_an_error_that_names_the_place(host: Served) -> None:
    with pytest.raises(NotFound, match="no port for 'web'") as caught:
        host.restart(Service(name="web", command="x", folder="app"))
    assert "sluicegate.yaml:7" in caught.value.hint


def test_two_services_started_at_once_share_one_supervisord(host: Served) -> None:
    problems: list[Exception] = []

    def start(name: str) -> None:
        try:
            host.restart(Service(name=name, command=SERVICE.command, folder="app"))
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=start, args=(name,)) for name in ("auth", "portal")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert [requests.get(host.address(name), timeout=5).text for name in ("auth", "portal")] == ["hello", "hello"]


def test_after_a_shutdown_the_next_start_brings_all_services_back(host: Served) -> None:
    for name in ("auth", "portal"):
        host.restart(Service(name=name, command=SERVICE.command, folder="app"))
    pids = [service_pid(host, name) for name in ("auth", "portal")]
    host.shutdown()
    host.shutdown()
    assert [process.command_line(pid) for pid in pids] == ["", ""]
    host.restart(SERVICE)
    assert requests.get(host.address("auth"), timeout=5).text == "hello"
    assert service_pid(host, "portal") > 0


def test_a_folder_too_long_for_a_socket_works_the_same(tmp_path: Path) -> None:
    host = Served(tmp_path / ("deep" * 20) / ("deeper" * 10))
    try:
        host.restart(SERVICE)
        host.restart(SERVICE)
        assert requests.get(host.address("auth"), timeout=5).text == "hello"
        assert len(os.fsencode(host.supervisor.socket)) > 150
    finally:
        host.shutdown()
    assert not host.supervisor.socket.exists()


def test_a_supervisord_whose_socket_is_gone_is_not_started_twice(host: Served) -> None:
    host.restart(SERVICE)
    host.supervisor.socket.unlink()
    with pytest.raises(RemoteUnavailable, match=r"its socket .* is gone") as caught:
        host.restart(SERVICE)
    assert "kill -HUP" in caught.value.hint


def is_free(port: int) -> bool:
    try:
        sockets.check_free("127.0.0.1", port)
    except UsageError:
        return False
    return True


def test_a_killed_supervisord_is_replaced(host: Served) -> None:
    host.restart(SERVICE)
    service = service_pid(host)
    pid = host.supervisor._pid()
    os.kill(pid, signal.SIGKILL)
    while process.command_line(pid):
        time.sleep(0.01)
    with pytest.raises(UsageError, match="in use"):
        host.restart(SERVICE)  # its orphan still has the port
    port = int(host.address("auth").rpartition(":")[2])
    os.kill(service, signal.SIGKILL)
    while not is_free(port):  # a killed process loses its memory, and so its command line, before its sockets
        time.sleep(0.01)
    host.restart(SERVICE)
    assert requests.get(host.address("auth"), timeout=5).text == "hello"


def test_a_pid_file_left_behind_stops_nobody_else(host: Served) -> None:
    write(host.folder / "supervisor", {"supervisord.pid": str(os.getpid())})
    host.shutdown()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"folder": "var/host"}, "absolute path"),
        ({"folder": "/srv", "ports": {"auth": "70000"}}, "expected 1 to 65535"),
        ({"folder": "/srv", "ports": {"auth": "http"}}, "whole number"),
        ({"folder": "/srv", "port": "80"}, "Did you mean 'ports'"),
    ],
)
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        LocalHost.configure("int1", settings(**wrong), CONFIG)
    assert str(caught.value).startswith("sluicegate.yaml:7: ")
