"""A command that dies at any of its outside calls leaves what `resume`, and the command once more, bring to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.deploy import deploy
from sluicegate.delivery.changes.resume import open_intents, resume
from sluicegate.delivery.changes.rollback import rollback
from sluicegate.delivery.changes.swap import swap
from sluicegate.delivery.changes.sync import sync
from sluicegate.delivery.moves.promote import promote
from sluicegate.tools import door
from tests.worlds import UNGATED, Killed, World, build, check_consistent, edit, pinned

Act = Callable[[World, DeliveryRepo], object]
Check = Callable[[World, State], None]


class Executioner:
    """Lets `calls` outside calls happen, and none after.

    Git's housekeeping does not count: it follows one change in a hundred, and a call of the next try would be left out.
    """

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.last = ""

    def __call__(self, name: str) -> None:
        if name == "git gc":
            return
        if self.calls == 0:
            self.last = self.last or name
            raise Killed(name)
        self.calls -= 1


def killed_everywhere(base: World, folder: Path, act: Act, check: Check, *, again: Act | None = None) -> list[str]:
    """Kill `act` before each of its calls; resume, act again, check. The names of the calls."""
    names: list[str] = []
    while True:
        world = base.copy(folder / str(len(names)))
        executioner = Executioner(len(names))
        with world.repo() as repo:
            door.watcher = executioner
            try:
                act(world, repo)
            except Killed:
                pass
            finally:
                door.watcher = None
        with world.repo() as repo:
            resume(repo)
            assert open_intents(repo.state()) == (), executioner.last
            (again or act)(world, repo)
            state = repo.state()
            check_consistent(world, state)
            check(world, state)
        if not executioner.last:
            return names
        names.append(executioner.last)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> World:
    """1.0.0 is in production."""
    return build(tmp_path_factory.mktemp("killed") / "first")


@pytest.fixture(scope="module")
def published(first: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """auth 2.0.0 is in integration, and nothing of it in staging."""
    world = first.copy(tmp_path_factory.mktemp("killed") / "published")
    with world.repo() as repo:
        world.publish(repo, "auth", "2.0.0")
        sync(repo, "integration")
    return world


@pytest.fixture(scope="module")
def promoted(published: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """auth 2.0.0 is pinned in staging, and not deployed."""
    world = published.copy(tmp_path_factory.mktemp("killed") / "promoted")
    with world.repo() as repo:
        promote(repo, {"auth": "2.0.0"}, "staging")
    return world


@pytest.fixture(scope="module")
def staged(promoted: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """auth 2.0.0 is deployed in staging."""
    world = promoted.copy(tmp_path_factory.mktemp("killed") / "staged")
    with world.repo() as repo:
        deploy(repo, "staging")
    return world


@pytest.fixture(scope="module")
def swapped(staged: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """auth 2.0.0 is in production; 1.0.0 still runs on the idle group."""
    world = staged.copy(tmp_path_factory.mktemp("killed") / "swapped")
    with world.repo() as repo:
        swap(repo, "production")
    return world


def records(state: State, version: str, what: str, environment: str = "") -> int:
    story = state.story("auth", version)
    return sum(1 for r in story if r.what == what and (not environment or getattr(r, "env", "") == environment))


def test_48_a_swap_killed_at_any_call_is_finished_by_resume_and_swap(staged: World, tmp_path: Path) -> None:
    def check(world: World, state: State) -> None:
        assert pinned(state, "production") == pinned(state, "staging") == {"auth": "2.0.0", "portal": "1.0.0"}
        assert records(state, "2.0.0", "deployed", "production") == 1
        done = [r.of for r in state.chronicle("production") if r.what == "swap"]
        assert len(done) == len(set(done)) == 2

    names = killed_everywhere(staged, tmp_path, lambda world, repo: swap(repo, "production"), check)
    assert "PassingFakeBalancer" not in names
    assert {"FakeBalancer switch", "git update-ref", "git unpack-objects"} <= set(names)


def test_48_a_swap_killed_is_whole_or_undone_after_resume_alone(staged: World, tmp_path: Path) -> None:
    before = {"auth": "1.0.0", "portal": "1.0.0"}
    seen = set()

    def check(world: World, state: State) -> None:
        now = pinned(state, "production")
        assert now in (before, {**before, "auth": "2.0.0"})
        assert pinned(state, "staging") == {**before, "auth": "2.0.0"}
        seen.add(now["auth"])

    killed_everywhere(
        staged, tmp_path, lambda world, repo: swap(repo, "production"), check, again=lambda world, repo: None
    )
    assert seen == {"1.0.0", "2.0.0"}


def test_48_a_resume_that_is_killed_itself_is_resumed(staged: World, tmp_path: Path) -> None:
    def half_a_swap(calls: int) -> World:
        world = staged.copy(tmp_path / f"half-{calls}")
        with world.repo() as repo:
            seen: list[str] = []

            def watcher(name: str) -> None:
                seen.append(name)
                if seen.count("git update-ref") > 1 or "dead" in seen:
                    seen.append("dead")
                    raise Killed(name)

            door.watcher = watcher
            try:
                with pytest.raises(Killed):
                    swap(repo, "production")
            finally:
                door.watcher = None
        return world

    def check(world: World, state: State) -> None:
        assert pinned(state, "production")["auth"] == "2.0.0"
        assert len([r for r in state.chronicle("production") if r.what == "swap"]) == 2

    names = killed_everywhere(half_a_swap(0), tmp_path / "resume", lambda world, repo: resume(repo), check)
    assert "FakeBalancer switch" in names


def test_48_a_swap_back_killed_at_any_call_is_finished(swapped: World, tmp_path: Path) -> None:
    def again(world: World, repo: DeliveryRepo) -> None:
        if pinned(repo.state(), "production")["auth"] != "1.0.0":
            swap(repo, "production", back=True)

    def check(world: World, state: State) -> None:
        assert pinned(state, "production") == {"auth": "1.0.0", "portal": "1.0.0"}

    killed_everywhere(swapped, tmp_path, lambda world, repo: swap(repo, "production", back=True), check, again=again)


def test_48_a_deploy_killed_at_any_call_is_finished(promoted: World, tmp_path: Path) -> None:
    def check(world: World, state: State) -> None:
        assert world.on_host(state.servers["staging"]) == {"auth": "2.0.0", "portal": "1.0.0"}
        assert records(state, "2.0.0", "deployed", "staging") == 1

    names = killed_everywhere(promoted, tmp_path, lambda world, repo: deploy(repo, "staging"), check)
    assert {"FakeHost restart", "FakeDeployer install"} <= set(names)


def test_48_a_sync_that_follows_latest_killed_at_any_call_is_finished(first: World, tmp_path: Path) -> None:
    base = first.copy(tmp_path / "base")
    with base.repo() as repo:
        base.publish(repo, "auth", "2.0.0")

    def check(world: World, state: State) -> None:
        assert pinned(state, "integration") == world.on_host("int") == {"auth": "2.0.0", "portal": "1.0.0"}
        assert records(state, "2.0.0", "pinned", "integration") == 1
        assert records(state, "2.0.0", "deployed", "integration") == 1

    killed_everywhere(base, tmp_path, lambda world, repo: sync(repo, "integration"), check)


def test_48_a_promotion_killed_at_any_call_happens_once(published: World, tmp_path: Path) -> None:
    def check(world: World, state: State) -> None:
        assert pinned(state, "staging") == {"auth": "2.0.0", "portal": "1.0.0"}
        assert records(state, "2.0.0", "pinned", "staging") == 1

    killed_everywhere(published, tmp_path, lambda world, repo: promote(repo, {"auth": "2.0.0"}, "staging"), check)


def test_48_a_publication_killed_at_any_call_is_completed(first: World, tmp_path: Path) -> None:
    def check(world: World, state: State) -> None:
        assert state.versions("auth") == ["1.0.0", "2.0.0"]
        assert world.drivers.releases.announced["auth"] == ("1.0.0", "2.0.0")
        assert records(state, "2.0.0", "built") == 1
        names = {name for of, version, name in world.drivers.releases.files if version == "2.0.0"}
        assert names == {"auth-2.0.0.tar.gz", "auth-2.0.0-manifest.json", "auth-2.0.0-provenance.json"}

    names = killed_everywhere(first, tmp_path, lambda world, repo: world.publish(repo, "auth", "2.0.0"), check)
    assert {"FakeRepository put", "FakeRepository announce"} <= set(names)


def rolled_back(world: World, state: State) -> None:
    assert pinned(state, "production") == {"auth": "1.0.0", "portal": "1.0.0"}
    assert state.vetoed("auth", "2.0.0", "production")
    assert state.vetoed("auth", "1.0.0", "production") is None


def roll_back_production(world: World, repo: DeliveryRepo) -> None:
    """What a person does who sees that the bad version is still there."""
    if pinned(repo.state(), "production")["auth"] == "2.0.0":
        rollback(repo, "production", "auth", why="bad")


def test_48_a_rollback_by_a_swap_killed_at_any_call_is_finished(swapped: World, tmp_path: Path) -> None:
    killed_everywhere(swapped, tmp_path, roll_back_production, rolled_back)


def test_48_a_rollback_that_deploys_first_killed_at_any_call_is_finished(swapped: World, tmp_path: Path) -> None:
    base = swapped.copy(tmp_path / "base")
    with base.repo() as repo:
        base.publish(repo, "portal", "2.0.0")
        base.to_staging(repo, portal="2.0.0")

    killed_everywhere(base, tmp_path, roll_back_production, rolled_back)


def test_48_a_rollback_in_place_killed_at_any_call_goes_back_once(published: World, tmp_path: Path) -> None:
    base = published.copy(tmp_path / "base")
    with base.repo() as repo:
        base.publish(repo, "auth", "3.0.0")
        sync(repo, "integration")

    def again(world: World, repo: DeliveryRepo) -> None:
        if world.on_host("int")["auth"] == "3.0.0":
            rollback(repo, "integration", "auth", why="bad")

    def check(world: World, state: State) -> None:
        assert pinned(state, "integration") == world.on_host("int") == {"auth": "2.0.0", "portal": "1.0.0"}
        assert state.vetoed("auth", "3.0.0", "integration")
        assert state.vetoed("auth", "2.0.0", "integration") is None
        held = state.pins("integration")["auth"].hold
        assert held is not None and "3.0.0 rolled back" in held.why

    killed_everywhere(
        base, tmp_path, lambda world, repo: rollback(repo, "integration", "auth", why="bad"), check, again=again
    )


def test_48_a_sync_killed_between_deploy_and_tests_starts_the_tests_later_and_once(
    first: World, tmp_path: Path
) -> None:
    base = first.copy(tmp_path / "base")
    tested = "[sh, -c, 'cd \"$SLUICEGATE_REPO\" && echo $SLUICEGATE_COMPONENT=$SLUICEGATE_VERSION >> tested']"
    after = f"after: {{regression: {{command: {tested}}}}}"
    config = UNGATED.replace("hosts: int, deploy: {driver: fake}", f"hosts: int, deploy: {{driver: fake}}, {after}")
    assert config != UNGATED
    with base.repo() as repo:
        edit(repo, "sluicegate.yaml", config.encode())
        base.publish(repo, "auth", "2.0.0")

    def check(world: World, state: State) -> None:
        assert records(state, "2.0.0", "started", "integration") == 1
        assert (world.folder / "delivery.git" / "tested").read_text().split() in (
            ["auth=2.0.0"],
            ["auth=2.0.0", "auth=2.0.0"],  # killed between the start and its record
        )

    def act(world: World, repo: DeliveryRepo) -> object:
        return sync(repo, "integration", wait=0.1)

    assert "follow sh" in killed_everywhere(base, tmp_path, act, check)
