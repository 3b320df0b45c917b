"""What every balancer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from sluicegate.balancers import preview
from sluicegate.balancers.caddy import CaddyBalancer
from sluicegate.errors import UnknownName
from sluicegate.ports import Balancer
from sluicegate.tools.caddy import start_caddy
from tests.fakes import FakeBalancer
from tests.haproxy import running
from tests.parts import CONFIG, free_port, group_server, no_host, settings, web_server


class Visitor:
    """Somebody with a browser; `visit` says which group answers."""

    def __init__(self, visit: Callable[[Visitor], str]) -> None:
        self._visit = visit
        self.logged_in_on = ""
        self.wish = ""  # on or off: whether a tester asks for the group that is not live
        self.browser = requests.Session()

    def visit(self) -> str:
        return self._visit(self)


def group_for(url: str, visitor: Visitor) -> str:
    """The group that answers, with the visitor's wish in the header that testers send."""
    headers = {preview.HEADER: visitor.wish} if visitor.wish else {}
    return str(visitor.browser.get(url, headers=headers, timeout=5).json()["group"])


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


@pytest.fixture(params=["fake", "caddy", pytest.param("haproxy", marks=pytest.mark.real)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        fake = FakeBalancer("blue")
        yield Bench(
            balancer=fake,
            visit=lambda visitor: fake.reached(visitor.logged_in_on, visitor.wish),
            login=lambda visitor: setattr(visitor, "logged_in_on", fake.reached()),
        )
        return
    if request.param == "haproxy":
        with running(tmp_path) as haproxy:
            yield Bench(
                balancer=haproxy.balancer,
                visit=lambda visitor: group_for(haproxy.url, visitor),
                login=lambda visitor: visitor.browser.get(haproxy.url, timeout=5),
            )
        return
    with ExitStack() as stack:
        ports = {group: stack.enter_context(web_server(group_server(group))) for group in ("blue", "green")}
        url = f"http://127.0.0.1:{free_port()}"
        driver_settings = settings(file=str(tmp_path / "live"), address=url, routes={"auth": "/"})
        balancer = CaddyBalancer.configure("caddy", driver_settings, CONFIG, no_host)
        balancer.switch("blue", keep_sessions=False)
        config = balancer.caddy_config({group: {"auth": [f"127.0.0.1:{port}"]} for group, port in ports.items()})
        stack.callback(start_caddy(config, tmp_path / "caddy").stop)
        yield Bench(
            balancer=balancer,
            visit=lambda visitor: group_for(url, visitor),
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


def test_testers_reach_the_other_group_while_the_preview_is_on_and_off_wins(bench: Bench) -> None:
    tester, decliner = bench.visitor(), bench.visitor()
    tester.wish, decliner.wish = "on", "off"
    assert tester.visit() == "blue"
    bench.balancer.preview(True)
    assert (tester.visit(), decliner.visit(), bench.visitor().visit()) == ("green", "blue", "blue")
    assert bench.balancer.live() == "blue"
    bench.balancer.preview(False)
    assert tester.visit() == "blue"


def test_a_switch_ends_the_preview(bench: Bench) -> None:
    tester = bench.visitor()
    tester.wish = "on"
    bench.balancer.preview(True)
    bench.balancer.switch("green", keep_sessions=False)
    assert (tester.visit(), bench.visitor().visit()) == ("green", "green")


def test_an_unknown_group_is_a_usage_error_and_changes_nothing(bench: Bench) -> None:
    with pytest.raises(UnknownName, match="no group is called 'geen'"):
        bench.balancer.switch("geen", keep_sessions=False)
    assert bench.balancer.live() == bench.visitor().visit() == "blue"


def test_an_address_has_no_slash_at_the_end(bench: Bench) -> None:
    (address,) = bench.balancer.addresses("auth")
    assert address.startswith("http://")
    assert not address.endswith("/")
