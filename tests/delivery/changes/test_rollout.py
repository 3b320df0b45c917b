"""A rollout over a pool of eight hosts: batches, drains that end and that do not, the minimum, pauses, ways back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.changes import rolling
from sluicegate.delivery.changes.hosts import bring_in, take_out
from sluicegate.delivery.changes.resume import open_intents
from sluicegate.delivery.changes.rollout import Progress, abort, go_on, progress, rollout
from sluicegate.errors import GateRefused, NotFound, SluicegateError, TimedOut, UsageError
from sluicegate.model.evidence import Deployed, Halted
from sluicegate.model.serving import Counters, Stay
from tests.fakes import FakeHost
from tests.worlds import CONFIG, Killed, OutsidePool, Shop

HOSTS = [f"room{number}" for number in range(1, 9)]
OLD, NEW = {"auth": "1.0.0", "portal": "1.0.0"}, {"auth": "2.0.0", "portal": "1.0.0"}


def eight() -> bytes:
    """The organisation with eight rooms."""
    text = CONFIG.decode().replace("  room2: {driver: fake}", "\n".join(f"  {h}: {{driver: fake}}" for h in HOSTS[1:]))
    return text.replace("rooms: [room1, room2]", f"rooms: [{', '.join(HOSTS)}]").encode()


def pooled(rollout: str, deploy: str) -> bytes:
    """The same where they are a pool."""
    text = eight().decode()
    more = f"{deploy}\n    pool: {{driver: haproxy}}\n    rollout: {rollout}"
    return text.replace("hosts: rooms\n    deploy: {driver: fake}", f"hosts: rooms\n    deploy: {more}").encode()


class Rooms:
    """The shop whose eight rooms have version 1.0.0 of auth, and 2.0.0 pinned; time passes while a rollout waits."""

    def __init__(self, shop: Shop, rollout: str, deploy: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shop = shop
        self.pool = shop.drivers.rooms
        self.meanwhile: Callable[[], object] = lambda: None
        self.lines: list[str] = []
        monkeypatch.setattr(rolling, "sleep", self.pass_time)
        monkeypatch.setattr(rolling, "FOUND", 0.0)
        shop.edited("sluicegate.yaml", pooled(rollout, deploy))

    def pass_time(self, seconds: float) -> None:
        self.shop.pass_time(timedelta(minutes=3))
        self.meanwhile()

    def roll(self, **options: object) -> object:
        self.shop.pass_time()
        return rollout(self.shop.by("ci"), "training", say=self.lines.append, **options)  # type: ignore[arg-type]

    def having(self, version: str) -> list[str]:
        return [name for name in HOSTS if self.shop.running(name).get("auth") == version]

    def batches(self, stage: str = "done") -> list[tuple[str, ...]]:
        last = self.shop.chronicle("training", "intent")[-1].id
        return [
            batch.hosts
            for batch in self.shop.chronicle("training", "batch")
            if batch.stage == stage and batch.of == last
        ]

    def first_done(self) -> datetime:
        return next(batch.at for batch in self.shop.chronicle("training", "batch") if batch.stage == "done")

    def progress(self) -> Progress:
        return progress(self.shop.state, "training")

    def all_ready(self) -> bool:
        return set(self.pool.states.values()) == {"ready"}


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Version 1.0.0 runs in eight rooms, which are no pool yet, and 2.0.0 of auth is pinned there."""
    shop = Shop.opened(tmp_path_factory.mktemp("rollout") / "shop", eight())
    shop.drivers.hosts |= {name: FakeHost(name) for name in HOSTS}
    shop.drivers.rooms = OutsidePool(HOSTS)
    shop.to_integration(**OLD)
    shop.promote("training", **OLD)
    shop.deploy("training")
    shop.to_integration(auth="2.0.0")
    shop.promote("training", auth="2.0.0")
    shop.close()
    return shop


@pytest.fixture
def rooms(pinned: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rooms]]:
    with pinned.copied(tmp_path) as shop:

        def make(rollout: str = "{batch: 2, capacity: 4}", deploy: str = "{driver: fake, at-once: 8}") -> Rooms:
            return Rooms(shop, rollout, deploy, monkeypatch)

        yield make


def test_every_host_is_replaced_in_batches_and_the_first_one_goes_alone(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 25%, canary: 1, capacity: 50%}")
    world.roll()
    assert world.having("2.0.0") == HOSTS
    assert world.batches() == [("room1",), ("room2",), ("room3", "room4"), ("room5", "room6"), ("room7", "room8")]
    assert world.all_ready()
    assert world.pool.least >= 4
    assert world.progress().state == "done"
    assert isinstance(world.shop.chronicle("training")[-2], Deployed)


def test_a_rollout_says_what_changes_and_its_progress_both_sets(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    world.roll()
    (intent,) = [intent for intent in world.shop.chronicle("training", "intent") if intent.verb == "rollout"]
    assert (dict(intent.changed), dict(intent.before), dict(intent.target)) == (
        {"auth": "2.0.0"},
        {"auth": "1.0.0"},
        {},
    )
    assert intent.base
    progress = world.progress()
    assert (progress.target, progress.before) == (OLD | {"auth": "2.0.0"}, OLD)


def test_a_second_rollout_of_the_same_does_nothing(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    world.roll()
    tips = world.shop.tips
    world.roll()
    assert world.shop.tips == tips


def test_users_stay_until_their_bound_and_leave_earlier_where_nobody_asked_for_long(
    rooms: Callable[..., Rooms],
) -> None:
    world = rooms("{batch: 8, capacity: 0}")
    began = world.shop.now
    world.pool.quiet = dict.fromkeys(HOSTS, timedelta(minutes=20))  # longer than anybody may be idle
    world.roll()
    assert world.shop.now - began < timedelta(minutes=5)


def test_the_bound_of_a_session_is_waited_for(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 8, capacity: 0}")
    began = world.shop.now
    world.roll()
    stay = world.pool.stay
    assert isinstance(stay, Stay)
    assert world.shop.now - began > 2 * stay.life  # the first host, then all others


def test_where_nobody_can_tell_who_is_left_the_whole_limit_is_waited_for(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 8, capacity: 0, limit: 40 min}")
    world.pool.requests = dict.fromkeys(HOSTS)  # type: ignore[assignment]
    world.pool.quiet = dict.fromkeys(HOSTS, timedelta(hours=2))
    began = world.shop.now
    world.roll()
    assert world.having("2.0.0") == HOSTS
    assert world.shop.now - began >= 2 * timedelta(minutes=40)  # the first host, then all others


def test_old_hosts_are_drained_as_soon_as_the_first_one_is_new_where_no_minimum_asks_for_more(
    rooms: Callable[..., Rooms],
) -> None:
    world = rooms("{batch: 1, capacity: 0}")
    seen: list[tuple[list[str], set[str]]] = []
    world.meanwhile = lambda: seen.append((world.having("2.0.0"), world.pool.leads()))
    world.roll()
    assert (["room1"], {"room1"}) in seen


def test_once_enough_hosts_are_new_nobody_new_is_led_to_an_old_one(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 2, capacity: 3}")
    seen: list[set[str]] = []
    world.meanwhile = lambda: seen.append(world.pool.leads())
    world.roll()
    new_only = [leads for leads in seen if leads <= {"room1", "room2", "room3"}]
    assert new_only, "the drain of all old hosts began once three new ones served"
    assert "training: new users reach the target only; 5 hosts drained" in world.lines
    assert world.pool.least >= 3


@pytest.mark.parametrize(("policy", "version"), [("stop", "1.0.0"), ("cut", "2.0.0")])
def test_a_drain_that_does_not_end_is_a_result_with_its_numbers(
    rooms: Callable[..., Rooms], policy: str, version: str
) -> None:
    world = rooms(f"{{batch: 2, capacity: 4, limit: 40 min, undrained: {policy}}}")
    world.pool.requests["room1"] = 3
    if policy == "stop":
        with pytest.raises(TimedOut, match="3 requests still running on room1"):
            world.roll()
        assert world.progress().state == "failed"
        assert world.batches("undrained") == [("room1",)]
        assert "3 requests still running on room1" in world.progress().why
    else:
        world.roll()
        (first, *_) = [r for r in world.shop.chronicle("training", "batch") if r.stage == "done" and r.left]
        assert (first.hosts, first.left) == (("room1",), 3)
    assert world.having(version) == HOSTS
    assert world.all_ready()


def test_a_drain_may_wait_beyond_its_limit_and_says_so(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 2, capacity: 4, limit: 40 min, undrained: wait}")
    world.pool.requests["room1"] = 1
    began = world.shop.now

    def leave() -> None:
        if world.shop.now - began > timedelta(hours=2):
            world.pool.requests["room1"] = 0

    world.meanwhile = leave
    world.roll()
    assert world.having("2.0.0") == HOSTS
    assert [line for line in world.lines if "goes on: 1 request still running on room1" in line]


def test_a_host_that_a_reload_made_ready_again_is_drained_again(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 8, capacity: 0}")
    reloads = [1, 2, 3]

    def reload() -> None:
        if reloads and world.pool.states["room1"] == "drain":
            reloads.pop()
            world.pool.states["room1"] = "ready"

    world.meanwhile = reload
    world.roll()
    assert not reloads
    assert world.having("2.0.0") == HOSTS


def test_users_who_came_by_a_reload_keep_their_whole_time(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 8, capacity: 0}")
    reloads: list[datetime] = []

    def reload() -> None:
        if not reloads and world.shop.now - began > timedelta(minutes=20):
            reloads.append(world.shop.now)
            world.pool.states["room1"] = "ready"

    world.meanwhile = reload
    began = world.shop.now
    world.roll()
    assert isinstance(world.pool.stay, Stay)
    assert world.first_done() - reloads[0] > world.pool.stay.life


def killed_while_it_drains(world: Rooms) -> datetime:
    """A rollout dies twenty minutes after its beginning, which is returned."""

    def die() -> None:
        if world.shop.now - began > timedelta(minutes=20):
            raise Killed

    world.meanwhile = die
    began = world.shop.now
    with pytest.raises(Killed):
        world.roll()
    world.meanwhile = lambda: None
    return began


def test_a_drain_that_is_resumed_goes_on_by_its_clock(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 8, capacity: 0, limit: 1 h}")

    began = killed_while_it_drains(world)
    assert world.pool.states["room1"] == "drain"
    world.shop.resume("ci")
    assert isinstance(world.pool.stay, Stay)
    assert world.pool.stay.life < world.first_done() - began < world.pool.stay.life + timedelta(minutes=10)
    assert world.having("2.0.0") == HOSTS
    assert world.all_ready()


def test_what_a_dead_rollout_has_drained_is_ready_again_when_the_resumed_one_ends_early(
    rooms: Callable[..., Rooms],
) -> None:
    world = rooms("{batch: 8, capacity: 0, limit: 40 min, undrained: stop}")
    world.pool.requests["room1"] = 1

    began = killed_while_it_drains(world)
    with pytest.raises(TimedOut, match="1 request still running on room1"):
        world.shop.resume("ci")
    assert world.shop.now - began < timedelta(minutes=50)  # the limit is the drain's, not the command's
    assert world.all_ready()


def test_the_minimum_is_refused_before_anything_is_written(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 2, capacity: 8}")
    with world.shop.unchanged(), pytest.raises(GateRefused, match="8 of 8 take new users, the minimum is 8"):
        world.roll()


def test_sick_hosts_are_replaced_first_and_the_last_healthy_one_is_not_taken(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 4, capacity: 2}")
    world.pool.sick = set(HOSTS) - {"room3"}
    plan = rollout(world.shop.by("ci"), "training", dry_run=True)
    assert plan.batches[0][0].host != "room3"
    assert plan.batches[-1][-1].host == "room3"
    with pytest.raises(SluicegateError, match="does not find room1 healthy"):
        world.roll()  # the version answers there, and the balancer says otherwise
    assert world.pool.states["room1"] == "out"
    assert "room3" in world.pool.leads()


def test_a_batch_shrinks_to_what_the_minimum_allows(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 8, capacity: 6}")
    world.roll()
    assert world.having("2.0.0") == HOSTS
    assert world.pool.least >= 6
    assert max(len(batch) for batch in world.batches()) == 2


def test_a_version_that_breaks_the_first_host_goes_no_further_and_nobody_is_led_there(
    rooms: Callable[..., Rooms],
) -> None:
    world = rooms()
    world.shop.drivers.hosts["room1"].broken.add("auth")
    with pytest.raises(SluicegateError, match="'auth' ended at once"):
        world.roll()
    assert world.having("2.0.0") == []
    assert world.pool.states == {**dict.fromkeys(HOSTS, "ready"), "room1": "out"}
    world.shop.drivers.hosts["room1"].broken.clear()
    world.roll()
    assert world.having("2.0.0") == HOSTS
    assert world.all_ready()


def test_a_host_that_fails_later_stays_out_and_is_told(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 2, capacity: 4}", "{driver: fake, at-once: 8, max-failed: 1}")
    world.shop.drivers.hosts["room4"].broken.add("auth")
    world.roll()
    assert world.pool.states == {**dict.fromkeys(HOSTS, "ready"), "room4": "out"}
    assert dict(world.shop.chronicle("training", "deployed")[-1].behind) == {"room4": "failed"}


def test_a_host_that_missed_the_rollout_is_installed_before_it_serves(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 2, capacity: 4}", "{driver: fake, at-once: 8, max-failed: 1}")
    world.shop.drivers.hosts["room5"].down = True
    world.roll()
    assert world.pool.states["room5"] == "out"
    world.shop.drivers.hosts["room5"].down = False
    assert world.having("1.0.0") == ["room5"]
    world.roll()
    assert world.having("2.0.0") == HOSTS
    assert world.all_ready()


def test_what_was_installed_beside_a_failure_serves(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 4, capacity: 2}")
    world.shop.drivers.hosts["room5"].broken.add("auth")
    with pytest.raises(SluicegateError, match="'auth' ended at once"):
        world.roll()
    assert world.having("2.0.0") == ["room1", "room2", "room3", "room4"]
    assert world.pool.states == {**dict.fromkeys(HOSTS, "ready"), "room5": "out"}


def test_a_host_that_comes_in_again_is_installed_before_it_serves(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 2, canary: 1, capacity: 4, approval: release-manager}")
    take_out(world.shop.by("rita"), "room4", "disk")
    assert world.pool.states["room4"] == "drain"
    with pytest.raises(GateRefused):
        world.roll()
    go_on(world.shop.by("rita"), "training")
    assert world.having("1.0.0") == ["room4"]
    assert world.pool.states["room4"] == "drain"
    bring_in(world.shop.by("rita"), "room4")
    assert world.having("2.0.0") == HOSTS
    assert world.all_ready()


def test_a_host_that_has_all_and_is_out_is_looked_at_before_it_serves(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    world.roll()
    world.pool.states["room2"] = "out"
    world.lines.clear()
    world.roll()
    assert "training: room2: auth 2.0.0 is to answer" in world.lines
    assert world.all_ready()


def test_a_pause_for_a_role_keeps_it_open_until_somebody_in_it_says_so(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 4, canary: 1, capacity: 4, approval: release-manager}")
    with pytest.raises(GateRefused, match="the rollout of training is paused"):
        world.roll()
    assert world.having("2.0.0") == ["room1", "room2"]
    assert (world.progress().state, world.all_ready()) == ("paused", True)
    with pytest.raises(GateRefused, match="is paused since"):
        world.roll()
    assert [resumed.outcome for resumed in world.shop.resume()] == ["paused"]
    with pytest.raises(GateRefused, match="anna is not in the role 'release-manager'"):
        go_on(world.shop.by("anna"), "training")
    world.shop.pass_time(timedelta(days=3))  # no deadline runs meanwhile
    go_on(world.shop.by("rita"), "training")
    assert world.having("2.0.0") == HOSTS
    assert world.progress().state == "done"
    assert world.progress().done == tuple(HOSTS)
    with pytest.raises(NotFound, match="no rollout of training is paused"):
        go_on(world.shop.by("rita"), "training")


def test_a_paused_rollout_is_taken_back_by_batches_without_a_canary(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 4, canary: 1, capacity: 4, approval: release-manager}")
    with pytest.raises(GateRefused):
        world.roll()
    world.shop.pass_time()
    abort(world.shop.by("rita"), "training", why="slow")
    assert world.having("1.0.0") == HOSTS
    assert world.batches() == [("room1", "room2")]
    assert (world.shop.pins("training"), world.all_ready()) == (OLD, True)
    assert open_intents(world.shop.state) == ()
    assert world.shop.state.vetoed("auth", "2.0.0", "training") is None
    with pytest.raises(NotFound, match="no rollout to end"):
        abort(world.shop.by("rita"), "training")


def test_a_rollout_that_failed_is_taken_back(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    world.shop.drivers.hosts["room3"].broken.add("auth")
    with pytest.raises(SluicegateError):
        world.roll()
    assert world.having("2.0.0") == ["room1", "room2"]
    world.shop.drivers.hosts["room3"].broken.clear()
    world.shop.pass_time()
    abort(world.shop.by("rita"), "training")
    assert world.having("1.0.0") == HOSTS
    assert world.all_ready()


def test_a_rollout_at_work_ends_when_somebody_asks_for_it(
    rooms: Callable[..., Rooms], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "LOOK", 0.0)
    world = rooms()

    def ask() -> None:
        if len(world.having("2.0.0")) == 3:
            (intent,) = open_intents(world.shop.state)
            world.meanwhile = lambda: None
            from sluicegate.delivery.changes.rollout import _halt

            _halt(world.shop.by("rita"), intent, "OPS-12")

    world.meanwhile = ask
    with pytest.raises(SluicegateError, match="rita has ended the rollout: OPS-12"):
        world.roll()
    assert world.having("2.0.0") == ["room1", "room2", "room3"]
    assert world.all_ready()
    world.shop.pass_time()
    abort(world.shop.by("rita"), "training")
    assert world.having("1.0.0") == HOSTS


def test_whoever_ended_an_earlier_rollout_does_not_end_this_one(
    rooms: Callable[..., Rooms], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "LOOK", 0.0)
    world = rooms()

    def ask() -> None:
        if len(world.having("2.0.0")) == 3:
            world.meanwhile = lambda: None
            halted = Halted(of="an earlier one", why="OPS-12")
            world.shop.by("rita").change(lambda _, draft: draft.note_environment("training", halted), "halt")

    world.meanwhile = ask
    world.roll()
    assert [record.why for record in world.shop.chronicle("training", "halted")] == ["OPS-12"]
    assert world.having("2.0.0") == HOSTS


def test_a_rollback_goes_back_by_batches_without_a_canary_and_vetoes(rooms: Callable[..., Rooms]) -> None:
    world = rooms("{batch: 4, canary: 1, capacity: 4}")
    world.roll()
    world.shop.rollback("training", "auth", why="bad")
    assert world.having("1.0.0") == HOSTS
    assert world.batches() == [tuple(HOSTS[:4]), tuple(HOSTS[4:])]
    assert world.shop.state.vetoed("auth", "2.0.0", "training")


def counting(world: Rooms, new_errors: float, old_errors: float, requests: int = 1000) -> None:
    """While time passes every host answers requests, some of them with an error."""

    def answer() -> None:
        for host in HOSTS:
            counters = world.pool.counters.get(host, Counters())
            rate = new_errors if host in world.having("2.0.0") else old_errors
            world.pool.counters[host] = Counters(
                requests=counters.requests + requests,
                server_errors=counters.server_errors + round(requests * rate),
                milliseconds=500,
            )

    world.meanwhile = answer


ANALYSED = "{batch: 3, capacity: 4, pause: 5 min, analysis: {requests: 100, errors: 1%}}"


def test_a_version_with_five_percent_errors_goes_back_by_itself(rooms: Callable[..., Rooms]) -> None:
    world = rooms(ANALYSED)
    counting(world, 0.05, 0.0)
    with pytest.raises(SluicegateError, match=r"5\.0% answers 5xx instead of 0\.0%.*training has gone back"):
        world.roll()
    assert world.having("1.0.0") == HOSTS
    assert (world.shop.pins("training"), world.all_ready()) == (OLD, True)
    assert open_intents(world.shop.state) == ()


def test_a_slow_balancer_that_slows_both_alike_passes(rooms: Callable[..., Rooms]) -> None:
    world = rooms(ANALYSED)
    counting(world, 0.02, 0.02)
    world.roll()
    assert world.having("2.0.0") == HOSTS
    verdicts = [batch.verdict for batch in world.shop.chronicle("training", "batch") if batch.stage == "analysis"]
    assert set(verdicts) == {"passed"}


def test_too_few_requests_are_inconclusive_and_pause(rooms: Callable[..., Rooms]) -> None:
    world = rooms(ANALYSED)
    counting(world, 0.0, 0.0, requests=1)
    with pytest.raises(GateRefused, match="the analysis is inconclusive"):
        world.roll()
    assert (world.having("2.0.0"), world.progress().state) == (["room1"], "paused")
    assert world.all_ready()


def test_an_environment_without_a_pool_is_told(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    with pytest.raises(UsageError, match="integration has no 'pool'"):
        rollout(world.shop.by("ci"), "integration")


def test_a_rollout_beside_an_open_one_is_refused(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    world.shop.begin("training", "rollout", group="rooms", target=NEW, before=OLD)
    with world.shop.unchanged(), pytest.raises(SluicegateError, match="training is locked: 'rollout' by berta"):
        world.roll()


def test_a_pool_that_is_down_refuses_before_anything_is_written(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    world.pool.down = True
    with world.shop.unchanged(), pytest.raises(SluicegateError, match="the balancer is down"):
        world.roll()
    assert world.progress().problem == "the balancer is down"


def test_a_host_that_the_pool_does_not_have_refuses_before_anything_is_written(rooms: Callable[..., Rooms]) -> None:
    world = rooms()
    del world.pool.states["room7"]
    with world.shop.unchanged(), pytest.raises(NotFound, match="has no room7"):
        world.roll()


def test_what_was_never_rolled_out_has_no_progress(rooms: Callable[..., Rooms]) -> None:
    assert rooms().progress().state == "none"
