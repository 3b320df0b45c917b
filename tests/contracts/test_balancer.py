"""What every balancer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from sluicegate.balancers.caddy import CaddyBalancer
from sluicegate.errors import UnknownName
from sluicegate.ports import Balancer
from sluicegate.tools.caddy import start_caddy
from tests.fakes import FakeBalancer
from tests.parts import CONFIG, free_port, group_server, settings, web_server


class Visitor:
    """Somebody with a browser; `visit` says which group answers."""

    def __init__(self, visit: Callable[[Visitor], str]) -> None:
        self._visit = visit
        self.logged_in_on = ""
        self.browser = requests.Session()

    def visit(self) -> str:
        return self._visit(self)


@dataclass(kw_only=True)
class Bench:
    balancer: Balancer
    visit: Callable[[Visitor], str]
    login: Callable[[Visitor], object]

    def visitor(self, *, logged_in: bool = False) -> Visitor:
        visitor = Visitor(self.visit)
        if logged_in:
            self.login(visitor)
        return visitor


@pytest.fixture(params=["fake", "caddy"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        fake = FakeBalancer("blue")
        yield Bench(
            balancer=fake,
            visit=lambda visitor: fake.reached(visitor.logged_in_on),
            login=lambda visitor: setattr(visitor, "logged_in_on", fake.reached()),
        )
        return
    with ExitStack() as stack:
        ports = {group: stack.enter_context(web_server(group_server(group))) for group in ("blue", "green")}
        url = f"http://127.0.0.1:{free_port()}"
        given = settings(file=str(tmp_path / "live"), address=url, routes={"auth": "/"})
        balancer = CaddyBalancer.configure("caddy", given, CONFIG)
        balancer.switch("blue", keep_sessions=False)
        config = balancer.caddy_config({group: {"auth": [f"127.0.0.1:{port}"]} for group, port in ports.items()})
        stack.callback(start_caddy(config, tmp_path / "caddy").stop)
        yield Bench(
            balancer=balancer,
            visit=lambda visitor: str(visitor.browser.get(url, timeout=5).json()["group"]),
            login=lambda visitor: visitor.browser.get(f"{url}/login", timeout=5),
        )


def test_new_users_reach_the_live_group(bench: Bench) -> None:
    assert bench.balancer.live() == "blue"
    assert bench.visitor().visit() == "blue"


def test_a_switch_leads_everybody_to_the_other_group(bench: Bench) -> None:
    new, known = bench.visitor(), bench.visitor(logged_in=True)
    bench.balancer.switch("green", keep_sessions=False)
    assert bench.balancer.live() == "green"
    assert (new.visit(), known.visit()) == ("green", "green")


def test_with_kept_sessions_logged_in_users_stay_until_the_release(bench: Bench) -> None:
    new, known = bench.visitor(), bench.visitor(logged_in=True)
    bench.balancer.switch("green", keep_sessions=True)
    assert bench.balancer.live() == "green"
    assert (new.visit(), known.visit()) == ("green", "blue")
    bench.balancer.release()
    assert bench.balancer.live() == "green"
    assert (new.visit(), known.visit()) == ("green", "green")


def test_switching_back_leads_all_to_the_first_group(bench: Bench) -> None:
    known = bench.visitor(logged_in=True)
    bench.balancer.switch("green", keep_sessions=True)
    new = bench.visitor(logged_in=True)
    bench.balancer.switch("blue", keep_sessions=False)
    assert (new.visit(), known.visit()) == ("blue", "blue")


def test_switching_to_the_live_group_and_releasing_twice_change_nothing(bench: Bench) -> None:
    bench.balancer.switch("blue", keep_sessions=False)
    bench.balancer.release()
    bench.balancer.release()
    assert bench.balancer.live() == bench.visitor().visit() == "blue"


def test_an_unknown_group_is_a_usage_error_and_changes_nothing(bench: Bench) -> None:
    with pytest.raises(UnknownName, match="no group is called 'geen'"):
        bench.balancer.switch("geen", keep_sessions=False)
    assert bench.balancer.live() == bench.visitor().visit() == "blue"


def test_an_address_has_no_slash_at_the_end(bench: Bench) -> None:
    assert bench.balancer.address("auth").startswith("http://")
    assert not bench.balancer.address("auth").endswith("/")
