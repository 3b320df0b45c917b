"""Look through the whole ledger: objects, records, chains, sets, tables of hosts, indexes; mend what can be made anew.

What is evidence is never mended: a record that is lost or damaged has to come back from a clone that has it. Indexes
are made of records, so they can be made again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sluicegate.delivery.book import chronicle, current, resolving, standing
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.sets import name_of_set
from sluicegate.delivery.book.state import FORM_FILE, LEDGER, State
from sluicegate.errors import IntegrityError
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Intent, Pruned
from sluicegate.model.story import Story

KNOWN = re.compile(
    rf"\.gitattributes|{FORM_FILE}|components/[^/]+/[^/]+\.jsonl|(?:environments|pruned|newest)/[^/]+\.jsonl"
    rf"|environments/[^/]+/{chronicle.FILE.pattern}|deploys/[^/]+/[^/]+/[^/]+\.jsonl|current/[^/]+\.json"
)
"""The names of a ledger's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be; `content` is what the file should say, None where only people can tell."""

    path: str
    what: str
    content: bytes | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """How much was read, and what was found."""

    files: int
    records: int
    findings: tuple[Finding, ...]


def examine(state: State) -> Examined:
    """Read everything that the ledger has at its tip. Raises IntegrityError for an object that cannot be read."""
    state.store.verify()
    paths = state.store.files(state.tips[LEDGER])
    state.read_ledger(paths)
    stories: dict[str, Story] = {}
    findings: list[Finding] = []
    # Each line of each file is read once; a file of another name is no ledger's.
    for path in paths:
        if not KNOWN.fullmatch(path):
            findings.append(Finding(path=path, what="no file of a ledger has this name"))
        elif path.startswith(("components/", "environments/", "pruned/")):
            findings += _unread(path, state)
            stories[path] = ledgerfiles.read(state.ledger_file(path), path=path)
    # Then what lines say of each other: chains, lists, prunings, sets, indexes.
    for path, story in stories.items():
        if not path.startswith("environments/"):
            findings += _broken(path, story)
    for environment in _environments(stories):
        findings += _broken(chronicle.folder(environment), state.chronicle(environment))
    findings += _tables(state, [path for path in paths if path.startswith("deploys/") and KNOWN.fullmatch(path)])
    findings += _pruned(state, stories)
    findings += _sets(state)
    findings += _indexes(state)
    return Examined(files=len(paths), records=sum(map(len, stories.values())), findings=tuple(findings))


def repair(repo: DeliveryRepo) -> tuple[str, ...]:
    """Make anew what is made of records; what was done, a line each. Raises IntegrityError for what remains."""

    def decide(state: State, draft: Draft) -> tuple[Finding, ...]:
        findings = examine(state).findings
        for finding in findings:
            if finding.content is not None:
                draft.tables[finding.path] = finding.content
        return findings

    findings = repo.change(decide, "check: indexes made anew from the records")
    done = tuple(f"made anew: {finding}" for finding in findings if finding.content is not None)
    refuse([finding for finding in findings if finding.content is None], done)
    return done


def refuse(findings: Iterable[Finding], done: Iterable[str] = ()) -> None:
    """Raise IntegrityError that names every finding."""
    listed = list(findings)
    if not listed:
        return
    mendable = all(finding.content is not None for finding in listed)
    lines = "".join(f"\n  {line}" for line in [*done, *map(str, listed)])
    hint = "sluicegate check --repair makes the indexes anew" if mendable else "take it from a clone that has it whole"
    many = f"{len(listed)} things in the ledger are" if len(listed) > 1 else "something in the ledger is"
    raise IntegrityError(f"{many} not as {'they' if len(listed) > 1 else 'it'} should be{lines}", hint=hint)


def _environments(paths: Iterable[str]) -> list[str]:
    """The environments that have a history, those too that the configuration does not know any more."""
    names = [path.split("/")[1].removesuffix(".jsonl") for path in paths if path.startswith("environments/")]
    return list(dict.fromkeys(names))


def _unread(path: str, state: State) -> list[Finding]:
    """Lines at which every other command stops; the state goes on without them, so that the rest is looked at too."""
    findings, good = [], []
    for number, line in ledgerfiles.lines(state.ledger_file(path)):
        try:
            ledgerfiles.record_of(line, f"{path}:{number}")
            good.append(line)
        except IntegrityError:
            findings.append(Finding(path=f"{path}:{number}", what="this line is no record"))
    if findings:
        state.suppose(path, b"\n".join(good))
    return findings


def _broken(path: str, story: Story) -> Iterator[Finding]:
    """Records whose predecessor is not there: a line was lost."""
    known = {record.id for record in story}
    for record in story:
        if record.after and record.after not in known:
            yield Finding(path=path, what=f"the record {record.after}, which {record.id} comes after, is missing")


def _tables(state: State, paths: Iterable[str]) -> Iterator[Finding]:
    """Tables of hosts that cannot be read, or belong to no deploy."""
    intents: dict[str, set[str]] = {}
    for path in paths:
        environment, name = path.split("/")[1], path.rpartition("/")[2].removesuffix(".jsonl")
        if environment not in intents:
            intents[environment] = {intent.id for intent in state.chronicle(environment).of(Intent)}
        if name not in intents[environment]:
            yield Finding(path=path, what="no deploy has this table of hosts")
        for number, line in enumerate((state.ledger_file(path) or b"").splitlines(), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict) or "host" not in row:
                yield Finding(path=f"{path}:{number}", what="this line is no row of a table of hosts")


def _pruned(state: State, stories: Mapping[str, Story]) -> Iterator[Finding]:
    """Versions whose story says that they were pruned, and which the component's list does not have."""
    for path, story in stories.items():
        kind, component, *rest = path.split("/")
        if kind != "components" or not rest or not story.has(Pruned):
            continue
        version = ledgerfiles.version_of(rest[0])
        listed = stories.get(ledgerfiles.pruned_path(component), Story())
        if not any(record.version == version for record in listed.of(Pruned)):
            yield Finding(path=ledgerfiles.pruned_path(component), what=f"{version} was pruned and does not stand here")


def _sets(state: State) -> Iterator[Finding]:
    """Deploys whose records do not give the set that they name."""
    for environment in state.config.environments.values():
        try:
            for record, versions in state.sets(environment):
                versions_there = (
                    state.as_published(versions) if record.base or record.changed else dict(record.components)
                )
                if name_of_set(versions_there) != record.set:
                    what = f"the deploy {record.id} names another set than its records give"
                    yield Finding(path=chronicle.folder(environment.name), what=what)
            for swap in state.swaps(environment):
                if swap.base and name_of_set(state.as_published(swap.pins)) != swap.set:
                    what = f"the swap {swap.id} names another set than its records give"
                    yield Finding(path=chronicle.folder(environment.name), what=what)
        except IntegrityError as problem:
            yield Finding(path=chronicle.folder(environment.name), what=problem.message)


def _indexes(state: State) -> Iterator[Finding]:
    """Indexes that are not what the records make of them."""
    for environment in state.config.environments if state.form > 1 else ():
        path = current.current_path(environment)
        there = current.read(state.ledger_file(path))
        try:
            right = standing.remade(state, environment)
        except IntegrityError:  # the sets tell of it
            continue
        if there:  # what was said of components that are there no more is not looked at
            pins = {name: pin for name, pin in there.pins.items() if name in state.config.components}
            there = replace(there, pins=pins)
        if there == right or (right == current.Index() and state.ledger_file(path) is None):
            continue
        what = "it is not what the records make of it" if state.ledger_file(path) is not None else "it is missing"
        yield Finding(path=path, what=what, content=current.written(right))
    for component in state.config.components:
        path = resolving.newest_path(component)
        known = state.recorded_versions(component)
        scheme = state.component(component).versions
        right_list = resolving.extended(None, scheme, known, list) if known else b""
        listed = resolving.read(state.ledger_file(path), scheme)
        if known and listed != resolving.read(right_list, scheme):
            yield Finding(path=path, what="it does not name the newest versions", content=right_list)
