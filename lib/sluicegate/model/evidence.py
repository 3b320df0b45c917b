"""Evidence: one frozen class a kind of record. How they are written and read: `recordjson.py`.

Longer than a module should be: it is the table of all kinds, to be read on one page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import ClassVar

from sluicegate.model.frozen import frozen
from sluicegate.model.manifest import Artifact
from sluicegate.model.values import Actor, Installed, Verdict

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
