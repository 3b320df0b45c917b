"""Reads one element of a config.xml and keeps in mind what was asked for: the rest is what nobody would act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, cast
from xml.etree.ElementTree import Element

from sluicegate.errors import ConfigError
from sluicegate.runner.elements.acting import Step
from sluicegate.tools import xml


class Maker(Protocol):
    """What makes the object of an element within another one: the catalogue."""

    def __call__(self, kind: str, element: Element) -> object:
        """The object. Raises ConfigError with every reason why there is none."""


class Fields:
    """The children of one element. Whoever reads a child acts on it; `unread` names those that nobody asked for."""

    def __init__(
        self, element: Element, make: Maker, reasons: list[str] | None = None, bounds: list[str] | None = None
    ) -> None:
        self.element = element
        self._make = make
        self.reasons = [] if reasons is None else reasons
        """Why this element, or one within it, cannot be acted on; whoever reads goes on, so that all are named."""
        self.bounds = [] if bounds is None else bounds
        """What whoever reads takes of known children, for the reference: `name: this only`, `name: why not`."""
        self._read: set[str] = set()
        self._passed: set[str] = set()
        self._below: dict[int, Fields] = {}

    @property
    def tag(self) -> str:
        """What the catalogue calls it: its `class` attribute where Jenkins writes one, else its tag."""
        return self.element.get("class") or self.element.tag

    def attribute(self, name: str) -> str:
        """An attribute of the element itself."""
        return self.element.get(name, "")

    def has(self, path: str) -> bool:
        """Whether there is such a child; it counts as read."""
        self._note(path)
        return self.element.find(path) is not None

    def text(self, path: str, default: str = "") -> str:
        """The unstripped text below `path`; `default` when there is no such child."""
        self._note(path)
        return xml.text(self.element, path, default)

    def texts(self, path: str) -> tuple[str, ...]:
        """The texts of all children below `path`."""
        self._note(path)
        return tuple(child.text or "" for child in self.element.iterfind(path))

    def flag(self, path: str, default: bool = False) -> bool:
        """A Java boolean."""
        self._note(path)
        return xml.flag(self.element, path, default)

    def number(self, path: str, default: int) -> int:
        """A whole number; `default` when it is missing or something else."""
        self._note(path)
        return xml.number(self.element, path, default)

    def harmless(self, *paths: str) -> None:
        """Children, with all below them, that change nothing about a build here, or that others read from `element`."""
        for path in paths:
            self._note(path)

    def only(self, path: str, *values: str) -> None:
        """Give a reason when the child has another text than these; the first is what a missing child means."""
        text = self.text(path).strip() or values[0]
        self.bounds.append(f"`{path}`: {' or '.join(value or 'empty' for value in values)} only")
        if text.lower() not in (value.lower() for value in values):
            expected = " or ".join(f"'{value}'" for value in values)
            self.reasons.append(f"<{self.tag}>: <{path}> is '{text}'; this runner does {expected} only")

    def refuse(self, path: str, why: str) -> None:
        """Give a reason when the child has a text or children of its own."""
        self.bounds.append(f"`{path}`: {why}")
        self._note(path)
        for child in self.element.iterfind(path):
            if (child.text or "").strip() or len(child):
                self.reasons.append(f"<{self.tag}>: <{path}> is not supported: {why}")

    def child(self, path: str) -> Fields | None:
        """A child to be read by itself, None when there is none."""
        return next(iter(self.children(path)), None)

    def children(self, path: str = "*") -> tuple[Fields, ...]:
        """Children to be read each by itself."""
        self._pass(path)
        below = tuple(Fields(child, self._make, self.reasons, self.bounds) for child in self.element.iterfind(path))
        self._below |= {id(fields.element): fields for fields in below}
        return below

    def parts(self, kind: str, path: str) -> tuple[object, ...]:
        """What the catalogue makes of the children; why one cannot be made is among the reasons."""
        self._note(path)
        return self._all(kind, self.element.iterfind(path))

    def parts_of(self, kind: str, parent: Element) -> tuple[object, ...]:
        """The same of children of another element, which somebody made from this one."""
        return self._all(kind, parent)

    def check(self, kind: str, element: Element) -> None:
        """Note the reasons why an element that somebody made from this one cannot be acted on."""
        self._all(kind, (element,))

    def _all(self, kind: str, elements: Iterable[Element]) -> tuple[object, ...]:
        objects: list[object] = []
        for element in elements:
            try:
                objects.append(self._make(kind, element))
            except ConfigError as problem:
                self.reasons += [reason for reason in problem.mistakes if reason not in self.reasons]
        return tuple(objects)

    def steps(self, path: str) -> tuple[Step, ...]:
        """The builders and publishers below `path`."""
        return cast("tuple[Step, ...]", self.parts("builder", path))

    def unread(self) -> list[str]:
        """The paths of the children that nobody asked for."""
        return list(self._walk(self.element, ""))

    def _walk(self, element: Element, path: str) -> Iterator[str]:
        for child in element:
            inner = f"{path}/{child.tag}" if path else child.tag
            if (fields := self._below.get(id(child))) is not None:
                yield from (f"{inner}/{rest}" for rest in fields.unread())
            elif self._is_read(inner, path):
                continue
            elif inner in self._passed:
                yield from self._walk(child, inner)
            else:
                yield inner

    def _is_read(self, path: str, parent: str) -> bool:
        return path in self._read or (f"{parent}/*" if parent else "*") in self._read

    def _note(self, path: str) -> None:
        self._pass(path)
        self._read.add(path.replace("//", "/"))

    def _pass(self, path: str) -> None:
        parts = [part for part in path.split("/") if part]
        self._passed.update("/".join(parts[:count]) for count in range(1, len(parts)))
