"""The ssh driver against OpenSSH's own server: what its errors mean, and one connection a host."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.errors import ConfigError, Denied, RemoteUnavailable, TimedOut
from sluicegate.hosts.ssh import SshHost, connection
from sluicegate.model.settings import Plain
from sluicegate.tools import process
from sluicegate.tools.parallel import each
from tests.parts import CONFIG, settings, write
from tests.sshd import Sshd, serving

pytestmark = pytest.mark.real


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    with serving(tmp_path / "sshd", monkeypatch) as server:
        yield server


def test_a_program_gets_its_words_and_gives_its_status(sshd: Sshd) -> None:
    done = sshd.host().run(["sh", "-c", 'cat; printf "%s|" "$@"; exit 7', "sh", "a b", "it's $HOME"], stdin=b"in ")
    assert (done.status, done.stdout) == (7, b"in a b|it's $HOME|")


def test_files_go_there_and_come_back(sshd: Sshd, tmp_path: Path) -> None:
    host = sshd.host()
    host.send(write(tmp_path / "one", {"a": "1", "deep/b": "2"}), "apps/auth/1")
    host.link("apps/auth/current", "apps/auth/1")
    assert host.read("apps/auth/current/deep/b") == b"2"
    host.remove("apps/auth/1")
    assert host.read("apps/auth/current/deep/b") is None


def test_all_commands_of_a_host_share_one_connection(sshd: Sshd) -> None:
    host = sshd.host()
    for _ in range(5):
        assert host.run(["true"]).status == 0
    assert sshd.connections == 1


def test_a_command_that_ends_with_255_has_ended_and_is_no_broken_connection(sshd: Sshd) -> None:
    assert sshd.host().run(["sh", "-c", "echo no >&2; exit 255"]).status == 255


def test_a_command_that_hangs_is_timed_out_and_the_next_one_works(sshd: Sshd) -> None:
    host = sshd.host()
    host.run(["true"])
    with pytest.raises(TimedOut, match="'app1' did not end a command within 1 seconds"):
        host.run(["sleep", "60"], timeout=1.0)
    assert host.run(["true"]).status == 0


def test_a_connection_that_breaks_between_commands_is_made_again(sshd: Sshd) -> None:
    host = sshd.host()
    host.run(["true"])
    for server in sshd.running:
        process.kill_tree(server.pid)  # also what it has forked, where it does not run as root
        server.wait()
    deadline = time.monotonic() + 30
    while host.connection._master and host.connection._master.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert host.run(["true"]).status == 0


def test_a_connection_that_breaks_in_the_middle_of_a_command_is_told(sshd: Sshd) -> None:
    host = sshd.host()
    with pytest.raises(RemoteUnavailable, match="the connection to the host 'app1' broke"):
        host.run(["sh", "-c", "kill -9 $PPID; sleep 5"])


def test_a_server_that_drops_us_before_we_are_logged_in_is_tried_again(sshd: Sshd) -> None:
    sshd.greet = lambda number, connection: number > 2
    assert sshd.host().run(["true"]).status == 0
    assert sshd.connections == 3


def test_a_server_that_bans_us_is_not_tried_again(sshd: Sshd) -> None:
    def ban(number: int, connection: socket.socket) -> bool:
        connection.sendall(b"Not allowed at this time\r\n")
        return False

    sshd.greet = ban
    with pytest.raises(RemoteUnavailable, match="has banned us for a while"):
        sshd.host().run(["true"])
    assert sshd.connections == 1


def test_a_key_that_is_refused_is_tried_once(sshd: Sshd) -> None:
    sshd.make_key("user")
    with pytest.raises(Denied, match="refuses our key"):
        sshd.host().run(["true"])
    assert sshd.connections == 1


def test_another_host_key_is_told_and_nothing_is_run(sshd: Sshd) -> None:
    sshd.make_key("host")
    with pytest.raises(Denied, match="host key has changed"):
        sshd.host().run(["true"])
    sshd.folder.joinpath("known_hosts").write_text("")
    with pytest.raises(Denied, match="host key is unknown"):
        sshd.host().run(["true"])


def test_a_name_that_nobody_knows_is_told(sshd: Sshd) -> None:
    with pytest.raises(RemoteUnavailable, match="its name is unknown"):
        sshd.host(address="nobody.invalid").run(["true"])


def test_a_port_where_nobody_listens_is_told(sshd: Sshd) -> None:
    sshd.stop_listening()
    with pytest.raises(RemoteUnavailable, match="refuses connections"):
        sshd.host().run(["true"])


def test_a_server_that_says_nothing_is_not_waited_for(sshd: Sshd) -> None:
    kept: list[socket.socket] = []

    def hang(number: int, connection: socket.socket) -> bool:
        kept.append(connection.dup())
        return False

    sshd.greet = hang
    with pytest.raises(RemoteUnavailable, match="did not answer in time"):
        sshd.host().run(["true"], timeout=1.0)
    for client in kept:
        client.close()


def test_many_hosts_start_no_more_connections_at_once_than_a_server_takes(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, most = 0, 0
    begin = connection._begin

    def counted(*words: object) -> object:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        try:
            return begin(*words)  # type: ignore[arg-type]
        finally:
            waiting -= 1

    monkeypatch.setattr(connection, "_begin", counted)
    names = [f"app{number}" for number in range(12)]
    results = each(names, lambda name: sshd.host(name).run(["true"], timeout=120.0).status, 12)
    assert (dict(results.failed), set(results.done.values())) == ({}, {0})
    assert most <= connection.STARTING_AT_ONCE


def test_no_connection_outlives_its_process_even_a_killed_one(sshd: Sshd) -> None:
    script = (
        "import os, sys; from tests.sshd import CONFIG, settings; from sluicegate.hosts.ssh import SshHost\n"
        f"words = settings(address='127.0.0.1', port='{sshd.port}', folder='{sshd.folder}/h')\n"
        "host = SshHost.configure('a', words, CONFIG)\n"
        "host.run(['true']); print(host.connection._master.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    master = Path(f"/proc/{int(printed.stdout)}/cmdline")
    deadline = time.monotonic() + 20
    while master.exists() and master.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not (master.exists() and master.read_bytes())


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "-oProxyCommand=touch x"},
        {"address": "a b"},
        {"user": "-l"},
        {"user": "a;b"},
        {"jump": "-oProxyCommand=x"},
        {"port": "70000"},
        {"folder": "-rf"},
        {"adress": "a"},
    ],
)
def test_what_ssh_could_take_for_an_option_is_a_mistake_of_the_configuration(wrong: dict[str, Plain]) -> None:
    with pytest.raises(ConfigError, match=r"sluicegate\.yaml:7"):
        SshHost.configure("app1", settings(**wrong), CONFIG)


def test_a_host_s_name_that_looks_like_an_option_is_refused_as_its_address() -> None:
    with pytest.raises(ConfigError, match="'address' is"):
        SshHost.configure("-oProxyCommand=x", settings(), CONFIG)
