"""Whatever people, jobs and accidents do, in any order: what production runs is proven, and nothing said is lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sluicegate.delivery.artifacts.publish import publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book.pins import edit_pins, pins_path
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.delivery.changes.resume import resume
from sluicegate.delivery.changes.rollback import rollback
from sluicegate.delivery.changes.swap import swap
from sluicegate.delivery.changes.sync import keeps_warm, sync
from sluicegate.delivery.moves import pinning
from sluicegate.delivery.moves.evidence import TestRun as Run
from sluicegate.delivery.moves.evidence import judge, record_tests, veto
from sluicegate.delivery.moves.promote import promote
from sluicegate.errors import Conflict, IntegrityError, SluicegateError
from sluicegate.model import ledgerfiles
from sluicegate.model.values import Actor, Pin, canonical, stamp
from sluicegate.tools import sshsig
from sluicegate.tools.git import Edit, Store
from tests.signers import VARIABLE, allowed, forge, lines, made_key
from tests.worlds import CONFIG, Shop

VERSIONS = ("1.0.0", "1.1.0", "1.10.0", "2.0.0")
GROUPS = {"int": ("int1",), "blue": ("blue1", "blue2"), "green": ("green1", "green2")}
ENVIRONMENTS = ("integration", "staging", "production")
SKEW = {"direct": timedelta(0), "clone": timedelta(minutes=-5), "mirror": timedelta(minutes=5)}

SIGNED = b"name: shop\nevidence: {signed-by: allowed-signers}\n"
WITHOUT_SUITES = re.sub(rb"    after: .*\n", b"", CONFIG)

components = st.sampled_from(("auth", "portal"))
versions = st.sampled_from(VERSIONS)
environments = st.sampled_from(ENVIRONMENTS)
places = st.sampled_from(tuple(SKEW))
judgements = st.sampled_from(
    (("staging", "qa", "anna"), ("staging", "qa", "rita"), ("production", "release-manager", "rita"),
     ("production", "release-manager", "olle"))
)  # fmt: skip


TURNED = {
    "approval": "rejection", "rejection": "approval", "veto": "unveto", "unveto": "veto", "held": "unheld",
    "unheld": "held",
}  # fmt: skip


def signed_lines(shop: Shop, component: str, version: str) -> list[dict[str, Any]]:
    return [line for line in lines(shop, component, version) if "signature" in line]


class Died(Exception):
    """The command was killed: none of our errors, so that nothing tidies up."""


class Evidence:
    """What has been said of versions, kept in a plain way beside the ledger, to judge what the gates let through."""

    def __init__(self) -> None:
        self.tests: dict[tuple[str, str, str], tuple[int, int, dict[str, str]]] = {}
        self.words: dict[tuple[str, str, str], dict[str, bool]] = {}
        self.vetoes: set[tuple[str, str, str]] = set()
        self.authors: dict[tuple[str, str], str] = {}

    def vetoed(self, component: str, version: str) -> bool:
        return any((component, version, scope) in self.vetoes for scope in ("", *ENVIRONMENTS))

    def approved(self, component: str, version: str, role: str, without: str = "") -> bool:
        seals = self.words.get((component, version, role), {})
        return all(seals.values()) and any(who != without for who in seals)

    def may_stage(self, component: str, version: str) -> bool:
        passed, failed, _ = self.tests.get((component, version, "regression"), (0, 0, {}))
        well = passed >= 2 and not failed and self.approved(component, version, "qa")
        return well and not self.vetoed(component, version)

    def may_go_out(self, component: str, version: str, together: dict[str, str]) -> bool:
        passed, failed, on = self.tests.get((component, version, "acceptance"), (0, 0, {}))
        author = self.authors.get((component, version), "")
        well = passed > 0 and not failed and on == together
        return (
            well
            and self.approved(component, version, "release-manager", without=author)
            and not self.vetoed(component, version)
        )


class Delivery(RuleBasedStateMachine):
    """Every rule is a command by somebody from one of three clones, whose clocks differ by minutes."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sluicegate-machine-"))
        self.key, self.strange_key = made_key(self.folder / "key"), made_key(self.folder / "strange")
        os.environ[VARIABLE] = str(self.key)
        self.shop = Shop.opened(self.folder / "shop", SIGNED + WITHOUT_SUITES)
        self.shop.edited("allowed-signers", allowed(self.key))
        clone = self.folder / "clone"
        subprocess.run(["git", "clone", "--quiet", "--branch", "main", self.shop.bare, clone], check=True)
        places = {"direct": str(self.shop.bare), "clone": str(clone), "mirror": f"file://{self.shop.bare}"}
        self.stores = {
            place: Store(location, (MAIN, LEDGER), cache=self.folder / "cache") for place, location in places.items()
        }
        self.builds = 0
        self.dying = ""
        self.shop.drivers.users.switch = self.mortal(self.shop.drivers.users.switch)  # type: ignore[method-assign]
        self.evidence = Evidence()
        self.seen: set[str] = set()
        self.ran: set[tuple[str, str]] = set()
        self.lowering: set[tuple[str, str]] = set()
        self.by_hand: set[tuple[str, str, str]] = set()
        self.on_staging: dict[str, set[tuple[str, str]]] = {"blue": set(), "green": set()}
        self.live: set[tuple[str, str]] = set()
        self.live_group = "blue"
        self.past_the_gates = ""
        self.interloper: Callable[[], None] | None = None

    def teardown(self) -> None:
        os.environ.pop(VARIABLE, None)
        if hasattr(self, "shop"):
            for store in self.stores.values():
                store.close()
            self.shop.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def repo(self, place: str, user: str = "olle") -> DeliveryRepo:
        """The repo in somebody's hands, each time in a build of its own."""

        def clock() -> datetime:
            self.shop.pass_time()
            return self.shop.now + SKEW[place]

        self.builds += 1
        source = f"https://ci.example.com/job/{user}/{self.builds}/"
        actor = Actor(user=user, source=source, verified=True)
        return DeliveryRepo(self.stores[place], self.shop.drivers, actor=actor, clock=clock)

    def mortal(self, switch: Callable[..., None]) -> Callable[..., None]:
        """The balancer's switch, before or after which the command dies when `dying` says so."""

        def die_or_switch(to: str, *, keep_sessions: bool) -> None:
            dying, self.dying = self.dying, ""
            if dying == "before":
                raise Died
            switch(to, keep_sessions=keep_sessions)
            if dying == "after":
                raise Died

        return die_or_switch

    def try_(self, command: Callable[[], object]) -> bool:
        """Whether the command was acknowledged. A refusal is an answer; any other error is a bug."""
        undo = self._arm()
        try:
            command()
        except (SluicegateError, Died):
            return False
        finally:
            undo()
        return True

    def _arm(self) -> Callable[[], None]:
        """Let somebody else be first, once, between a decision and its push."""
        act, self.interloper = self.interloper, None
        if act is None:
            return lambda: None
        stores = [self.stores["direct"], self.stores["clone"]]
        originals = [store.move for store in stores]
        waiting = [act]

        def move(*words: Any, of: Any, **named: Any) -> Any:
            if waiting:
                waiting.pop()()
            return of(*words, **named)

        for store, original in zip(stores, originals, strict=True):
            store.move = lambda *w, of=original, **n: move(*w, of=of, **n)  # type: ignore[method-assign]

        def undo() -> None:
            for store in stores:
                del store.move

        return undo

    # rules: what people and jobs do

    @rule(place=places, component=components, version=versions, author=st.sampled_from(("nils", "olle")))
    def publish(self, place: str, component: str, version: str, author: str) -> None:
        repo = self.repo(place)
        if self.try_(lambda: self.published(repo, component, version, author)):
            self.evidence.authors.setdefault((component, version), author)
            assert self.shop.story(component, version, "built")

    def published(self, repo: DeliveryRepo, component: str, version: str, author: str) -> None:
        path = self.folder / f"{component}.tar.gz"
        path.write_text(f"{component} {version}")
        publish(repo, component, version, [path], Origin(commit="c" * 40, author=author))

    @rule(place=places, component=components, version=versions, environment=environments)
    def pin(self, place: str, component: str, version: str, environment: str) -> None:
        repo = self.repo(place)
        if self.try_(lambda: pinning.pin(repo, component, version, environment, why="")):
            assert self.shop.pins(environment)[component] == version
            if environment == "staging":
                self.lowering.add((component, version))

    @rule(place=places, component=components, environment=environments)
    def unpin(self, place: str, component: str, environment: str) -> None:
        left: list[str] = []
        repo = self.repo(place)
        if self.try_(lambda: left.append(pinning.unpin(repo, component, environment, why=""))):
            assert self.shop.pins(environment).get(component, "") == left[0]
            assert not left[0] or self.shop.pins("production")[component] == left[0] or self.production_was_edited()

    @rule(component=components, version=versions, environment=environments)
    def edit_a_pin_by_hand(self, component: str, version: str, environment: str) -> None:
        store, path = self.stores["direct"], pins_path(environment)
        tip = store.tips()[MAIN]
        before = store.read(tip, path)
        content = edit_pins(before, path, {component: Pin(component=component, version=version)})
        if content != before:
            edit = Edit(branch=MAIN, base=tip, files={path: content})
            store.push([edit], "by hand\n", by=store.signature, at=self.shop.now)
            self.by_hand.add((environment, component, version))

    @precondition(lambda self: self.production_was_edited())
    @rule()
    def set_production_back_by_hand(self) -> None:
        swaps = self.shop.chronicle("production", "swap")
        pins = dict(swaps[-1].pins) if swaps else {}
        store, path = self.stores["direct"], pins_path("production")
        tip = store.tips()[MAIN]
        changes = {n: Pin(component=n, version=pins[n]) if n in pins else None for n in ("auth", "portal")}
        files = {path: edit_pins(store.read(tip, path), path, changes)}
        store.push([Edit(branch=MAIN, base=tip, files=files)], "set back\n", by=store.signature, at=self.shop.now)

    def production_was_edited(self) -> bool:
        swaps = self.shop.chronicle("production", "swap")
        return self.shop.pins("production") != (dict(swaps[-1].pins) if swaps else {})

    @rule(place=places, wanted=st.dictionaries(components, st.sampled_from(("", *VERSIONS)), min_size=1),
          lower=st.sets(components))  # fmt: skip
    def promote(self, place: str, wanted: dict[str, str], lower: set[str]) -> None:
        moves: list[Any] = []
        repo, before = self.repo(place), self.shop.pins("staging")
        if self.try_(lambda: moves.extend(promote(repo, wanted, "staging", downgrade=lower))):
            for move in moves:
                assert self.shop.pins("staging")[move.component] == move.after
                if move.component in lower:
                    self.lowering.add((move.component, move.after))
        else:
            assert self.shop.pins("staging") == before, "a refused promotion has moved a pin"

    @rule(component=components, version=versions, judgement=judgements, approve=st.booleans())
    def judge(self, component: str, version: str, judgement: tuple[str, str, str], approve: bool) -> None:
        to, role, user = judgement
        what, repo = "approval" if approve else "rejection", self.repo("direct", user)
        if self.try_(lambda: judge(repo, component, version, to, role, approve=approve, why="")):
            self.evidence.words.setdefault((component, version, role), {})[user] = approve
            judgements = [
                r
                for r in self.shop.story(component, version)
                if r.what in ("approval", "rejection") and r.by.user == user
            ]
            assert [r.what for r in judgements if r.role == role][-1] == what

    @rule(component=components, environment=st.sampled_from(("integration", "staging")), passed=st.integers(1, 9),
          failed=st.sampled_from((0, 0, 0, 1)))  # fmt: skip
    def record_tests(self, component: str, environment: str, passed: int, failed: int) -> None:
        group = self.shop.state.group(self.shop.state.config.environment(environment))
        on = self.shop.running(GROUPS[group][0])
        suite = {"integration": "regression", "staging": "acceptance"}[environment]
        if component not in on:
            return
        repo, version = self.repo("direct", "ci"), on[component]
        run = Run(passed=passed, failed=failed, skipped=0, digest=f"{self.builds:064d}")
        if self.try_(lambda: record_tests(repo, component, version, environment, suite, run)):
            self.evidence.tests[component, version, suite] = (passed, failed, on)
            assert self.shop.story(component, version, "tests")[-1].passed == passed

    @rule(place=places, environment=environments, end=st.booleans())
    def sync(self, place: str, environment: str, end: bool) -> None:
        keeps = keeps_warm(self.shop.state, environment)
        if self.try_(lambda: sync(self.repo(place), environment, end_sessions=end)) and not keeps:
            self.by_hand = {key for key in self.by_hand if key[0] != environment}
            pins = self.shop.pins(environment)
            group = self.shop.state.group(self.shop.state.config.environment(environment))
            for host in GROUPS[group]:
                assert self.shop.running(host) == pins, f"{host} has not what the pins of {environment} say"

    @rule(component=components, version=versions)
    def bring_to_staging(self, component: str, version: str) -> None:
        """The usual way, as far as it goes."""
        self.publish("direct", component, version, "nils")
        self.sync("clone", "integration", False)
        self.record_tests(component, "integration", 20, 0)
        version = self.shop.pins("integration").get(component, version)
        self.judge(component, version, ("staging", "qa", "anna"), True)
        self.promote("mirror", {component: ""}, set())
        self.sync("direct", "staging", True)
        for component, that in self.shop.pins("staging").items():
            self.record_tests(component, "staging", 20, 0)
            self.judge(component, that, ("production", "release-manager", "rita"), True)

    @rule(component=components, version=versions)
    def bring_to_production(self, component: str, version: str) -> None:
        self.bring_to_staging(component, version)
        self.swap("mirror")

    @rule(place=places)
    def swap(self, place: str) -> None:
        self.past_the_gates = ""
        self.try_(lambda: swap(self.repo(place, "rita"), "production"))
        self.check_what_is_live()

    @rule(place=places)
    def swap_back(self, place: str) -> None:
        self.past_the_gates = "back"
        production = self.shop.pins("production")
        promoted = set(self.shop.pins("staging").items()) - set(production.items())
        if self.try_(lambda: swap(self.repo(place, "rita"), "production", back=True)):
            for component, version in promoted:
                kept = self.shop.pins("staging").get(component) == version
                assert kept or self.evidence.vetoed(component, version), f"{component}={version} is no more promoted"
        self.check_what_is_live()

    @rule(place=places, environment=environments, component=st.sampled_from(("", "auth", "portal")))
    def rollback(self, place: str, environment: str, component: str) -> None:
        self.past_the_gates = "rollback"
        bad: dict[str, str] = {}
        before = {environment: len(self.vetoes_in(environment))}

        def act() -> None:
            bad.update(rollback(self.repo(place, "rita"), environment, component, end_sessions=True).bad)

        self.try_(act)
        if len(self.vetoes_in(environment)) > before[environment] or bad:
            self.evidence.vetoes |= self.vetoes_in(environment)
        self.check_what_is_live()

    def vetoes_in(self, environment: str) -> set[tuple[str, str, str]]:
        state = self.shop.state
        places = set()
        for component in ("auth", "portal"):
            for version in state.versions(component):
                vetoings = [r for r in state.story(component, version) if r.what in ("veto", "unveto")]
                last = [r for r in vetoings if r.env == environment]
                if last and last[-1].what == "veto":
                    places.add((component, version, environment))
        return places

    @rule(place=places, component=components, environment=environments)
    def hold(self, place: str, component: str, environment: str) -> None:
        if self.try_(lambda: pinning.hold(self.repo(place), component, environment, until=None, why="the fair")):
            version = self.shop.pins(environment)[component]
            holds = self.shop.story(component, version, "held", "unheld")
            assert [r.what for r in holds if r.env == environment][-1] == "held"

    @rule(place=places, component=components, environment=environments)
    def unhold(self, place: str, component: str, environment: str) -> None:
        if self.try_(lambda: pinning.unhold(self.repo(place), component, environment, why="")):
            version = self.shop.pins(environment)[component]
            holds = self.shop.story(component, version, "held", "unheld")
            assert [r.what for r in holds if r.env == environment][-1] == "unheld"

    @rule(place=places, component=components, version=versions, environment=st.sampled_from(("", *ENVIRONMENTS)),
          lift=st.booleans())  # fmt: skip
    def veto(self, place: str, component: str, version: str, environment: str, lift: bool) -> None:
        repo = self.repo(place)
        if self.try_(lambda: veto(repo, component, version, environment, lift=lift, why="OPS-12")):
            vetoings = [r for r in self.shop.story(component, version) if r.what in ("veto", "unveto")]
            assert [r.what for r in vetoings if r.env == environment][-1] == ("unveto" if lift else "veto")
            key = (component, version, environment)
            self.evidence.vetoes = self.evidence.vetoes - {key} if lift else self.evidence.vetoes | {key}

    # rules: what a forger and a broken disk do

    def one_of_the_published(self, number: int) -> tuple[str, str]:
        there = sorted(self.evidence.authors)
        return there[number % len(there)]

    @precondition(lambda self: self.evidence.authors)
    @rule(judgement=judgements, number=st.integers(0, 99))
    def somebody_forges(self, judgement: tuple[str, str, str], number: int) -> None:
        """Lines are pushed to the ledger past every command: nothing that counts may be another afterwards."""
        component, version = self.one_of_the_published(number)
        before = self.shop.state.story(component, version)
        forged = self.forgeries(component, version, judgement, number)
        forge(self.shop, component, version, *forged.values())
        assert self.shop.state.story(component, version) == before
        uncounted = {doubt.record.id for doubt in self.shop.state.uncounted(component, version)}
        for how, line in forged.items():
            assert line["id"] in uncounted, f"{how}: it counts"

    def forgeries(
        self, component: str, version: str, judgement: tuple[str, str, str], number: int
    ) -> dict[str, dict[str, Any]]:
        """How it is forged -> the line; what is made of signed ones only where there are some."""
        stories = [(c, v) for c in ("auth", "portal") for v in VERSIONS if (c, v) != (component, version)]
        here = signed_lines(self.shop, component, version)
        there = [line for story in stories for line in signed_lines(self.shop, *story)]
        later = stamp(self.shop.now + timedelta(minutes=30))
        strange = {**self.fabricated(component, version, judgement), "at": later}
        content = {"repo": "shop", "component": component, "version": version, "record": strange}
        forged = {
            "unsigned": {**self.fabricated(component, version, judgement), "at": later},
            "by a stranger": {**strange, "signature": sshsig.sign(canonical(content), self.strange_key)},
        }
        if there:
            forged["copied"] = there[number % len(there)]
        if here:
            again = {**here[number % len(here)], "at": later}
            edited = {"env": judgement[0], "role": judgement[1], "by": {**again["by"], "user": judgement[2]}}
            forged |= {
                "put again": again, "edited": again | edited, "turned": again | {"what": TURNED[again["what"]]},
            }  # fmt: skip
        return forged

    def fabricated(self, component: str, version: str, judgement: tuple[str, str, str]) -> dict[str, Any]:
        """An approval as mallory writes it into the ledger."""
        self.builds += 1
        env, role, user = judgement
        by = {"user": user, "source": f"https://ci.example.com/job/{user}/{self.builds}/", "verified": True}
        manifest = self.shop.state.manifest(component, version)
        facts = {"env": env, "role": role, "manifest": manifest, "by": by}
        return {"id": f"{self.builds:016x}", "after": "", "what": "approval", **facts}

    @rule(branch=st.sampled_from((MAIN, LEDGER)), place=places)
    def a_branch_is_rewound(self, branch: str, place: str) -> None:
        """Whoever has seen what was there refuses to work, until it is put back."""
        tip = self.shop.tips[branch]
        self.stores[place].tips()
        bare = ["git", "-C", str(self.shop.bare)]
        parent = subprocess.run([*bare, "rev-parse", f"{tip}^"], capture_output=True, text=True, check=False)
        if parent.returncode != 0:
            return
        subprocess.run([*bare, "update-ref", f"refs/heads/{branch}", parent.stdout.strip()], check=True)
        try:
            with pytest.raises(Conflict, match="was rewound"):
                veto(self.repo(place), "auth", "1.0.0", "", lift=False, why="on less")
        finally:
            subprocess.run([*bare, "update-ref", f"refs/heads/{branch}", tip], check=True)

    @precondition(lambda self: self.evidence.authors)
    @rule(number=st.integers(0, 99))
    def an_object_is_damaged(self, number: int) -> None:
        """A story that cannot be read is not taken for an empty one; a backup brings it back."""
        component, version = self.one_of_the_published(number)
        name = f"{self.shop.tips[LEDGER]}:{ledgerfiles.component_path(component, version)}"
        bare = ["git", "-C", str(self.shop.bare)]
        blob = subprocess.run([*bare, "rev-parse", "--verify", "-q", name], capture_output=True, text=True, check=False)
        path = self.shop.bare / "objects" / blob.stdout[:2] / blob.stdout.strip()[2:]
        if blob.returncode != 0 or not path.is_file():
            return
        content = path.read_bytes()
        path.unlink()
        store = Store(str(self.shop.bare), (MAIN, LEDGER))
        try:
            with pytest.raises(IntegrityError):
                State(store, self.shop.drivers, self.shop.now).story(component, version)
        finally:
            path.write_bytes(content)
            store.close()

    # rules: what happens

    @rule(component=components, version=versions, vetoing=st.booleans())
    def somebody_is_first(self, component: str, version: str, vetoing: bool) -> None:
        """The next push finds that a version was vetoed, or published, meanwhile."""

        def act() -> None:
            repo = self.repo("mirror", "anna")
            try:
                if vetoing:
                    veto(repo, component, version, "", lift=False, why="meanwhile")
                    self.evidence.vetoes.add((component, version, ""))
                else:
                    self.published(repo, component, version, "nils")
                    self.evidence.authors.setdefault((component, version), "nils")
            except SluicegateError:
                pass

        self.interloper = act

    @rule(host=st.sampled_from(("int1", "blue2", "green1", "green2")), component=components)
    def a_service_breaks(self, host: str, component: str) -> None:
        self.shop.drivers.hosts[host].broken ^= {component}

    @rule(host=st.sampled_from(("int1", "blue1", "green2")))
    def a_host_goes_down_or_comes_back(self, host: str) -> None:
        fake_host = self.shop.drivers.hosts[host]
        fake_host.down = not fake_host.down

    @rule(dying=st.sampled_from(("before", "after")))
    def the_next_swap_dies(self, dying: str) -> None:
        self.dying = dying

    @rule()
    def the_balancer_goes_down_or_comes_back(self) -> None:
        balancer = self.shop.drivers.users
        balancer.down = not balancer.down

    @rule(place=places)
    def resume(self, place: str) -> None:
        self.try_(lambda: resume(self.repo(place, "anna")))
        self.check_what_is_live()

    @rule(minutes=st.sampled_from((1, 40)))
    def time_passes(self, minutes: int) -> None:
        self.shop.pass_time(timedelta(minutes=minutes))

    # what always holds

    def check_what_is_live(self) -> None:
        """Called when production may have changed. What newly came in must be proven, or have run there before."""
        group = self.shop.drivers.users.group
        together = self.shop.running(GROUPS[group][0])
        now = set(together.items())
        if group != self.live_group:
            for component, version in now - self.live:
                assert not self.evidence.vetoed(component, version), f"{component}={version} is vetoed and went out"
                if self.past_the_gates:
                    assert (component, version) in self.ran, f"{component}={version} never ran in production"
                else:
                    well = self.evidence.may_go_out(component, version, together)
                    assert well, f"{component}={version} went out without its evidence"
            if not self.past_the_gates:
                self.check_lowering(dict(self.live), together)
        else:
            assert now == self.live, "the live group was changed in place"
        self.live, self.live_group = now, group
        self.ran |= now

    def check_lowering(self, before: dict[str, str], after: dict[str, str]) -> None:
        for component in before:
            assert component in after, f"production lost {component}"
            if VERSIONS.index(after[component]) < VERSIONS.index(before[component]):
                assert (component, after[component]) in self.lowering, f"{component} was lowered unasked"

    @invariant()
    def every_host_of_production_has_the_same(self) -> None:
        self.check_what_is_live()
        hosts = GROUPS[self.shop.drivers.users.group]
        assert len({tuple(sorted(self.shop.running(host).items())) for host in hosts}) == 1

    @invariant()
    def what_is_new_on_staging_has_passed_its_gates_or_was_in_production(self) -> None:
        for group in ("blue", "green"):
            now = {pair for host in GROUPS[group] for pair in self.shop.running(host).items()}
            for component, version in now - self.on_staging[group]:
                known = (component, version) in self.ran or self.past_the_gates == "rollback"
                assert known or self.evidence.may_stage(component, version), f"{component}={version} came to {group}"
            self.on_staging[group] = now

    @invariant()
    def nothing_recorded_is_lost(self) -> None:
        state = self.shop.state
        stories = [state.story(c, v) for c in ("auth", "portal") for v in state.versions(c)]
        chronicles = [state.chronicle(environment) for environment in ENVIRONMENTS]
        now = {record.id for records in (*stories, *chronicles) for record in records}
        assert self.seen <= now, "records have gone from the ledger"
        self.seen = now

    @invariant()
    def the_ledger_explains_every_pin(self) -> None:
        for environment in ENVIRONMENTS:
            for component, version in self.shop.pins(environment).items():
                if (environment, component, version) in self.by_hand:
                    continue
                pinned = self.shop.story(component, version, "pinned")
                assert any(r.env == environment for r in pinned), f"{component}={version} in {environment}: why?"

    @invariant()
    def servers_balancer_and_pins_agree(self) -> None:
        state = self.shop.state
        if not self.production_was_edited() and not state.open_intents(state.config.environment("production")):
            assert self.shop.pins("production") == self.shop.users_reach(), "production's pins are not what users reach"
        if not state.open_intents(state.config.environment("production")):
            assert state.servers["production"] == self.shop.drivers.users.group
        assert len(set(state.servers.values())) == 2


TestDelivery = Delivery.TestCase
TestDelivery.pytestmark = [pytest.mark.timeout(900)]  # each step starts several Git processes
TestDelivery.settings = settings(
    max_examples=6,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


def test_every_harm_is_done_at_least_once() -> None:
    """Of thirty moves Hypothesis may choose none of these in a run, and with the same seed never does."""
    machine = Delivery()
    machine.begin()
    try:
        machine.bring_to_production("auth", "1.0.0")
        machine.veto("direct", "auth", "1.0.0", "integration", False)
        forged: set[str] = set()
        for number in range(4):
            forged |= machine.forgeries("auth", "1.0.0", ("staging", "qa", "anna"), number).keys()
            machine.somebody_forges(("production", "release-manager", "rita"), number)
        assert forged == {"unsigned", "by a stranger", "put again", "edited", "turned"}
        machine.publish("clone", "portal", "1.0.0", "nils")
        assert "copied" in machine.forgeries("portal", "1.0.0", ("staging", "qa", "anna"), 0)
        machine.somebody_forges(("staging", "qa", "anna"), sorted(machine.evidence.authors).index(("portal", "1.0.0")))
        for place in SKEW:
            for branch in (MAIN, LEDGER):
                machine.a_branch_is_rewound(branch, place)
        for number in range(len(machine.evidence.authors)):
            machine.an_object_is_damaged(number)
        for holds in (
            machine.nothing_recorded_is_lost, machine.the_ledger_explains_every_pin,
            machine.servers_balancer_and_pins_agree, machine.every_host_of_production_has_the_same,
        ):  # fmt: skip
            holds()
    finally:
        machine.teardown()
