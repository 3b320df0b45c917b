"""Reads the reports that Puppet and OpenVox write after each run, leniently and as a stream.

The shape is that of Puppet::Transaction::Report, formats 4 to 12 (Puppet 3 to 8): YAML full of Ruby's tags, which are
ignored, or the same as JSON. Every value is taken as text; what nobody here asks for is passed over unread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from sluicegate.errors import Malformed

LIMIT = 64 * 2**20
"""Bytes; a catalog of 10,000 resources makes some 15 MB."""
DEPTH = 100
MOST_KEPT = 50  # messages, failed resources
LONGEST = 2000  # characters of a message
ERRORS = ("err", "alert", "emerg", "crit")
ASSIGNMENT = "sluicegate-"
"""What the module puts before the intent in a tag of every resource that it has in a catalog."""
TEXTS = (
    "host", "time", "job_id", "environment", "initial_environment", "configuration_version", "cached_catalog_status",
    "status", "transaction_uuid",
)  # fmt: skip
FIELDS = (*TEXTS, "transaction_completed", "noop", "noop_pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedResource:
    """A resource that Puppet could not bring into its state. `component` is ours, '' for one of the shop's."""

    name: str
    message: str = ""
    component: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PuppetReport:
    """What one run says of itself. `host` is the certname; '' is what the report does not say.

    `intents`: which assignments of ours the catalog was made of, by their intents (one; none where the catalog has no
    class `sluicegate`). `errors`: messages of the levels err and above, oldest first, each once: Facter says the same
    of each fact that it may not read. `failed` and `errors` hold the first MOST_KEPT.
    """

    host: str
    time: str = ""
    job_id: str = ""
    environment: str = ""
    initial_environment: str = ""
    configuration_version: str = ""
    cached_catalog_status: str = ""
    transaction_completed: bool = False
    status: str = ""
    noop: bool = False
    noop_pending: bool = False
    transaction_uuid: str = ""
    intents: tuple[str, ...] = ()
    failed: tuple[FailedResource, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def cached(self) -> bool:
        """Whether the catalog was an old one, kept for when none could be had. Older formats do not say."""
        return self.cached_catalog_status not in ("", "not_used")


def read_report(content: bytes) -> PuppetReport:
    """Read a report of at most LIMIT bytes. Raises Malformed for whatever is none."""
    if len(content) > LIMIT:
        raise Malformed(
            f"a report of Puppet of {len(content) / 2**20:.0f} MB is refused, expected at most {LIMIT // 2**20} MB",
            hint="are there files in it? see 'show_diff' and the number of resources on that host",
        )
    gathered = _Gathered()
    try:
        if content.lstrip()[:1] == b"{":
            gathered.take_json(json.loads(content))
        else:
            gathered.take_events(_Events(content))
        return gathered.report()
    except (yaml.YAMLError, ValueError, RecursionError, _Odd) as problem:
        cause = str(problem).partition("\n")[0]
        raise Malformed(
            f"this is no report of Puppet: {cause}", hint="has the agent ended while it wrote?"
        ) from problem


class _Odd(Exception):
    """Not of the shape of a report."""


class _Events:
    """A YAML document as a stream of its parts, and the trees of those that are asked for."""

    def __init__(self, content: bytes) -> None:
        loader = yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader
        # Control characters and broken UTF-8 in a package manager's words: libyaml refuses them, people want the rest.
        text = content.decode("utf-8", "replace").translate(_CONTROLS)
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=loader))
        self.named: dict[str, object] = {}

    def enter(self) -> None:
        """Come to the document's mapping."""
        for event in self.events:
            if isinstance(event, yaml.MappingStartEvent):
                return
            if isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.StreamEndEvent):
                break
        raise _Odd("expected a mapping")

    def each_key(self) -> Iterator[str]:
        """The keys of the mapping that was entered; after each its value must be taken."""
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            key = self._tree(event, 0)
            yield key if isinstance(key, str) else ""

    def members(self) -> Iterator[object]:
        """The values of a mapping, or of a sequence, one at a time."""
        event = next(self.events)
        if isinstance(event, yaml.MappingStartEvent):
            for _ in self.each_key():
                yield self.tree()
        elif isinstance(event, yaml.SequenceStartEvent):
            for event in self.events:
                if isinstance(event, yaml.SequenceEndEvent):
                    return
                yield self._tree(event, 1)

    def tree(self) -> object:
        return self._tree(next(self.events), 0)

    def skip(self) -> None:
        depth = 0
        for event in self.events:
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                depth += 1
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                depth -= 1
            if depth == 0:
                return

    def _tree(self, event: Any, depth: int) -> object:
        """A scalar as text, a mapping, a list; an alias is the very value that it names."""
        if depth > DEPTH:
            raise _Odd(f"it is nested deeper than {DEPTH}")
        if isinstance(event, yaml.AliasEvent):
            return self.named.get(event.anchor or "", "")
        value: object = ""
        if isinstance(event, yaml.ScalarEvent):
            value = event.value
        elif isinstance(event, yaml.MappingStartEvent):
            mapping: dict[str, object] = {}
            value = mapping
            for below in self.events:
                if isinstance(below, yaml.MappingEndEvent):
                    break
                key = self._tree(below, depth + 1)
                mapping[key if isinstance(key, str) else ""] = self._tree(next(self.events), depth + 1)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = [self._tree(below, depth + 1) for below in self._until_end()]
        if event.anchor:
            self.named[event.anchor] = value
        return value

    def _until_end(self) -> Iterator[Any]:
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            yield event


_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), 0xFFFE, 0xFFFF), " ") | {
    ord(character): character for character in "\t\n\r"
}


class _Gathered:
    """What is kept of a report while it is read."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.intents: dict[str, None] = {}
        self.failed: list[FailedResource] = []
        self.errors: dict[str, None] = {}

    def take_events(self, events: _Events) -> None:
        events.enter()
        for key in events.each_key():
            if key in FIELDS:
                self.field(key, events.tree())
            elif key in ("logs", "resource_statuses"):
                for member in events.members():
                    self.member(key, member)
            else:
                events.skip()

    def take_json(self, document: object) -> None:
        if not isinstance(document, dict):
            raise _Odd("expected a mapping")
        for key in FIELDS:
            self.field(key, document.get(key))
        for key in ("logs", "resource_statuses"):
            members = document.get(key)
            several = list(members.values()) if isinstance(members, dict) else members
            for member in several if isinstance(several, list) else ():
                self.member(key, member)

    def field(self, key: str, value: object) -> None:
        self.fields[key] = _text(value)

    def member(self, key: str, value: object) -> None:
        if not isinstance(value, Mapping):
            return
        for intent in intents_in(value.get("tags")):
            self.intents[intent] = None
        if key == "logs":
            self.log(value)
        elif _text(value.get("failed")) == "true" or _text(value.get("failed_to_restart")) == "true":
            self.resource(value)

    def log(self, entry: Mapping[str, object]) -> None:
        if len(self.errors) < MOST_KEPT and (error := error_in(entry)) is not None:
            self.errors[error] = None

    def resource(self, status: Mapping[str, object]) -> None:
        if len(self.failed) >= MOST_KEPT:
            return
        events = status.get("events")
        texts = [_text(event.get("message")) for event in events if isinstance(event, dict)
                 and _text(event.get("status")) == "failure"] if isinstance(events, list) else []  # fmt: skip
        path = status.get("containment_path")
        ours = [text for text in map(_text, path) if text.startswith(COMPONENT)] if isinstance(path, list) else []
        self.failed.append(
            FailedResource(
                name=_text(status.get("resource")) or _text(status.get("title")),
                message=next(filter(None, texts), "")[:LONGEST].strip(),
                component=ours[0][len(COMPONENT) : -1] if ours else "",
            )
        )

    def report(self) -> PuppetReport:
        texts, flags = self.fields, {name for name, text in self.fields.items() if text == "true"}
        if not texts.get("host") or not texts.get("status"):
            raise _Odd("it does not say which host it is about, and how the run ended")
        return PuppetReport(
            **{name: texts.get(name, "") for name in TEXTS},
            transaction_completed="transaction_completed" in flags, noop="noop" in flags,
            noop_pending="noop_pending" in flags, intents=tuple(self.intents), failed=tuple(self.failed),
            errors=tuple(self.errors),
        )  # fmt: skip


COMPONENT = "Sluicegate::Component["


def _text(value: object) -> str:
    """A scalar as text: a symbol of Ruby without its colon, JSON's true as YAML's, nothing as ''."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "" if value in ("~", "null") else value.removeprefix(":")
    return str(value) if isinstance(value, int | float) else ""


def error_in(entry: Mapping[str, object]) -> str | None:
    """The message of an entry of a run's log, where its level is err or above."""
    return _text(entry.get("message"))[:LONGEST].strip() if _text(entry.get("level")) in ERRORS else None


def intents_in(tags: object) -> Iterator[str]:
    """What our module says in the tags: a list, or Ruby's set, whose keys they are."""
    names = tags.get("hash", tags) if isinstance(tags, dict) else tags
    for tag in names if isinstance(names, list | dict) else ():
        if isinstance(tag, str) and tag.startswith(ASSIGNMENT):
            yield tag[len(ASSIGNMENT) :]
