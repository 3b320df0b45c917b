"""Stories: the records of a version or of an environment, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Literal, TypeVar

from sluicegate.model.evidence import Record, Veto, Vetoing
from sluicegate.model.frozen import frozen

Kind = TypeVar("Kind", bound=Record)


class Story(tuple[Record, ...]):
    """The records of a version or of an environment, oldest first."""

    __slots__ = ()

    def of(self, *kinds: type[Kind], **wanted: object) -> Iterator[Kind]:
        """The records of these kinds whose fields are as wanted, oldest first."""
        for record in self:
            if isinstance(record, kinds) and all(getattr(record, name) == value for name, value in wanted.items()):
                yield record

    def latest(self, *kinds: type[Kind], **wanted: object) -> Kind | None:
        """The newest record of these kinds whose fields are as wanted."""
        return newest(self.of(*kinds, **wanted))

    def has(self, *kinds: type[Record], **wanted: object) -> bool:
        """Whether there is a record of these kinds whose fields are as wanted."""
        return any(True for _ in self.of(*kinds, **wanted))

    def first(self, *kinds: type[Kind], **wanted: object) -> Kind | None:
        """The oldest record of these kinds whose fields are as wanted."""
        return next(self.of(*kinds, **wanted), None)


def newest(records: Iterable[Kind]) -> Kind | None:
    """The record with the latest time; the later line where times are equal."""
    latest = None
    for record in records:
        if latest is None or record.at >= latest.at:
            latest = record
    return latest


@frozen
class Uncounted:
    """A record that is passed over, and why."""

    record: Record
    reason: str


@frozen
class Doubt:
    """What a build that was asked again leaves of the approval that it carried.

    `refused`: it says otherwise; `unverified`: it is gone, and nothing else proves it; `error`: it could not be asked.
    """

    state: Literal["refused", "unverified", "error"]
    reason: str


@frozen
class Joined:
    """What directories say of people who judged in a role: `members` are in it; `unknown`: who may be -> why it cannot
    be said now.
    """

    members: frozenset[str] = frozenset()
    unknown: Mapping[str, str] = field(default_factory=dict)


@frozen
class Candidate:
    """A version that wants to enter an environment, with everything that its gates may read.

    `author` and `address` are those of its commit.
    `uncounted` is in no `story`: it is there to be shown. `doubts`: id of an approval -> what its build leaves of it,
    where that was asked. `joined`: role -> what directories say of those who judged in it, where it has groups.
    """

    component: str
    version: str
    manifest: str
    origin: str
    target: str
    set_name: str
    story: Story
    author: str = ""
    address: str = ""
    uncounted: tuple[Uncounted, ...] = ()
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    joined: Mapping[str, Joined] = field(default_factory=dict)


def vetoed(story: Story, scopes: Iterable[str]) -> Veto | None:
    """The standing veto within one of the scopes: names of environments, and '' for everywhere."""
    standing = vetoes(story)
    return next((standing[scope] for scope in scopes if scope in standing), None)


def vetoes(story: Story) -> dict[str, Veto]:
    """The standing vetoes by their scope."""
    last = {word.env: word for word in story.of(Vetoing)}  # oldest first, so the last word of each scope stays
    return {scope: word for scope, word in last.items() if isinstance(word, Veto)}


def unlifted(story: Story, scope: str) -> list[Veto]:
    """Every veto of a scope that stands, oldest first: who lifts the last word there lifts them all."""
    standing: list[Veto] = []
    for word in story.of(Vetoing, env=scope):
        standing = [*standing, word] if isinstance(word, Veto) else []
    return standing


def lifting(component: str, version: str, veto: Veto) -> str:
    """The command that takes a veto back."""
    scope = f" --in {veto.env}" if veto.env else ""
    return f"sluicegate unveto {component}={version}{scope}"
