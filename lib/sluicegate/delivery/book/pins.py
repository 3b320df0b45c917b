"""The pins of an environment: one YAML file, `component: version` a line, hand-editable; comments and order survive."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Container, Iterable, Mapping
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from sluicegate.errors import ConfigError, UsageError
from sluicegate.model.printable import printable
from sluicegate.model.settings import Settings
from sluicegate.model.values import Hold, Pin
from sluicegate.tools import yamltext

BREAKS = r"\n\r\x85\u2028\u2029"  # what YAML 1.1 takes as the end of a line
LINE_BREAK = re.compile(rf"\r\n|[{BREAKS}]")
LAST_BREAK = re.compile(rf"(\r\n|[{BREAKS}])\Z")
LINE = re.compile(rf"[^{BREAKS}]*(?:\r\n|[{BREAKS}])|[^{BREAKS}]+\Z")
PLAIN_LINE = re.compile(r"(?:([A-Za-z][A-Za-z0-9._-]*): ([0-9][A-Za-z0-9._+~-]*)|#[ -~]*|)")
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


def pins_path(environment: str) -> str:
    return f"environments/{environment}.yaml"


def read_pins(content: bytes | None, file: str, components: Container[str] | None = None) -> dict[str, Pin]:
    """The pins of a file, in its order, of these components where given. Raises ConfigError with file:line."""
    if (plain := _plain_pins(content or b"", components)) is not None:
        return plain
    document = yamltext.read(content or b"", file)
    pins: dict[str, Pin] = {}
    mistakes: list[str] = []
    for component in document.content:
        if components is not None and component not in components:
            mistakes.append(f"{document.where(component)}: no component is called '{component}'")
            continue
        try:
            pins[component] = _pin(component, document)
        except ConfigError as problem:
            mistakes.extend(problem.mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    return pins


def _plain_pins(content: bytes, components: Container[str] | None) -> dict[str, Pin] | None:
    """The pins of a file of plain lines only, a hundred times as fast as YAML; None for any other file."""
    if not content.isascii():
        return None
    pins: dict[str, Pin] = {}
    for line in content.decode().split("\n"):
        plain = PLAIN_LINE.fullmatch(line)
        if plain is None or (
            plain[1] and (plain[1] in pins or (components is not None and plain[1] not in components))
        ):
            return None
        if plain[1]:
            pins[plain[1]] = Pin(component=plain[1], version=plain[2])
    return pins


def _pin(component: str, document: yamltext.Document) -> Pin:
    value = document.content[component]
    where = document.where(component)
    if isinstance(value, str):
        return Pin(component=component, version=_version(value, where))
    if not isinstance(value, dict):
        raise ConfigError([f"{where}: expected a version, or {{version: ..., hold: {{...}}}}"])
    settings = Settings(where=where, values=value, place=lambda key: document.where(f"{component}/{key}"))
    settings.only("version", "hold")
    return Pin(component=component, version=_version(settings.text("version"), where), hold=_hold(settings))


def _version(text: str, where: str) -> str:
    if not text.strip() or "\n" in text:
        raise ConfigError([f"{where}: the version is empty; write for example 1.4.2, or remove the line"])
    return text


def _hold(settings: Settings) -> Hold | None:
    if "hold" not in settings.values:
        return None
    below = settings.below("hold")
    below.only("why", "by", "until")
    until = below.text("until", "")
    try:
        day = date.fromisoformat(until) if until else None
    except ValueError as problem:
        raise below.fail(f"'until' is '{until}', expected a day such as 2026-12-01", "until") from problem
    return Hold(by=printable(below.text("by", "")), why=printable(below.text("why", "")), until=day)


def versions_of(pins: Mapping[str, Pin]) -> dict[str, str]:
    return {component: pin.version for component, pin in pins.items()}


def edit_pins(content: bytes | None, file: str, changes: Mapping[str, Pin | None]) -> bytes:
    """The file with these pins set (None removes one); every other byte stays."""
    old = content or b""
    wanted = {**read_pins(old, file), **changes}
    text = old.decode("utf-8-sig")
    document = yamltext.read(old, file)
    known = {component: pin for component, pin in changes.items() if component in document.content}
    edits = sorted(_edit(text, document, component, pin) for component, pin in known.items())
    if any(first.end > second.start for first, second in pairwise(edits)):  # several on one line: one after the other
        for component, pin in changes.items():
            old = edit_pins(old, file, {component: pin})
        return old
    for edit in reversed(edits):
        text = f"{text[: edit.start]}{edit.text}{text[edit.end :]}"
    for component, pin in changes.items():
        if component not in known and pin is not None:
            text = _append(text, f"{_quoted(component)}: {_written(pin)}")
    edited = (codecs.BOM_UTF8 if old.startswith(codecs.BOM_UTF8) else b"") + text.encode()
    _check_edited(edited, file, [pin for pin in wanted.values() if pin is not None])
    return edited


def _check_edited(edited: bytes, file: str, pins: Iterable[Pin]) -> None:
    """YAML has more shapes than an edit of lines knows: what reads back otherwise is never written."""

    def facts(some: Iterable[Pin]) -> set[tuple[str, str, object]]:
        # of a hold's words only that they are there: what cannot be printed is written as '?'
        return {(p.component, p.version, p.hold and (p.hold.until, bool(p.hold.why), bool(p.hold.by))) for p in some}

    try:
        if facts(read_pins(edited, file).values()) == facts(pins):
            return
    except ConfigError:
        pass
    raise UsageError(
        f"{file} is written in a shape that cannot be edited safely", hint="write one 'component: version' a line"
    )


class _Edit(NamedTuple):
    """The characters from `start` to before `end` become `text`."""

    start: int
    end: int
    text: str


def _edit(text: str, document: yamltext.Document, component: str, pin: Pin | None) -> _Edit:
    start, end = document.spans[component]
    end = _end(text, start, end)
    if pin is None:
        return _without_lines(text, document.lines[component] - 1, max(end - 1, start) if end > start else None)
    colon = text.index(":", document.ends[component]) + 1
    before = text[colon:start]
    if LINE_BREAK.search(before):  # the value begins on a line of its own: it moves up, a comment after the key stays
        start, comment = colon, LINE_BREAK.split(before)[0].rstrip()
    else:
        comment = ""
    broken = LAST_BREAK.search(text[start:end])
    tail = broken[0] if broken else ""
    gap = "" if text[start - 1] == " " else " "
    return _Edit(start, end, f"{gap}{_written(pin)}{comment}{tail}")


def _without_lines(text: str, first: int, last_character: int | None) -> _Edit:
    """Remove the lines from number `first` to that of a character (to itself when None)."""
    lines = LINE.findall(text)
    last = first
    if last_character is not None:
        last = max(first, len(LINE.findall(text[: last_character + 1])) - 1)
    begin = sum(map(len, lines[:first]))
    return _Edit(begin, begin + sum(map(len, lines[first : last + 1])), "")


def _end(text: str, start: int, end: int) -> int:
    """Where a value really ends: YAML counts the comments and empty lines after a block mapping as its own."""
    lines = LINE.findall(text[start:end])
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        end -= len(lines.pop())
    return end


def _append(text: str, line: str) -> str:
    """A line at the end, indented and ended as the others are."""
    first = next((old for old in LINE.findall(text) if old.strip() and old.strip()[0] not in "#-%"), "")
    indent = first[: len(first) - len(first.lstrip(" "))]
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith(("\n", "\r")) else newline
    return f"{text}{gap}{indent}{line}{newline}"


def _written(pin: Pin) -> str:
    if pin.hold is None:
        return _quoted(pin.version)
    parts = [f"why: {_quoted(pin.hold.why)}"] if pin.hold.why else []
    parts += [f"by: {_quoted(pin.hold.by)}"] if pin.hold.by else []
    parts += [f"until: {pin.hold.until.isoformat()}"] if pin.hold.until else []
    return f"{{version: {_quoted(pin.version)}, hold: {{{', '.join(parts)}}}}}"


def _quoted(text: str) -> str:
    """A scalar that reads back as this text."""
    if PLAIN.fullmatch(text):
        return text
    kept = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
    return json.dumps(kept, ensure_ascii=False)
