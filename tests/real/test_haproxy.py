"""The swap at a real HAProxy: nothing lost, nothing undone by a reload, every fault told with what to do."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from sluicegate.errors import ConfigError, Conflict, Denied, NotFound, RemoteUnavailable
from sluicegate.hosts.local import LocalHost
from sluicegate.tools import door
from tests.crowd import Crowd
from tests.haproxy import Haproxy, configured, running, wait_until
from tests.parts import group_server
from tests.real.needs import needs, program

pytestmark = pytest.mark.real
AUTH = {"blue": {"auth": ["127.0.0.1:1"]}, "green": {"auth": ["127.0.0.1:2"]}}


class Killed(BaseException):
    """The process is dead."""


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[Haproxy]:
    with running(tmp_path) as served:
        yield served


def reached(haproxy: Haproxy, **options: object) -> str:
    return str(requests.get(haproxy.url, timeout=5, **options).json()["group"])  # type: ignore[arg-type]


def test_fifty_swaps_under_load_lose_no_request(haproxy: Haproxy) -> None:
    needs("wrk")
    load = subprocess.Popen(["wrk", "-t1", "-c20", "-d12s", haproxy.url], stdout=subprocess.PIPE, text=True)
    for number in range(50):
        time.sleep(0.2)
        haproxy.balancer.switch(("green", "blue")[number % 2], keep_sessions=number % 3 == 0)
    printed = load.communicate(timeout=60)[0]
    count = re.search(r"([0-9]+) requests in", printed)
    assert count, printed
    assert int(count[1]) > 100
    assert "Socket errors" not in printed
    assert "Non-2xx" not in printed


@pytest.mark.parametrize("phase", ["write", "prepare", "add", "show"])
def test_a_reload_in_any_phase_of_a_swap_changes_nothing(haproxy: Haproxy, phase: str) -> None:
    haproxy.balancer.switch("blue", keep_sessions=False)
    reloaded: list[str] = []

    def reload(name: str) -> None:
        step = "write" if name.startswith("rename") else name.rpartition(" ")[2]
        if step == phase and not reloaded:
            reloaded.append(name)
            haproxy.reload()

    door.watcher = reload
    haproxy.balancer.switch("green", keep_sessions=True)
    door.watcher = None
    assert reloaded
    assert haproxy.balancer.live() == reached(haproxy) == "green"
    haproxy.reload()
    assert haproxy.balancer.live() == reached(haproxy) == "green"


def test_fifty_swaps_each_with_a_reload_in_one_of_its_phases_lose_no_request(haproxy: Haproxy) -> None:
    phases = ("write", "prepare", "add", "show")
    crowd, reloads = Crowd([]), [0]
    with crowd.serving({}):
        crowd.arrive(int(haproxy.url.rpartition(":")[2]), 40, 0.1, anew=20)
        for number in range(50):
            due = [phases[number % 4]]

            def reload(name: str, due: list[str] = due) -> None:
                if due and due[0] == ("write" if name.startswith("rename") else name.rpartition(" ")[2]):
                    due.clear()
                    haproxy.reload()
                    reloads[0] += 1

            side = ("green", "blue")[number % 2]
            door.watcher = reload
            try:
                haproxy.balancer.switch(side, keep_sessions=False)
            finally:
                door.watcher = None
            assert haproxy.balancer.live() == reached(haproxy) == side
        crowd.leave()
    assert reloads == [50]
    assert [answer for user in crowd.users for answer in user.lost] == []
    assert sum(len(user.cut) for user in crowd.users) <= 7 * 50, "what a reload cuts by itself, on kept connections"
    assert sum(len(user.spans) for user in crowd.users) > 500


def test_a_swap_that_was_killed_behind_its_file_is_seen_and_can_be_made_good(haproxy: Haproxy) -> None:
    def kill(name: str) -> None:
        if name.endswith(" prepare"):
            raise Killed(name)

    door.watcher = kill
    with pytest.raises(Killed):
        haproxy.balancer.switch("green", keep_sessions=False)
    door.watcher = None
    assert reached(haproxy) == "blue"
    with pytest.raises(Conflict, match=r"production: blue; the map file .* of production: green"):
        haproxy.balancer.live()
    haproxy.balancer.switch("blue", keep_sessions=False)
    assert haproxy.balancer.live() == "blue"
    haproxy.reload()
    assert reached(haproxy) == "blue"


def test_a_killed_haproxy_comes_back_on_the_side_that_was_live(haproxy: Haproxy) -> None:
    haproxy.balancer.switch("green", keep_sessions=True)
    haproxy.process.kill()
    haproxy.process.wait(timeout=10)
    with pytest.raises(RemoteUnavailable, match="says nothing"):
        haproxy.balancer.live()
    wait_until(lambda: haproxy.worker() == "")
    haproxy.process = subprocess.Popen([program("haproxy"), "-W", "-db", "-f", haproxy.folder / "haproxy.cfg"])
    try:
        wait_until(lambda: haproxy.worker() != "")
        assert haproxy.balancer.live() == reached(haproxy) == "green"
    finally:
        haproxy.process.terminate()
        haproxy.process.wait(timeout=20)


def test_testers_reach_the_idle_side_through_the_users_address_while_the_preview_is_on(haproxy: Haproxy) -> None:
    asking, cookie = {"X-Sluicegate-Preview": "on"}, {"sluicegate-preview": "on"}
    assert reached(haproxy, headers=asking) == "blue"
    haproxy.balancer.preview(True)
    assert (reached(haproxy, headers=asking), reached(haproxy, cookies=cookie)) == ("green", "green")
    assert reached(haproxy) == "blue"
    assert reached(haproxy, headers={"X-Sluicegate-Preview": "off"}, cookies=cookie) == "blue"
    haproxy.balancer.switch("green", keep_sessions=False)
    assert (reached(haproxy), reached(haproxy, headers=asking)) == ("green", "green")


def test_the_probe_goes_to_the_live_side_whatever_cookie_there_is(haproxy: Haproxy) -> None:
    (address,) = haproxy.balancer.addresses("auth")
    stays = requests.get(haproxy.url, timeout=5).cookies
    haproxy.balancer.switch("green", keep_sessions=True)
    assert reached(haproxy, cookies=stays) == "blue"
    assert requests.get(f"{address}/version", cookies=stays, timeout=5).json()["version"] == "1.0-green"


class Streaming(group_server("blue")):  # type: ignore[misc]
    """Answers with the head of a stream that does not end."""

    ended = threading.Event()

    def do_GET(self) -> None:
        if self.path != "/stream":
            super().do_GET()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.ended.wait(30)


@contextmanager
def streaming(tmp_path: Path) -> Iterator[tuple[Haproxy, socket.socket]]:
    """An HAProxy with a stream of the live side that is open."""
    Streaming.ended.clear()
    servers: dict[str, type[BaseHTTPRequestHandler]] = {"blue": Streaming, "green": group_server("green")}
    with running(tmp_path, servers) as haproxy:
        with socket.create_connection(("127.0.0.1", int(haproxy.url.rpartition(":")[2])), timeout=20) as stream:
            stream.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in stream.recv(1000)
            yield haproxy, stream
        Streaming.ended.set()


def test_a_stream_that_is_open_to_the_old_side_ends_with_its_sessions(tmp_path: Path) -> None:
    with streaming(tmp_path) as (haproxy, stream):
        haproxy.balancer.switch("green", keep_sessions=True)
        stream.settimeout(0.5)
        with pytest.raises(TimeoutError):
            stream.recv(1000)
        stream.settimeout(20)
        haproxy.balancer.release()
        assert stream.recv(1000) == b""


def test_a_reload_leaves_a_stream_to_a_process_that_no_socket_shows_until_its_hard_stop(tmp_path: Path) -> None:
    with streaming(tmp_path) as (haproxy, stream):
        assert haproxy.balancer.processes[0].sessions()["blue_auth/blue.1"] == 1
        haproxy.reload()
        assert haproxy.balancer.processes[0].sessions()["blue_auth/blue.1"] == 0
        assert stream.recv(1000) == b"", "five seconds later, as haproxy.cfg says"


def test_a_socket_that_may_not_change_anything_refuses_before_the_file_is_written(tmp_path: Path) -> None:
    with running(tmp_path) as haproxy:
        weak = configured(tmp_path, haproxy.url, socket=str(tmp_path / "weak.sock"))
        with pytest.raises(Denied, match="has the level 'user'"):
            weak.switch("green", keep_sessions=False)
        assert haproxy.balancer.live() == "blue"


def test_a_map_that_haproxy_does_not_use_refuses_before_anything_is_written(tmp_path: Path) -> None:
    with running(tmp_path) as haproxy:
        unused_map = tmp_path / "other.map"
        unused_map.write_text("live blue\n")
        wrong = configured(tmp_path, haproxy.url, map=str(unused_map))
        with pytest.raises(Conflict, match=r"uses no map .*other\.map"):
            wrong.switch("green", keep_sessions=False)
        assert unused_map.read_text() == "live blue\n"


def test_a_map_that_was_edited_by_hand_is_told_with_both_answers(haproxy: Haproxy) -> None:
    (haproxy.folder / "main.map").write_text("live green\n")
    with pytest.raises(Conflict, match="production: blue; the map file"):
        haproxy.balancer.live()
    (haproxy.folder / "main.map").write_text("live blue\nlive green\n")
    with pytest.raises(Conflict, match="says 'live' twice"):
        haproxy.balancer.live()
    (haproxy.folder / "main.map").unlink()
    with pytest.raises(NotFound, match="so no group is live"):
        haproxy.balancer.live()


def test_two_balancers_that_disagree_are_named_and_a_switch_makes_them_equal(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with running(folders[0]) as first, running(folders[1]) as two:
        both = type(first.balancer)(
            processes=(first.balancer.processes[0], two.balancer.processes[0]),
            urls=(first.url, two.url),
            layout=first.balancer.layout,
        )
        assert both.live() == "blue"
        two.balancer.switch("green", keep_sessions=False)
        with pytest.raises(Conflict, match="does not agree on who is live"):
            both.live()
        both.switch("green", keep_sessions=False)
        assert (reached(first), reached(two), both.live()) == ("green", "green", "green")
        assert len(both.addresses("auth")) == 2
        two.process.terminate()
        two.process.wait(timeout=20)
        with pytest.raises(RemoteUnavailable, match="says nothing"):
            both.switch("blue", keep_sessions=False)
        assert first.balancer.live() == "green"


def test_a_balancer_on_another_host_is_reached_through_it(haproxy: Haproxy, tmp_path: Path) -> None:
    host = LocalHost(name="lb1", folder=tmp_path, ports={})
    far = replace(haproxy.balancer, processes=(replace(haproxy.balancer.processes[0], host=lambda: host),))
    assert far.live() == "blue"
    far.switch("green", keep_sessions=True)
    assert far.live() == haproxy.balancer.live() == reached(haproxy) == "green"
    (tmp_path / "main.map").unlink()
    with pytest.raises(NotFound, match="so no group is live"):
        far.live()
    haproxy.process.terminate()
    haproxy.process.wait(timeout=20)
    with pytest.raises(RemoteUnavailable, match="says nothing"):
        far.live()


def test_the_printed_configuration_is_found_in_the_file_that_was_made_of_it(haproxy: Haproxy) -> None:
    existing = (haproxy.folder / "haproxy.cfg").read_text()
    upstreams = {g: {"auth": re.findall(rf"server {g}\.1 (\S+)", existing)} for g in ("blue", "green")}
    assert haproxy.balancer.configuration(upstreams, against=existing) == ""
    without = existing.replace("option redispatch", "")
    missing = haproxy.balancer.configuration(upstreams, against=without)
    assert missing.splitlines() == [f"backend {g}_auth: option redispatch" for g in ("blue", "green")]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"idle": ""}, "needs a bound"),
        ({"socket": "10.0.0.1:9999"}, "the next reload would swap back"),
        ({"map": "main.map"}, "expected an absolute path"),
        ({"routes": {"atuh": "/"}}, "Did you mean 'auth'"),
        ({"host": "lb9"}, "no host is called 'lb9'"),
        ({"at": {"lb1": {}}}, "stands beside 'at'"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, more: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        configured(tmp_path, "http://127.0.0.1:1", **more)
