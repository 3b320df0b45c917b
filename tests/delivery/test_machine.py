"""Anything in any order, from several clones with clocks that differ: what must hold holds after each step."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sluicegate.delivery import evidence, pinning
from sluicegate.delivery.evidence import TestRun as Run
from sluicegate.delivery.promote import promote
from sluicegate.delivery.publish import Origin, publish
from sluicegate.delivery.repo import DeliveryRepo
from sluicegate.delivery.rollback import rollback
from sluicegate.delivery.state import LEDGER, MAIN, State
from sluicegate.delivery.swap import swap
from sluicegate.delivery.sync import sync
from sluicegate.delivery.versions import lower
from sluicegate.errors import SluicegateError
from sluicegate.model.values import Actor, newest, vetoed
from sluicegate.tools import door
from sluicegate.tools.git import Store
from tests.shop import SUITES, Shop

COMPONENTS = ("auth", "portal")
ENVIRONMENTS = ("integration", "training", "staging", "production")
SKEWS = (0, -90, 30)
EXAMPLES = int(os.environ.get("SLUICEGATE_EXAMPLES", "6"))

components = st.sampled_from(COMPONENTS)
environments = st.sampled_from(ENVIRONMENTS)
clones = st.integers(0, len(SKEWS) - 1)
newness = st.integers(0, 2)
"""0 is the newest version, 1 the one before, and so on."""


class Deliveries(RuleBasedStateMachine):
    launched: Shop

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="sluicegate-machine-")
        root = Path(self.folder.name)
        self.shop = self.launched.copied(root)
        subprocess.run(["git", "clone", "-q", self.shop.bare, root / "clone"], check=True, capture_output=True)
        self.places = (str(self.shop.bare), str(root / "clone"), f"file://{self.shop.bare}")
        self.repos: dict[tuple[int, str, int], DeliveryRepo] = {}
        self.versions = {component: ["1.0.0"] for component in COMPONENTS}
        self.steps = 0
        self.ids: set[str] = set()
        self.asked: dict[str, str] = {}
        self.by_hand: set[tuple[str, str, str]] = set()
        self.had = {component: {"1.0.0"} for component in COMPONENTS}
        self.running: dict[str, dict[str, str]] = {}
        self.exchanged = True

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            for repo in self.repos.values():
                repo.store.close()
            self.shop.close()
            self.folder.cleanup()

    # hands

    def by(self, user: str, clone: int) -> DeliveryRepo:
        """A new build each time, on one of the clones."""
        self.steps += 1
        self.shop.pass_time(timedelta(seconds=10))
        key = (clone, user, self.steps)
        store = next((r.store for (c, _, _), r in self.repos.items() if c == clone), None)
        store = store or Store(self.places[clone], (MAIN, LEDGER), cache=Path(self.folder.name) / f"cache{clone}")
        actor = Actor(user=user, source=f"https://ci.example.com/{self.steps}/", verified=True)
        self.repos[key] = DeliveryRepo(store, self.shop.drivers, actor=actor, clock=lambda: self.clock(clone))
        return self.repos[key]

    def clock(self, clone: int) -> datetime:
        return self.shop.now + timedelta(seconds=SKEWS[clone])

    @staticmethod
    def tried(act: Callable[[], Any]) -> Any:
        """The result, None when it was refused; any error but ours is a bug."""
        try:
            return act() or True
        except SluicegateError as problem:
            assert problem.exit_code in (2, 3, 4), problem
            return None

    def version(self, component: str, new: int) -> str:
        known = self.versions[component]
        return known[-1 - min(new, len(known) - 1)]

    # what people do

    @rule(component=components, clone=clones)
    def publishes(self, component: str, clone: int) -> None:
        version = f"{len(self.versions[component]) + 1}.0.0"
        path = Path(self.folder.name) / "a.zip"
        path.write_text(f"{component} {version}")
        publish(self.by("ci", clone), component, version, [path], Origin(author="olle"))
        self.versions[component].append(version)
        assert [r.what for r in self.shop.story(component, version)] == ["built"]

    @rule(environment=environments, clone=clones, end=st.booleans())
    def syncs(self, environment: str, clone: int, end: bool) -> None:
        if self.tried(lambda: sync(self.by("ci", clone), environment, end_sessions=end)):
            self.by_hand = {one for one in self.by_hand if one[0] != environment}

    @rule(component=components, environment=environments, clone=clones, good=st.booleans())
    def tests(self, component: str, environment: str, clone: int, good: bool) -> None:
        version = self.running.get(environment, {}).get(component, "1.0.0")
        suite = SUITES.get(environment, "acceptance")
        repo = self.by("ci", clone)
        run = Run(passed=5, failed=0 if good else 1, skipped=0, digest="0" * 64)
        if self.tried(lambda: evidence.record_tests(repo, component, version, environment, suite, run)):
            assert self.shop.story(component, version, "tests")[-1].by == repo.actor

    @rule(
        component=components, new=newness, clone=clones, yes=st.booleans(),
        to=st.sampled_from([("staging", "qa", "anna"), ("production", "release-manager", "rita"),
                            ("production", "release-manager", "olle"), ("staging", "qa", "rita")]),
    )  # fmt: skip
    def judges(self, component: str, new: int, clone: int, yes: bool, to: tuple[str, str, str]) -> None:
        version = self.version(component, new)
        repo = self.by(to[2], clone)
        done = self.tried(lambda: evidence.judge(repo, component, version, to[0], to[1], approve=yes, why=""))
        assert bool(done) == (to[2] != "rita" or to[1] != "qa")
        if done:
            record = self.shop.story(component, version)[-1]
            assert (record.what, record.by) == ("approval" if yes else "rejection", repo.actor)

    @rule(wanted=st.dictionaries(components, newness, min_size=1), clone=clones, down=st.booleans(),
          to=st.sampled_from(["staging", "staging", "training", "production"]))  # fmt: skip
    def promotes(self, wanted: dict[str, int], clone: int, down: bool, to: str) -> None:
        chosen = {component: self.version(component, new) for component, new in wanted.items()}
        before = self.candidate() if to == "staging" else {}
        repo = self.by("anna", clone)
        if self.tried(lambda: promote(repo, chosen, to, downgrade=tuple(chosen) if down else ())):
            pins = self.shop.pins(to)
            assert {c: pins[c] for c in chosen} == chosen
            self.note_asked(to, before, chosen, openly=down)

    @rule(component=components, new=newness, clone=clones,
          environment=st.sampled_from(["integration", "training", "staging", "production"]))  # fmt: skip
    def pins(self, component: str, new: int, clone: int, environment: str) -> None:
        version = self.version(component, new)
        before = self.candidate()
        repo = self.by("anna", clone)
        if self.tried(lambda: pinning.pin(repo, component, version, environment, why="")):
            assert environment != "production"
            assert self.shop.pins(environment)[component] == version
            self.note_asked(environment, before, {component: version}, openly=True)

    @rule(component=components, new=newness, environment=st.sampled_from(["training", "staging", "production"]))
    def edits_by_hand(self, component: str, new: int, environment: str) -> None:
        version = self.version(component, new)
        before = self.candidate()
        self.shop.pin_by_hand(environment, **{component: version})
        self.by_hand.add((environment, component, version))
        self.note_asked(environment, before, {component: version}, openly=False)

    @rule(component=components, environment=environments, clone=clones, lift=st.booleans())
    def holds(self, component: str, environment: str, clone: int, lift: bool) -> None:
        act = pinning.unhold if lift else lambda *w, why: pinning.hold(*w, until=None, why=why)
        self.tried(lambda: act(self.by("anna", clone), component, environment, why="x"))  # type: ignore[operator]

    @rule(component=components, new=newness, clone=clones, lift=st.booleans(),
          environment=st.sampled_from(["", *ENVIRONMENTS]))  # fmt: skip
    def vetoes(self, component: str, new: int, clone: int, lift: bool, environment: str) -> None:
        version = self.version(component, new)
        self.tried(lambda: evidence.veto(self.by("rita", clone), component, version, environment, lift=lift, why=""))
        assert self.shop.story(component, version)[-1].what in ("veto", "unveto")

    @rule(clone=clones)
    def swaps(self, clone: int) -> None:
        state = self.shop.state
        before = {c: p.version for c, p in state.pins("production").items()}
        unproven = self.unproven(state, before)
        found = self.tried(lambda: swap(self.by("rita", clone), "production"))
        if found:
            assert not {c: unproven[c] for c in found.changes if unproven[c]}, "swapped without evidence"
            for component, (old, new) in found.changes.items():
                if lower("semver", new, old):
                    assert self.asked.get(component) == new, f"{component} was lowered unasked"
            self.after_exchange(before, found.after)

    @rule(clone=clones)
    def swaps_back(self, clone: int) -> None:
        before = self.shop.pins("production")
        found = self.tried(lambda: swap(self.by("rita", clone), "production", back=True))
        if found:
            self.after_way_back(before)

    @rule(clone=clones, component=st.sampled_from(["", *COMPONENTS]), end=st.booleans(),
          environment=st.sampled_from(["integration", "training", "staging", "production"]))  # fmt: skip
    def rolls_back(self, clone: int, component: str, end: bool, environment: str) -> None:
        before = self.shop.pins(environment)
        repo = self.by("rita", clone)
        found = self.tried(lambda: rollback(repo, environment, component, end_sessions=end))
        if not found:
            return
        for name, bad in found.bad.items():
            assert self.shop.state.vetoed(name, bad, environment)
            assert before[name] == bad and self.shop.pins(environment).get(name) == found.target.get(name)
        if environment == "production":
            self.after_way_back(before)

    @rule(component=components, good=st.booleans(), clone=clones)
    def releases(self, component: str, good: bool, clone: int) -> None:
        """Most of the way at once, or hardly anything would ever reach production."""
        self.publishes(component, clone)
        self.syncs("integration", clone, False)
        version = self.versions[component][-1]
        self.check()
        self.tests(component, "integration", clone, True)
        self.judges(component, 0, clone, True, ("staging", "qa", "anna"))
        self.promotes({component: 0}, clone, False, "staging")
        self.syncs("staging", (clone + 1) % len(SKEWS), True)
        self.check()
        if self.running["staging"].get(component) == version:
            self.tests(component, "staging", clone, good)
            self.judges(component, 0, clone, True, ("production", "release-manager", "rita"))
            self.swaps(clone)

    @rule(minutes=st.sampled_from([1, 40]))
    def waits(self, minutes: int) -> None:
        self.shop.pass_time(timedelta(minutes=minutes))

    @rule(one=components, other=components, direct=st.integers(0, 1))
    def two_at_once(self, one: str, other: str, direct: int) -> None:
        """A veto from the mirrored clone arrives just before the push of an approval from another one."""
        first, second = self.by("anna", direct), self.by("rita", 2)
        version = self.version(other, 0)

        def late(name: str) -> None:
            if name == "git push":
                door.watcher = None
                evidence.veto(second, other, version, "production", lift=False, why="race")

        door.watcher = late
        try:
            evidence.judge(first, one, self.version(one, 0), "staging", "qa", approve=True, why="")
        finally:
            door.watcher = None
        assert any(r.by == first.actor for r in self.shop.story(one, self.version(one, 0)))
        assert any(r.by == second.actor for r in self.shop.story(other, version))

    # what is remembered

    def candidate(self) -> dict[str, str]:
        from sluicegate.delivery.promote import standing_pins

        state = self.shop.state
        return {c: p.version for c, p in standing_pins(state, state.config.environment("staging")).items()}

    def note_asked(self, environment: str, before: dict[str, str], moved: dict[str, str], *, openly: bool) -> None:
        if environment == "staging":
            for component, version in moved.items():
                if openly:
                    self.asked[component] = version
                elif before.get(component) != version:
                    self.asked.pop(component, None)

    def after_exchange(self, before: dict[str, str], after: dict[str, str]) -> None:
        self.exchanged = True
        assert self.shop.pins("production") == self.shop.pins("staging") == after
        self.by_hand = {one for one in self.by_hand if one[0] not in ("staging", "production")}
        for component, version in after.items():
            self.had[component].add(version)

    def after_way_back(self, before: dict[str, str]) -> None:
        self.exchanged = True
        self.asked.clear()
        self.by_hand = {one for one in self.by_hand if one[0] not in ("staging", "production")}
        for component, version in self.shop.pins("production").items():
            assert version == before.get(component) or version in self.had[component]

    def unproven(self, state: State, before: dict[str, str]) -> dict[str, str]:
        """What is missing for each version that staging's hosts have, told without asking the gates."""
        standing = state.effective(state.config.environment("staging"))
        found: dict[str, str] = {}
        who = ("rita", "olle")
        for component, one in standing.installed.items() if standing else ():
            story = state.story(component, one.version)
            run = newest(r for r in story if r.what == "tests" and r.get("env") == "staging")
            words = {
                r.by.user: r for r in story
                if r.what in ("approval", "rejection") and r.get("env") == "production" and r.by.user in who
            }  # fmt: skip
            if run is None or run.get("failed") or run.get("set") != standing.set_name:  # type: ignore[union-attr]
                found[component] = "tests"
            elif any(r.what == "rejection" for r in words.values()) or "rita" not in words:
                found[component] = "approval"
            elif vetoed(story, ("", "integration", "staging", "production")):
                found[component] = "veto"
            else:
                found[component] = ""
        return found

    # what must hold

    @invariant()
    def holds_after_each_step(self) -> None:
        if hasattr(self, "shop"):
            self.check()

    def check(self) -> None:
        state = self.shop.state
        self.check_ledger(state)
        self.check_outside(state)
        self.check_entered(state)
        self.check_pins(state)

    def check_ledger(self, state: State) -> None:
        records = [r for e in ENVIRONMENTS for r in state.chronicle(e)]
        records += [r for c in COMPONENTS for v in state.versions(c) for r in state.story(c, v)]
        ids = {record.id for record in records}
        assert len(ids) == len(records), "every record has an id of its own"
        assert ids >= self.ids, "the ledger lost a record"
        self.ids = ids
        assert not [i for e in ENVIRONMENTS for i in state.open_intents(state.config.environment(e))]

    def check_outside(self, state: State) -> None:
        live = state.servers["production"]
        assert self.shop.drivers.users.group == live
        pins = {c: p.version for c, p in state.pins("production").items()}
        if not any(environment == "production" for environment, _, _ in self.by_hand):
            assert self.shop.running(f"{live}1") == self.shop.running(f"{live}2") == pins
        for name in ENVIRONMENTS:
            environment = state.config.environment(name)
            standing = state.effective(environment)
            told = {c: i.version for c, i in standing.installed.items()} if standing else {}
            for host in state.config.groups[state.group(environment)]:
                assert self.shop.running(host) == told

    def check_entered(self, state: State) -> None:
        running = {}
        for name in ENVIRONMENTS:
            standing = state.effective(state.config.environment(name))
            running[name] = {c: i.version for c, i in standing.installed.items()} if standing else {}
            if name == "staging" and self.exchanged:
                continue
            for component, version in running[name].items():
                if name == "staging" and self.shop.pins("production").get(component) == version:
                    continue  # production has it already, and staging's set is production's but for what is promoted
                if self.running and self.running[name].get(component) != version:
                    assert not state.vetoed(component, version, name), f"{component}={version} is vetoed in {name}"
        self.running, self.exchanged = running, False

    def check_pins(self, state: State) -> None:
        for name in ENVIRONMENTS:
            for component, pin in state.pins(name).items():
                if (name, component, pin.version) in self.by_hand:
                    continue
                told = {r.get("env") for r in state.story(component, pin.version) if r.what == "pinned"}
                assert told & {name, "production" if name == "staging" else name}, f"no record pins {pin} in {name}"


def test_anything_in_any_order(launched: Shop) -> None:
    Deliveries.launched = launched
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Deliveries,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck),
            print_blob=True, report_multiple_bugs=False,
        ),
    )  # fmt: skip
