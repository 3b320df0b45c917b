"""The worked example, with every real part, looked at from outside: pins, ledger and HTTP answers after each step."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluicegate.demo.steps import Example
from sluicegate.demo.traffic import Browser
from sluicegate.demo.world import Result, World
from tests.demo import pages

PICTURES = Path(__file__).parents[2] / "docs" / "images"
Records = list[dict[str, Any]]


class Silent:
    """Shows nothing."""

    def step(self, title: str) -> None: ...

    def command(self, user: str, words: str, result: Result) -> None: ...

    def button(self, person: str, words: str, result: str, output: str) -> None: ...

    def timeline(self, rows: list[tuple[str, str, str]]) -> None: ...

    def checked(self, text: str) -> None: ...


class Outside:
    """What a stranger sees of the world: files in Git, answers over HTTP."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: dict[str, str] = {}

    def show(self, place: str) -> str:
        done = self.world.run("git", "--git-dir", self.world.repo, "show", place)
        assert done.code == 0, done.output
        return done.output

    def pins(self, environment: str) -> dict[str, str]:
        pins = yaml.load(self.show(f"main:environments/{environment}.yaml"), Loader=yaml.BaseLoader) or {}
        return {name: pin["version"] if isinstance(pin, dict) else pin for name, pin in pins.items()}

    def servers(self) -> dict[str, str]:
        roles: dict[str, str] = yaml.load(self.show("main:servers.yaml"), Loader=yaml.BaseLoader)
        return roles

    def ledger_files(self) -> list[str]:
        """The files of records; the list of the newest versions is none."""
        done = self.world.run("git", "--git-dir", self.world.repo, "ls-tree", "-r", "--name-only", "ledger")
        return [name for name in done.output.splitlines() if name.startswith(("components/", "environments/"))]

    def records(self, path: str) -> Records:
        return [json.loads(line) for line in self.show(f"ledger:{path}").splitlines()]

    def chronicle(self, environment: str) -> Records:
        """The history of an environment, oldest first."""
        files = [name for name in self.ledger_files() if name.startswith(f"environments/{environment}/")]
        return [record for name in files for record in self.records(name)]

    def story(self, component: str, version: str) -> Records:
        return self.records(f"components/{component}/{version}.jsonl")

    def answer(self, port: str, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(Browser(f"http://127.0.0.1:{self.world.ports[port]}").get(path))
        return answer

    def users_reach(self) -> str:
        return Browser(self.world.users_url).version()

    def versions(self, component: str) -> set[str]:
        prefix = f"components/{component}/"
        return {name.removeprefix(prefix).removesuffix(".jsonl") for name in self.ledger_files() if prefix in name}


def having(records: Records, what: str, **facts: object) -> Records:
    return [r for r in records if r["what"] == what and all(r.get(key) == value for key, value in facts.items())]


def the_parts_are_started(outside: Outside) -> None:
    assert {e: outside.pins(e) for e in ("integration", "staging", "production")} == {
        "integration": {}, "staging": {}, "production": {},
    }  # fmt: skip
    assert outside.servers() == {"staging": "green", "production": "blue"}


def the_organisation_as_it_is(outside: Outside) -> None:
    production = outside.pins("production")
    assert set(production) == {"auth", "portal"}
    assert outside.pins("integration") == outside.pins("staging") == production
    assert outside.users_reach() == production["auth"]
    (swap,) = having(outside.chronicle("production"), "swap")
    assert swap["pins"] == production
    assert swap["live"] == outside.servers()["production"]
    assert swap["idle"] == outside.servers()["staging"]
    outside.seen["old"] = production["auth"]


def the_failing_test_comes_first(outside: Outside) -> None:
    assert outside.versions("auth") == {outside.seen["old"]}
    assert {outside.pins(e)["auth"] for e in ("integration", "staging", "production")} == {outside.seen["old"]}


def the_push_starts_the_build(outside: Outside) -> None:
    (new,) = outside.versions("auth") - {outside.seen["old"]}
    (built,) = having(outside.story("auth", new), "built")
    assert len(built["commit"]) == 40
    place = f"/com/example/auth/{new}/auth-{new}-manifest.json"
    manifest = outside.answer("files", place)
    assert manifest["commit"] == built["commit"]
    assert {a["name"]: a["sha256"] for a in manifest["artifacts"]} == {
        a["name"]: a["sha256"] for a in built["artifacts"]
    }
    assert built["build"].startswith(outside.world.server.url)
    outside.seen["new"] = new


def integration_follows_latest(outside: Outside) -> None:
    new, old = outside.seen["new"], outside.seen["old"]
    assert outside.pins("integration")["auth"] == new
    assert outside.pins("staging")["auth"] == old
    assert outside.answer("int_auth", "/version")["version"] == new
    assert outside.users_reach() == old
    story = outside.story("auth", new)
    assert len(having(story, "deployed", env="integration")) == 1
    (run,) = having(story, "tests", env="integration", suite="regression", failed=0)
    assert run["passed"] >= 1


def quality_assurance_seals_it(outside: Outside) -> None:
    new, old = outside.seen["new"], outside.seen["old"]
    assert outside.pins("staging")["auth"] == new
    assert outside.pins("production")["auth"] == outside.users_reach() == old
    group = outside.servers()["staging"]
    assert outside.answer(f"{group}_auth", "/version")["version"] == new
    story = outside.story("auth", new)
    (seal,) = having(story, "approval", env="staging", role="qa")
    (pinned,) = having(story, "pinned", env="staging")
    assert seal["by"]["user"] == "anna"
    assert seal["at"] < pinned["at"] < having(story, "deployed", env="staging")[0]["at"]
    assert {verdict["state"] for verdict in pinned["verdicts"]} == {"passed"}


def production_is_swapped_under_traffic(outside: Outside) -> None:
    new = outside.seen["new"]
    production = outside.pins("production")
    assert production == outside.pins("staging")
    assert production["auth"] == outside.users_reach() == new
    assert production["portal"] == max(outside.versions("portal"), key=lambda v: [int(n) for n in v.split(".")])
    chronicle = outside.chronicle("production")
    swaps = having(chronicle, "swap")
    assert len(swaps) == 3
    assert (swaps[-1]["base"], swaps[-1]["changed"]) == (swaps[-2]["id"], {"portal": production["portal"]})
    assert swaps[-1]["live"] == outside.servers()["production"] != outside.servers()["staging"]
    group = outside.servers()["production"]
    for component in ("auth", "portal"):
        assert outside.answer(f"{group}_{component}", "/version")["version"] == production[component]
    (approval,) = having(outside.story("auth", new), "approval", env="production")
    assert (approval["by"]["user"], approval["role"]) == ("rita", "release-manager")


def bad_changes_are_stopped_or_taken_back(outside: Outside) -> None:
    new = outside.seen["new"]
    assert outside.pins("production")["auth"] == outside.users_reach() == new
    later = outside.versions("auth") - {new, outside.seen["old"]}
    assert len(later) == 2
    stories = {version: outside.story("auth", version) for version in later}
    (bad,) = (version for version, story in stories.items() if any(r["failed"] for r in having(story, "tests")))
    (faulty,) = later - {bad}
    assert not having(stories[bad], "pinned", env="staging")
    assert not having(stories[bad], "deployed", env="production")
    (veto,) = having(stories[faulty], "veto")
    assert (veto["env"], veto["by"]["user"]) == ("production", "rita")
    assert having(stories[faulty], "deployed", env="production")
    roles = json.loads(Browser(outside.world.users_url).get("/auth/roles"))["roles"]
    assert len(roles) == len(set(roles))


def everything_is_on_record(outside: Outside) -> None:
    for path in outside.ledger_files():
        records = outside.records(path)
        assert all({"id", "after", "at", "what", "by"} <= set(record) for record in records), path
        assert [r["after"] for r in records] == ["", *(r["id"] for r in records[:-1])], path
        ended = {r["of"] for r in records if r["what"] in ("done", "failed")}
        assert {r["id"] for r in records if r["what"] == "intent"} == ended, path


CHECKS: tuple[Callable[[Outside], None], ...] = (
    the_parts_are_started,
    the_organisation_as_it_is,
    the_failing_test_comes_first,
    the_push_starts_the_build,
    integration_follows_latest,
    quality_assurance_seals_it,
    production_is_swapped_under_traffic,
    bad_changes_are_stopped_or_taken_back,
    everything_is_on_record,
)


@pytest.mark.timeout(600)
def test_the_worked_example_goes_from_commit_to_production_and_back(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root = Path(tempfile.mkdtemp(prefix="sluicegate-demo-"))  # as the command makes it: the pictures show its name
    world = World(root=root)
    outside = Outside(world)
    try:
        for step, check in zip(Example(world, Silent()).steps, CHECKS, strict=True):
            step()
            check(outside)
        pages.look(world, PICTURES if request.config.getoption("--update-golden") else tmp_path)
    finally:
        world.close()
        shutil.rmtree(root)
