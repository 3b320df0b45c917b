"""What a class of objects answers over HTTP: each file of `objects/` fills such tables, once a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from starlette.responses import Response

from sluicegate.runner.rights import Right
from sluicegate.web.site import Site

T = TypeVar("T")
Path = tuple[str, ...]
ABSENT = object()
"""The value of a field that this object of its class does not have."""


def _nothing_below(site: Site, here: object, rest: Path) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One class of objects as in Jenkins' Stapler.

    `cls` is the Java class that clients see. `fields` are functions of the object, called when an answer shows them;
    their values may be objects themselves. `brief` fields are shown where depth cuts the object off; `hidden` only when
    a tree names them; `inline` objects are parts of their owner and shown whole at any depth. `lists`: an answer
    may have a row for each job of the server.

    `reads`, `posts` and `deletes` are what stands behind the object's URL: path -> answer; "" is the page itself.
    `rights` says what each of them needs; without a line there a read needs Right.READ, and a change, so that none is
    forgotten, Right.ADMINISTER. `below` finds the next object on a longer path, with what is left of the path; None
    when this object is the last.
    """

    cls: str | Callable[[Site, T], str] = ""
    fields: Mapping[str, Callable[[Site, T], object]] = field(default_factory=dict)
    brief: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    inline: bool = False
    lists: bool = False
    reads: Mapping[str, Callable[[Site, T], Response]] = field(default_factory=dict)
    posts: Mapping[str, Callable[[Site, T], Response]] = field(default_factory=dict)
    deletes: Mapping[str, Callable[[Site, T], Response]] = field(default_factory=dict)
    rights: Mapping[str, Right] = field(default_factory=dict)
    below: Callable[[Site, T, Path], tuple[object, Path] | None] = _nothing_below

    def class_of(self, site: Site, value: T) -> str:
        return self.cls if isinstance(self.cls, str) else self.cls(site, value)


def always(value: object) -> Callable[[Site, object], object]:
    """A field that is the same for every object."""
    return lambda site, here: value


def plain(cls: str, **values: object) -> dict[str, object]:
    """A small object that is made whole: it has no URL of its own."""
    return ({"_class": cls} if cls else {}) | values
