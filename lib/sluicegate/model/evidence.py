"""Evidence: one frozen class a kind of record, and the one place where a record becomes JSON and JSON a record.

Longer than a module should be: it is the table of all kinds, to be read on one page.

It is read leniently: newer writers may add fields and kinds. A field that is missing, or that holds something else than
its kind says, has its default; a count that is no count is None, which no gate takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from datetime import UTC, datetime
from typing import ClassVar, get_args

from sluicegate.model.frozen import frozen
from sluicegate.model.manifest import Artifact
from sluicegate.model.numbers import whole
from sluicegate.model.printable import printable
from sluicegate.model.values import Actor, Installed, Json, State, Verdict, read_time, stamp

UNWRITTEN = datetime.min.replace(tzinfo=UTC)
NOBODY = Actor(user="", source="")


@frozen
class Record:
    """What every record has; the ledger fills it in as it is written. `after` is the id of the record before it.

    `signature` is OpenSSH's in base64, over everything else that the record says and where it stands.
    """

    what: ClassVar[str] = ""
    id: str = ""
    after: str = ""
    at: datetime = UNWRITTEN
    by: Actor = NOBODY
    signature: str = ""


@frozen
class Other(Record):
    """A record of a kind that this version does not know: a newer one wrote it."""

    kind: str = ""


@frozen
class Built(Record):
    """A version was published. Times as the ledger writes them; figures are what the build measured.

    `author` and `address` are those of the commit as Git has them, `subjects` and `issues` those of the commits since
    the version before.
    """

    what = "built"
    manifest: str = ""
    commit: str = ""
    author: str = ""
    address: str = ""
    build: str = ""
    artifacts: tuple[Artifact, ...] = ()
    committed: datetime | None = None
    build_started: datetime | None = None
    figures: Mapping[str, str] = field(default_factory=dict)
    subjects: tuple[str, ...] = ()
    issues: tuple[str, ...] = ()


@frozen
class Copied(Record):
    """A version's files were copied to another repository."""

    what = "copied"
    to: str = ""
    manifest: str = ""
    files: int | None = 0
    why: str = ""


@frozen
class Pruned(Record):
    """A version's files shall be removed; in the list of a component `version` says which."""

    what = "pruned"
    version: str = ""
    manifest: str = ""
    keep: int | None = 0
    why: str = ""


@frozen
class Removed(Record):
    """A pruned version's files are gone."""

    what = "removed"
    version: str = ""


@frozen
class InEnvironment(Record):
    """A record about one environment; '' means: everywhere."""

    env: str = ""


@frozen
class Deployed(InEnvironment):
    """A group of hosts got a version (in its story), or a set (in the environment's), which `set` names.

    The set is that of the record `base` without what stood there `before`, and with what is `changed`: component ->
    version. The first form of the ledger says it whole, as `components`. `behind`: the hosts that did not get it, and
    how they ended.
    """

    what = "deployed"
    group: str = ""
    set: str = ""
    manifest: str = ""
    components: Mapping[str, Installed] = field(default_factory=dict)
    base: str = ""
    changed: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    of: str = ""
    behind: Mapping[str, str] = field(default_factory=dict)


@frozen
class Adopted(InEnvironment):
    """A version was there before us: in the repository, and on the hosts of a group."""

    what = "adopted"
    group: str = ""
    manifest: str = ""
    why: str = ""


@frozen
class Tests(InEnvironment):
    """A suite ran on a version; a count that cannot be read is None."""

    what = "tests"
    suite: str = ""
    set: str = ""
    manifest: str = ""
    passed: int | None = 0
    failed: int | None = 0
    skipped: int | None = 0


@frozen
class Started(InEnvironment):
    """What an installation started: a job of the build server or a command, whose output is in `log`, HOST:PATH."""

    what = "started"
    suite: str = ""
    set: str = ""
    run: str = ""
    log: str = ""


@frozen
class Judgement(InEnvironment):
    """A person's word in a role about these very files."""

    role: str = ""
    manifest: str = ""
    why: str = ""


@frozen
class Approval(Judgement):
    """A person approves these very files for an environment, in a role."""

    what = "approval"


@frozen
class Rejection(Judgement):
    """A person rejects them, which takes the own approval back."""

    what = "rejection"


@frozen
class Vetoing(InEnvironment):
    """A version must not go further from `env` on, or may again. `of` is 'rollback' where that said so."""

    why: str = ""
    of: str = ""


@frozen
class Veto(Vetoing):
    """A version must not go further, from an environment on or anywhere."""

    what = "veto"


@frozen
class Unveto(Vetoing):
    """It may go on again."""

    what = "unveto"


@frozen
class PinEvent(InEnvironment):
    """Something happened to the pin of a component in an environment."""

    why: str = ""


@frozen
class Pinned(PinEvent):
    """`how`: pin, unpin, promote, follow, commit, rollback, swap, swap back. `before`: the version before."""

    what = "pinned"
    how: str = ""
    before: str = ""
    downgrade: bool = False
    commit: str = ""
    of: str = ""
    verdicts: tuple[Verdict, ...] = ()


@frozen
class Unpinned(PinEvent):
    """A component shall leave an environment."""

    what = "unpinned"
    how: str = ""


@frozen
class Held(PinEvent):
    """`until` is a day, '' for good."""

    what = "held"
    until: str = ""


@frozen
class Unheld(PinEvent):
    """A pin that was held may move again."""

    what = "unheld"


@frozen
class Swapped(InEnvironment):
    """Production `env` went from the group `idle` to `live`, and from the versions `before` to `pins`.

    Where it names the swap before as its `base`, it says of that one's versions what is `changed` and what stood there
    `before`, and `pins` is empty. Logged-in users stay on `idle` until `sessions_until`.
    """

    what = "swap"
    live: str = ""
    idle: str = ""
    base: str = ""
    changed: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    back: bool = False
    set: str = ""
    of: str = ""
    why: str = ""
    sessions_until: datetime | None = None


@frozen
class Migrated(Record):
    """A step of a schema change was run for a version: expand, verify or contract."""

    what = "migrated"
    component: str = ""
    version: str = ""
    step: str = ""
    group: str = ""
    seconds: int | None = 0


@frozen
class HostRecord(Record):
    """A host of `group` is to be left alone, or takes part again."""

    host: str = ""
    group: str = ""
    why: str = ""


@frozen
class HostOut(HostRecord):
    """A host takes part in nothing until it is back."""

    what = "host out"


@frozen
class HostIn(HostRecord):
    """A host takes part again."""

    what = "host in"


@frozen
class HostsReported(Record):
    """What hosts of `group` say of runs that nobody asked for, after the deploy `of` was begun.

    `runs`: host -> when its run began, by its own clock.
    """

    of: str = ""
    group: str = ""
    runs: Mapping[str, str] = field(default_factory=dict)


@frozen
class HostsInstalled(HostsReported):
    """They have what was assigned to them."""

    what = "installed"


@frozen
class HostsDiffer(HostsReported):
    """They do not: `problems` is host -> why."""

    what = "differs"
    problems: Mapping[str, str] = field(default_factory=dict)


@frozen
class BalancerRecord(Record):
    """One of several servers of a balancer is to be left alone, or is led along again."""

    name: str = ""
    why: str = ""


@frozen
class BalancerOut(BalancerRecord):
    """One of several balancers takes part in no swap until it is back."""

    what = "balancer out"


@frozen
class BalancerIn(BalancerRecord):
    """A balancer takes part again."""

    what = "balancer in"


@frozen
class Batch(Record):
    """A batch of the rollout `of`. `stage`: draining (no new users since), undrained, done, failed, analysis, paused.

    `left`: requests that were still running at the end of the drain. `verdict`: the analysis'.
    """

    what = "batch"
    of: str = ""
    number: int | None = 0
    stage: str = ""
    hosts: tuple[str, ...] = ()
    left: int | None = 0
    verdict: str = ""
    why: str = ""


@frozen
class Halted(Record):
    """Somebody asks the command of the rollout `of` to end it."""

    what = "halted"
    of: str = ""
    why: str = ""


@frozen
class Intent(Record):
    """A change to the outside begins. Process `pid`, started at `born`, on `host` does it.

    A deploy brings a set to `group`, past the gates unless `gated`: what the record `base` has, without what stood
    there `before` and with what is `changed`; in the first form of the ledger the whole `target`. A rollout goes on
    from the rollout `follows`, and past its canary hosts once `approved`. A swap moves users from `live` to `to`, and
    production from `before` to `pins`, or as a record of a swap says it. What brings a single host in again names it in
    `only`.
    """

    what = "intent"
    verb: str = ""
    host: str = ""
    pid: int | None = 0
    born: str = ""
    nonce: int | None = 0
    group: str = ""
    only: str = ""
    target: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    changed: Mapping[str, str] = field(default_factory=dict)
    gated: bool = False
    approved: bool = False
    follows: str = ""
    staging: str = ""
    live: str = ""
    to: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    back: bool = False
    why: str = ""


@frozen
class Ending(Record):
    """The intent `of` has ended."""

    of: str = ""


@frozen
class Done(Ending):
    """The change ended well."""

    what = "done"


@frozen
class Failed(Ending):
    """The change ended badly, or was given up. `behind` says by host what kept it from following."""

    what = "failed"
    why: str = ""
    behind: Mapping[str, str] = field(default_factory=dict)


DECIDING = (Judgement, Vetoing, Held, Unheld)
"""The kinds by which people decide: where records are signed, these count only signed."""

KINDS: Mapping[str, type[Record]] = {
    kind.what: kind
    for kind in (
        Built, Copied, Pruned, Removed, Deployed, Adopted, Tests, Started, Approval, Rejection, Veto, Unveto, Pinned,
        Unpinned, Held, Unheld, Swapped, Migrated, HostOut, HostIn, HostsInstalled, HostsDiffer, BalancerOut,
        BalancerIn, Batch, Halted, Intent, Done, Failed,
    )
}  # fmt: skip


def as_json(record: Record) -> dict[str, Json]:
    """The record as it is written: what every record has, then the fields of its kind that are not empty."""
    by = {"user": record.by.user, "source": record.by.source, "verified": record.by.verified}
    what = record.kind if isinstance(record, Other) else record.what
    signature = {"signature": record.signature} if record.signature else {}
    content = {
        "id": record.id,
        "after": record.after,
        "at": stamp(record.at),
        "what": what,
        **own_facts(record),
        "by": by,
    }
    return content | signature


def own_facts(record: Record) -> dict[str, Json]:
    """The fields of the record's kind as JSON; texts, mappings and flags that are empty are left out."""
    written = {name: _written(getattr(record, name)) for name, _ in OWN_FIELDS[type(record)] if name != "kind"}
    return {name: value for name, value in written.items() if value or type(value) is int}


def from_json(value: Json) -> Record:
    """A record from its JSON. Raises ValueError and the like for what lacks an id, a time or a kind."""
    by = value.get("by", {})
    what, at = _text(value["what"]), read_time(str(value["at"]))
    if at.year == datetime.max.year:
        raise ValueError(f"no record could come after {at}")
    kind = KINDS.get(what, Other)
    facts = {name: read(value[name]) for name, read in OWN_FIELDS[kind] if name in value}
    if kind is Other:
        facts = {"kind": what}
    return kind(
        id=_text(value["id"]),
        after=_text(value.get("after")),
        at=at,
        by=Actor(user=_text(by.get("user")), source=_text(by.get("source")), verified=by.get("verified") is True),
        signature=_text(value.get("signature")),
        **facts,
    )


def _written(value: Json) -> Json:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Mapping):
        return {name: _written(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, Artifact):
        return value.json()
    if isinstance(value, Installed):
        return {"version": value.version, "manifest": value.manifest}
    if isinstance(value, Verdict):
        return {"gate": value.gate, "state": value.state, "reason": value.reason}
    return value


def _text(value: Json) -> str:
    """A text as it may be printed: whoever may push to the ledger does not write to the reader's terminal."""
    if type(value) is str and value.isascii() and value.isprintable():
        return value
    return "" if value is None else printable(str(value))


def _flag(value: Json) -> bool:
    return value is True


def _count(value: Json) -> int | None:
    return whole(value) if isinstance(value, int) else None


def _time(value: Json) -> datetime | None:
    try:
        return read_time(str(value)) if value else None
    except (ValueError, OverflowError):
        return None


def _texts(value: Json) -> dict[str, str]:
    return {_text(name): _text(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _entries(value: Json) -> list[dict[str, Json]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _artifacts(value: Json) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(name=_text(entry.get("name")), size=_count(entry.get("size")) or 0, sha256=_text(entry.get("sha256")))
        for entry in _entries(value)
    )


def _installed(value: Json) -> dict[str, Installed]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {
        _text(name): Installed(version=_text(fields_of.get("version")), manifest=_text(fields_of.get("manifest")))
        for name, fields_of in pairs
        if isinstance(fields_of, dict)
    }


def _verdicts(value: Json) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(
            gate=_text(entry.get("gate")),
            state=entry["state"] if entry.get("state") in get_args(State) else "error",
            reason=_text(entry.get("reason")),
        )
        for entry in _entries(value)
    )


def _lines(value: Json) -> tuple[str, ...]:
    return tuple(_text(line) for line in value) if isinstance(value, list) else ()


READERS: Mapping[str, Callable[[Json], object]] = {
    "str": _text,
    "bool": _flag,
    "int | None": _count,
    "datetime | None": _time,
    "Mapping[str, str]": _texts,
    "Mapping[str, Installed]": _installed,
    "tuple[str, ...]": _lines,
    "tuple[Artifact, ...]": _artifacts,
    "tuple[Verdict, ...]": _verdicts,
}
"""How a field is read, by its type as it stands in the class."""


def _own_fields(kind: type[Record]) -> tuple[tuple[str, Callable[[Json], Json]], ...]:
    """The fields of a kind besides those of every record, each with its reader."""
    common = {field.name for field in fields(Record)}
    return tuple((field.name, READERS[str(field.type)]) for field in fields(kind) if field.name not in common)


OWN_FIELDS = {kind: _own_fields(kind) for kind in (*KINDS.values(), Other)}
