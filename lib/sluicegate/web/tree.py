"""The fields of an answer, by `tree` or `depth` as in Stapler, and its JSON, Python and XML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from threading import BoundedSemaphore
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from sluicegate.errors import UsageError
from sluicegate.model.numbers import whole
from sluicegate.web.kind import ABSENT, Kind
from sluicegate.web.selection import NAME, Selection, parse
from sluicegate.web.site import Site

DEEPEST = 10
BUDGET = 200_000
LONG_LISTS = BoundedSemaphore(2)
"""Long lists that are made at a time: each takes the interpreter for long, and short answers are to come between."""
SIMPLE = (str, int, float)
INLINE = (*SIMPLE, list, tuple, dict, Iterator)
PLAIN = frozenset({str, int, float, bool})
CONCAT = re.compile(r"""concat\((//\w+),(["'])([^"']{0,9})\2,(//\w+)\)""")
KindOf = Callable[[object], Kind[Any]]


Plan = list[tuple[str, Callable[[Site, Any], object], Selection]]


class Picture:
    """Turns objects into plain values, within a budget: cyclic graphs and wild trees end in a refusal.

    A dict is a small inline object, a list or an iterator a list of objects; what has a kind is asked for its fields.
    """

    def __init__(self, site: Site, kind_of: KindOf) -> None:
        self.site = site
        self.kind_of = kind_of
        self.left = BUDGET
        self._plans: dict[tuple[int, int], Plan] = {}
        self._shapes: dict[type, bool] = {}

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise UsageError(f"the answer would have more than {BUDGET} objects; ask for less by tree")

    def deep(self, value: object, depth: int) -> object:
        """A value with `depth` levels of other objects unfolded."""
        if value is None or isinstance(value, SIMPLE):
            return value
        if isinstance(value, (list, tuple, Iterator)):
            return [self.deep(row, depth) for row in value]
        self._spend()
        if isinstance(value, dict):
            return {name: self.deep(member, depth) for name, member in value.items()}
        kind = self.kind_of(value)
        cut = depth < 0 and not kind.inline
        names = kind.brief if cut else [name for name in kind.fields if name not in kind.hidden]
        below = depth if kind.inline else depth - 1
        fields = self._named(kind, value)
        for name in names:
            field_value = kind.fields[name](self.site, value)
            if field_value is None or type(field_value) in PLAIN:
                fields[name] = field_value
            elif field_value is not ABSENT:
                fields[name] = self.deep(field_value, below)
        return fields

    def chosen(self, value: object, wanted: Selection) -> object:
        """A value with the fields that a tree names."""
        if value is None or isinstance(value, SIMPLE):
            return value
        if isinstance(value, (list, tuple, Iterator)):
            return self._each(islice(value, wanted.start, wanted.end), wanted)
        if isinstance(value, dict):
            self._spend()
            every = wanted.names.get("*")
            rows = ((name, member, wanted.names.get(name, every)) for name, member in value.items() if name != "_class")
            mark = {"_class": value["_class"]} if "_class" in value else {}
            return mark | {name: self.chosen(member, below) for name, member, below in rows if below is not None}
        return self._each((value,), wanted)[0]

    def _each(self, values: Iterable[object], wanted: Selection) -> list[object]:
        """The rows of a list, which are mostly of one kind: what a kind asks for is looked up when it changes."""
        rows: list[object] = []
        last: Kind[Any] | None = None
        plan: Plan = []
        site, kind_of, shapes = self.site, self.kind_of, self._shapes
        for value in values:
            inline = shapes.get(type(value))
            if inline is None:
                inline = shapes[type(value)] = value is None or isinstance(value, INLINE)
            if inline:
                rows.append(self.chosen(value, wanted))
                continue
            self._spend()
            kind = kind_of(value)
            if kind is not last:
                last, plan = kind, self._plan(kind, wanted)
            cls = kind.cls if isinstance(kind.cls, str) else kind.cls(site, value)
            row: dict[str, object] = {"_class": cls} if cls else {}
            for name, compute, below in plan:
                field_value = compute(site, value)
                if field_value is None or type(field_value) in PLAIN:
                    row[name] = field_value
                elif field_value is not ABSENT:
                    row[name] = self.chosen(field_value, below)
            rows.append(row)
        return rows

    def _plan(self, kind: Kind[Any], wanted: Selection) -> Plan:
        """The fields of a kind that a selection names, in the order of its table; a list asks for each of its rows."""
        plan = self._plans.get((id(kind), id(wanted)))
        if plan is None:
            every = wanted.names.get("*")
            rows = (
                (name, compute, wanted.names.get(name) or (every if name not in kind.hidden else None))
                for name, compute in kind.fields.items()
            )
            plan = [(name, compute, below) for name, compute, below in rows if below is not None]
            self._plans[id(kind), id(wanted)] = plan
        return plan

    def _named(self, kind: Kind[Any], value: object) -> dict[str, object]:
        cls = kind.class_of(self.site, value)
        return {"_class": cls} if cls else {}


def picture(site: Site, kind_of: KindOf, value: object) -> object:
    """The plain value of an API answer; a tree goes before a depth."""
    depth = site.call.value("depth", "0")
    wanted = parse(tree) if (tree := site.call.value("tree")) else None
    with LONG_LISTS if kind_of(value).lists else nullcontext():
        if wanted is not None:
            return Picture(site, kind_of).chosen(value, wanted)
        return Picture(site, kind_of).deep(value, min(whole(depth) or 0, DEEPEST))


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def to_python(value: object) -> str:
    """A Python literal with double quotes: some clients read it as JSON first."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{to_python(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(to_python(row) for row in value) + "]"
    return repr(value) if value is None or isinstance(value, bool) else json.dumps(value)


def to_xml(value: object, root: str) -> str:
    """Stapler's XML: lists become repeated elements of the singular name, nulls are left out."""
    if isinstance(value, dict):
        mark = f" _class={quoteattr(str(value['_class']))}" if "_class" in value else ""
        body = "".join(_member(name, member) for name, member in value.items() if name != "_class")
        return f"<{root}{mark}>{body}</{root}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    clean = "".join(c for c in text if c in "\t\n\r" or ord(c) >= 32)
    return f"<{root}>{escape(clean)}</{root}>"


def _member(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        single = f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")
        return "".join(to_xml(row, single) for row in value)
    return to_xml(value, name)


def select(text: str, xpath: str, wrapper: str) -> str:
    """The part of an XML answer that a simple xpath names. Raises LookupError, or UsageError for several matches.

    Of functions it knows the one by which scripts ask for a crumb: concat(//crumbRequestField,":",//crumb).
    """
    if joined := CONCAT.fullmatch(xpath):
        name, _, between, value = joined.groups()
        return select(text, f"{name}/text()", "") + between + select(text, f"{value}/text()", "")
    path = xpath.removesuffix("/text()")
    if len(path) > 500 or (wrapper and not NAME.fullmatch(wrapper)):
        raise UsageError("the xpath or wrapper is too long or no name")
    outer = ElementTree.Element("outer")
    outer.append(ElementTree.fromstring(text))
    try:
        elements = outer.findall("." + path if path.startswith("//") else path.lstrip("/") or "*")
    except (SyntaxError, LookupError, ValueError, TypeError) as problem:  # all of them, for what is no path
        raise UsageError(f"the xpath '{xpath}' is not understood: {problem}") from problem
    if wrapper:
        body = "".join(ElementTree.tostring(element, encoding="unicode") for element in elements)
        return f"<{wrapper}>{body}</{wrapper}>"
    if not elements:
        raise LookupError(f"XPath {xpath} didn't match")
    if len(elements) > 1:
        raise UsageError(f'XPath "{xpath}" matched {len(elements)} nodes; use the "wrapper" query parameter')
    return (
        (elements[0].text or "") if xpath.endswith("/text()") else ElementTree.tostring(elements[0], encoding="unicode")
    )
