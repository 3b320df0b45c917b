"""What is special to the Caddy balancer: nothing is lost in a swap, and nobody gets where he should not."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from sluicegate.balancers.caddy import CaddyBalancer, file_server_config, merged
from sluicegate.errors import ConfigError, SluicegateError, UsageError
from sluicegate.model.settings import Plain
from sluicegate.tools import process
from sluicegate.tools.caddy import Caddy, start_caddy, stop_caddy
from tests.parts import CONFIG, free_port, group_server, no_host, settings, web_server, write


@pytest.fixture
def balancer(tmp_path: Path) -> CaddyBalancer:
    driver_settings = settings(
        file=str(tmp_path / "live"),
        address=f"http://127.0.0.1:{free_port()}",
        routes={"auth": "/auth", "portal": "/"},
    )
    caddy_balancer = CaddyBalancer.configure("caddy", driver_settings, CONFIG, no_host)
    caddy_balancer.switch("blue", keep_sessions=False)
    return caddy_balancer


@pytest.fixture
def served(balancer: CaddyBalancer, tmp_path: Path) -> Iterator[Caddy]:
    """Caddy before two groups of two components, and a folder on a second address."""
    with ExitStack() as stack:
        upstreams = {
            group: {
                component: [f"127.0.0.1:{stack.enter_context(web_server(group_server(f'{group} {component}')))}"]
                for component in ("auth", "portal")
            }
            for group in ("blue", "green")
        }
        caddy = start_caddy(balancer.caddy_config(upstreams), tmp_path / "caddy")
        stack.callback(caddy.stop)
        yield caddy


def reached(url: str, **cookies: str) -> str:
    return str(requests.get(url, cookies=cookies, timeout=5).json()["group"])


def test_twenty_swaps_under_traffic_lose_no_request_and_no_session(balancer: CaddyBalancer, served: Caddy) -> None:
    stop, faults, counts = threading.Event(), [], []
    known = requests.Session()
    known.get(f"{balancer.url}/auth/login", timeout=5)
    known.get(f"{balancer.url}/login", timeout=5)

    def traffic() -> None:
        count = 0
        with requests.Session() as browser:
            while not stop.is_set():
                try:
                    answer = browser.get(f"{balancer.url}/auth/x", timeout=5)
                    if answer.status_code != 200 or answer.json()["group"] not in ("blue auth", "green auth"):
                        faults.append(answer.text)
                except (requests.RequestException, ValueError) as problem:
                    faults.append(str(problem))
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=traffic) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            group = ("green", "blue")[number % 2]
            balancer.switch(group, keep_sessions=True)
            assert reached(f"{balancer.url}/auth/x") == f"{group} auth"
            assert known.get(f"{balancer.url}/auth/x", timeout=5).json()["group"] == "blue auth"
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert sum(counts) > 100
    balancer.switch("green", keep_sessions=True)
    balancer.release()
    assert known.get(f"{balancer.url}/auth/x", timeout=5).json()["group"] == "green auth"


def test_a_request_reads_the_switch_file_once(balancer: CaddyBalancer) -> None:
    """Two reads around a rename could find the request nobody's; traffic meets that too rarely to show it."""
    upstreams = {group: {"auth": ["127.0.0.1:1"], "portal": ["127.0.0.1:2"]} for group in ("blue", "green")}
    assert json.dumps(balancer.caddy_config(upstreams)).count("{file.") == 1


def test_routes_lead_to_their_component_and_leave_the_path_alone(balancer: CaddyBalancer, served: Caddy) -> None:
    for path, component in (("/auth", "auth"), ("/auth/a?b=c", "auth"), ("/author", "portal"), ("/", "portal")):
        answer = requests.get(f"{balancer.url}{path}", timeout=5).json()
        assert (answer["group"], answer["path"]) == (f"blue {component}", path)


def test_the_probe_reaches_the_live_group_and_nothing_but_its_path(balancer: CaddyBalancer, served: Caddy) -> None:
    (address,) = balancer.addresses("auth")
    assert requests.get(f"{address}/version", timeout=5).json()["version"] == "1.0-blue auth"
    balancer.switch("green", keep_sessions=True)
    assert reached(f"{address}/version", **{"sluicegate-group": "blue", "session": "x"}) == "green auth"
    for path in ("/login", "/version/../login", "/version/x", "", "/%2e%2e/login"):
        prepared = requests.Request("GET", address).prepare()
        prepared.url = address + path
        answer = requests.Session().send(prepared, timeout=5)
        assert answer.status_code == 404, path
    assert requests.post(f"{address}/version", timeout=5).status_code == 404
    assert balancer.addresses("unknown") == ()


def test_the_group_cookie_comes_with_the_session_cookie_only(balancer: CaddyBalancer, served: Caddy) -> None:
    assert "sluicegate-group" not in requests.get(f"{balancer.url}/other", timeout=5).cookies
    answer = requests.get(f"{balancer.url}/login", timeout=5)
    assert answer.cookies["sluicegate-group"] == "blue"
    assert answer.cookies["session"] == "secret"


@pytest.mark.parametrize(
    "cookie",
    ["sluicegate-group=blue", "sluicegate-group=blue; session=", "sluicegate-group=red; session=x", "session=x"],
)
def test_without_session_or_a_right_group_the_live_group_answers(
    balancer: CaddyBalancer, served: Caddy, cookie: str
) -> None:
    balancer.switch("green", keep_sessions=True)
    answer = requests.get(balancer.url, headers={"Cookie": cookie}, timeout=5)
    assert answer.json()["group"] == "green portal"


@pytest.mark.parametrize("forged", ["blue", "keep blue", " keep;blue", '"keep;blue;x"', "keep%3Bblue"])
def test_no_cookie_reaches_the_idle_group_when_sessions_are_not_kept(
    balancer: CaddyBalancer, served: Caddy, forged: str
) -> None:
    balancer.switch("green", keep_sessions=False)
    headers = {"Cookie": f"sluicegate-group={forged}; session=x"}
    assert requests.get(balancer.url, headers=headers, timeout=5).json()["group"] == "green portal"


def test_without_a_switch_file_users_get_a_503_and_live_says_what_to_do(balancer: CaddyBalancer, served: Caddy) -> None:
    balancer.file.unlink()
    assert requests.get(balancer.url, timeout=5).status_code == 503
    with pytest.raises(UsageError, match="does not exist") as caught:
        balancer.live()
    assert "echo blue" in caught.value.hint


@pytest.mark.parametrize("content", ["", "red\n", "blue  keep", "blue keep please", "blue\ngreen"])
def test_a_switch_file_with_something_else_is_an_error(balancer: CaddyBalancer, content: str) -> None:
    balancer.file.write_text(content)
    with pytest.raises(SluicegateError, match="expected one of blue, green"):
        balancer.live()


def test_a_folder_is_served_beside_without_its_hidden_files(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    folder = write(tmp_path / ".demo" / "repository", {"com/a b.txt": "content", "com/.put-1": "half"})
    beside = write(tmp_path / "other", {"x": "y"})
    config = merged(file_server_config(f"127.0.0.1:{first}", folder), file_server_config(f"127.0.0.1:{second}", beside))
    caddy = start_caddy(config, tmp_path / "caddy")
    try:
        assert requests.get(f"http://127.0.0.1:{first}/com/a%20b.txt", timeout=5).text == "content"
        for path in ("/com/.put-1", "/com/%2eput-1", "/none"):
            assert requests.get(f"http://127.0.0.1:{first}{path}", timeout=5).status_code == 404
        assert requests.get(f"http://127.0.0.1:{second}/x", timeout=5).text == "y"
    finally:
        caddy.stop()
    assert process.command_line(caddy.pid) == ""
    stop_caddy(tmp_path / "caddy")


def test_a_busy_port_is_a_usage_error_that_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        port = neighbour.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is in use by another program"):
            start_caddy(file_server_config(f"127.0.0.1:{port}", tmp_path), tmp_path / "caddy")


def test_a_pid_file_left_behind_stops_nobody_else(tmp_path: Path) -> None:
    import os

    (tmp_path / "caddy.pid").write_text(str(os.getpid()))
    stop_caddy(tmp_path)
    assert not (tmp_path / "caddy.pid").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"file": "live"}, "absolute"),
        ({"address": "127.0.0.1:80"}, "http://"),
        ({"routes": {"auht": "/"}}, "Did you mean 'auth'"),
        ({"routes": {"auth": "auth"}}, "path such as"),
        ({"cookie": "a;b"}, "letters"),
        ({"sesion": "x"}, "unknown key"),
    ],
)
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    driver_settings = settings(**{"file": "/run/live", "address": "http://127.0.0.1:80", **wrong})
    with pytest.raises(ConfigError, match=message) as caught:
        CaddyBalancer.configure("caddy", driver_settings, CONFIG, no_host)
    assert str(caught.value).startswith("sluicegate.yaml:7: ")
