"""The delivery repo: decide on a snapshot, commit both refs in one push, decide again when someone else was first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sluicegate.delivery.book import additions, chronicle, current, resolving, sets, standing
from sluicegate.delivery.book.actor import Acting, acting, check_verb
from sluicegate.delivery.book.pins import edit_pins, pins_path
from sluicegate.delivery.book.signed import decides
from sluicegate.delivery.book.state import LEDGER, MAIN, SERVERS_FILE, State
from sluicegate.delivery.book.waited import Courtesy, Waited
from sluicegate.errors import Conflict
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Deployed, PinEvent, Pinned, Pruned, Record, Removed, Swapped, Unpinned
from sluicegate.model.story import Kind, Story
from sluicegate.model.values import Actor, Pin
from sluicegate.ports import Drivers
from sluicegate.tools.git import Beaten, Edit, LockInTheWay, Signature, Store, halves, locks
from sluicegate.tools.git.objects import object_id
from sluicegate.tools.git.together import RefusedTogether, turn

PATIENCE = 60.0  # seconds that a change gives way to others
SERVERS_HEAD = "# which group plays which environment now; written by init and swap\n"
Decision = TypeVar("Decision")


class Draft:
    """The change being decided: edits of `main`, and records for the ledger."""

    def __init__(self, state: State, by: Actor) -> None:
        self.state = state
        self.by = by
        self.pins: dict[str, dict[str, Pin | None]] = {}  # environment -> component -> the pin that it gets
        self.roles: dict[str, str] | None = None
        self.records: dict[str, list[Record]] = {}
        self.tables: dict[str, bytes | None] = {}  # files of the ledger that are written once, or go away
        self.texts: dict[str, bytes] = {}  # files of main, whole
        self.moved: dict[tuple[str, str], str] = {}  # environment and component -> the version before, '' for none
        self.published: dict[str, list[str]] = {}
        self.current: dict[str, dict[str, current.Entry]] = {}  # environment -> component -> the last pin event
        self.happened: dict[str, list[Record]] = {}  # environment -> records of its history

    def pin(self, environment: str, component: str, pin: Pin | None) -> None:
        before = self.state.pins(environment).get(component)
        drafted = self.pins.setdefault(environment, {})
        if pin != drafted.get(component, before):
            drafted[component] = pin
            self.moved[environment, component] = before.version if before else ""

    def servers(self, roles: dict[str, str]) -> None:
        self.roles = roles

    @property
    def files(self) -> dict[str, bytes | None]:
        """The files of `main` that change, with their new content."""
        changed: dict[str, bytes | None] = dict(self.texts)
        for environment, pins in self.pins.items():
            path = pins_path(environment)
            now = self.state.file(path)
            if (edited := edit_pins(now, path, pins)) != now:
                changed[path] = edited
        if self.roles is not None:
            lines = "".join(f"{environment}: {group}\n" for environment, group in sorted(self.roles.items()))
            changed[SERVERS_FILE] = (SERVERS_HEAD + lines).encode()
        return changed

    def note(self, component: str, version: str, record: Record) -> None:
        """Record a fact about a version; nothing when the same source has already written just this.

        A pin that moves is a new fact each time, though the same source may have moved it just so before.
        """
        path, at = ledgerfiles.component_path(component, version), None
        before = self.moved.get((record.env, component)) if isinstance(record, PinEvent) else None
        if before:  # which of two versions was pinned last is asked for, whatever the clocks of machines say
            drafted = self.records.get(ledgerfiles.component_path(component, before), ())
            at = self._later(r.at for r in (*self.state.story(component, before), *drafted))
        story = self.state.story(component, version)
        noted = self._append(
            path,
            story,
            record,
            again=before is not None,
            at=at,
            seal=lambda sealed: self._signed(component, version, sealed),
        )
        if noted and not story:
            self.published.setdefault(component, []).append(version)
        if isinstance(noted, Pinned | Unpinned):
            entry = current.Entry(version=version, record=noted.id)
            self.current.setdefault(noted.env, {})[component] = entry

    def _signed(self, component: str, version: str, record: Kind) -> Kind:
        signatures = self.state.signatures
        return signatures.sign(component, version, record) if signatures and decides(record) else record

    def _later(self, times: Iterable[datetime]) -> datetime:
        """Now, or a moment after all that was told, as the clocks of several machines differ."""
        return max([self.state.now, *(at + timedelta(microseconds=1) for at in times)])

    def note_pruned(self, component: str, record: Pruned | Removed) -> None:
        """Record that a version was pruned or its files removed: in its story, and in the list of such versions."""
        self.note(component, record.version, record)
        self._append(ledgerfiles.pruned_path(component), self.state.prunings(component), record)

    def note_environment(self, environment: str, record: Kind) -> Kind:
        """Record a fact about an environment."""
        # What swaps is told as one story from two histories: the clocks of several machines must not reorder it.
        pair = self.state.pair(self.state.config.environment(environment))
        at = self._later(r.at for player in pair for r in self._told(player.name)[-1:])
        story = Story(self._told(environment))
        chain = ledgerfiles.environment_path(environment)
        written = ledgerfiles.next_record(story, chain, record, by=self.by, at=at)
        if written is None:
            return next(earlier for earlier in reversed(story) if isinstance(earlier, type(record)))
        self.happened.setdefault(environment, []).append(written)
        return written

    def _told(self, environment: str) -> tuple[Record, ...]:
        """The last records of an environment with those that this change adds, oldest first."""
        return (*self.state.annals.recent(environment), *self.happened.get(environment, ()))

    def _append(
        self, path: str, story: Story, record: Kind, *, again: bool = False, at: datetime | None = None,
        seal: Callable[[Kind], Kind] = lambda record: record,
    ) -> Kind | None:  # fmt: skip
        story = Story((*story, *self.records.get(path, ())))
        written = ledgerfiles.next_record(story, path, record, by=self.by, at=at or self.state.now, again=again)
        if written is not None:
            written = seal(written)
            self.records.setdefault(path, []).append(written)
        return written

    def edits(self) -> tuple[Edit, ...]:
        appended: dict[str, bytes | None] = dict(self.tables)
        for path, records in self.records.items():
            appended[path] = ledgerfiles.extended(self.state.ledger_file(path), records)
        for component, added in self.published.items():
            appended[resolving.newest_path(component)] = self._newest(component, added)
        for environment in dict.fromkeys((*self.happened, *self.current)):
            appended |= self._history(environment)
        tips = self.state.tips
        return (
            Edit(branch=MAIN, base=tips[MAIN], files=self.files),
            Edit(branch=LEDGER, base=tips[LEDGER], files=appended),
        )

    def _history(self, environment: str) -> dict[str, bytes]:
        """The files of an environment that change: the end of its history, and the index of what stands now."""
        books, happened = self.state.annals, self.happened.get(environment, [])
        index, files = books.index(environment), {}
        if environment in books.disagreeing:
            index = standing.remade(self.state, environment)
        history = books.chronicle(environment)
        if happened:
            second = self.state.form > 1
            path = history.next_file(happened[0].at) if second else ledgerfiles.environment_path(environment)
            files[path] = ledgerfiles.extended(self.state.ledger_file(path), happened)
            index = current.advanced(index, path, happened, lambda step: self._versions(environment, step))
            ids = {path: object_id(files[path], like=self.state.tips[LEDGER])}
            index = replace(index, history=chronicle.digest(history.files | ids))
        if self.state.form == 1:
            index = current.Index(pins=index.pins)
        noted = self.current.get(environment, {})
        files[current.current_path(environment)] = current.written(replace(index, pins={**index.pins, **noted}))
        return files

    def _versions(self, environment: str, deployed: Deployed | Swapped) -> Mapping[str, str]:
        """The set that a deploy or a swap of this change brings; {} where its record says it."""
        place = self.state.config.environment(environment)
        if isinstance(deployed, Swapped):
            last = self.state.last_swap(place)
            return sets.following(last.pins, deployed) if last and last.id == deployed.base else {}
        standing = self.state.group_state(place, deployed.group)
        before = standing.versions if standing and standing.record.id == deployed.base else {}
        return sets.following(before, deployed) if deployed.base or deployed.changed else {}

    def _newest(self, component: str, added: list[str]) -> bytes:
        content = self.state.ledger_file(resolving.newest_path(component))
        scheme = self.state.component(component).versions
        return resolving.extended(content, scheme, added, lambda: self.state.recorded_versions(component))


class DeliveryRepo:
    """The one place where pins and evidence live, used by every command."""

    def __init__(
        self, store: Store, drivers: Drivers, *, actor: Actor | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.store = store
        self.drivers = drivers
        self.clock = clock or (lambda: datetime.now(UTC))
        self.notices: dict[str, None] = {}  # what all snapshots have to tell
        self._acting = Acting(actor=actor) if actor else None
        self._courtesy = Courtesy()

    @property
    def actor(self) -> Actor:
        """Who acts; asked once."""
        return self.acting(self.state()).actor

    def acting(self, state: State) -> Acting:
        """Who acts, by the configuration of this snapshot; asked once."""
        if self._acting is None:
            self._acting = acting(state.config, self.store)
        return self._acting

    def said_by(self, state: State, verb: str, *, against: Sequence[Actor] = ()) -> Actor:
        """Who vetoes, holds or lifts that (`against` each of whom), in person. Raises GateRefused for who may not."""
        acting = self.acting(state)
        for setter in against or (None,):
            check_verb(state.membership, acting, verb, setter)
        return acting.person

    def parameters(self) -> Mapping[str, str]:
        """The parameters of the build that we run in, as its Jenkins tells them; none outside of a build."""
        build = self.acting(self.state()).build
        return build.parameters if build else {}

    def state(self, tips: Mapping[str, str] | None = None) -> State:
        """A snapshot at these commits of the branches, by default a fresh one."""
        return State(self.store, self.drivers, self.clock(), self.notices, tips)

    def change(
        self,
        decide: Callable[[State, Draft], Decision],
        message: Callable[[Decision], str] | str,
        *,
        why: str = "",
        dry_run: bool = False,
    ) -> Decision:
        """Decide, commit, push; again on the new tips when someone else was first. Raises what `decide` raises."""
        if dry_run:
            state = self.state()
            return decide(state, Draft(state, self.acting(state).actor))
        if self.store.folder is None:
            time.sleep(self._courtesy.room())
        waited, alone = Waited(), False
        while True:
            try:
                with turn(self.store, alone=alone, since=waited.since) as batch:
                    waited.begin()
                    if waited.tries == 1:
                        self._courtesy.begin(batch.tips)
                    if not batch.changes and halves.complete(self.store, batch.tips, self._adds):
                        continue
                    state = self.state(batch.tips)
                    draft = Draft(state, self.acting(state).actor)
                    decision = decide(state, draft)
                    subject = message if isinstance(message, str) else message(decision)
                    text = f"{subject}\n\n{why}\n" if why else f"{subject}\n"
                    batch.stage(self.store, draft.edits(), text, by=self._signature(draft.by), at=state.now)
                self._courtesy.made(batch.tips, waited)
                return decision
            except RefusedTogether:
                alone = True
            except Beaten as problem:
                self._wait(problem, waited)

    def _adds(self, before: str, after: str) -> bool:
        return additions.only_adds(self.store, before, after, self.clock())

    def _wait(self, problem: Beaten, waited: Waited) -> None:
        """Give way to whoever was first, or take away what a killed one left. Raises Conflict after a minute."""
        lock = None
        if isinstance(problem, LockInTheWay):
            with self.store.lock(since=waited.since) as ours:  # else a lock that somebody has just taken could go away
                lock = locks.look_at(problem.path, self.store.folder)
                if ours and locks.remove_stale(lock):
                    return
        if waited.seconds > PATIENCE:
            if lock:
                raise Conflict(f"a lock of Git is in the way: {lock}", hint=f"if no git runs there: rm {lock.path}")
            raise Conflict(f"others changed the delivery repo for {PATIENCE:g} s on end", hint="run the command again")
        time.sleep(waited.pause())

    def _signature(self, by: Actor) -> Signature:
        """The committer: the actor, with the address that Git knows."""
        who = self.store.signature
        return Signature(name=by.user or who.name, email=who.email)
