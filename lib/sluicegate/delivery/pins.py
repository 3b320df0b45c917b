"""The pins of an environment: one YAML file, `component: version` a line, hand-editable; comments and order survive."""

from __future__ import annotations

import json
import re
from datetime import date

from sluicegate.errors import ConfigError, UsageError
from sluicegate.model.settings import Settings
from sluicegate.model.values import Hold, Pin
from sluicegate.tools import yamltext

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


def pins_path(environment: str) -> str:
    return f"environments/{environment}.yaml"


def read_pins(content: bytes | None, file: str) -> dict[str, Pin]:
    """The pins of a file, in its order. Raises ConfigError with file:line."""
    document = yamltext.read(content or b"", file)
    pins: dict[str, Pin] = {}
    mistakes: list[str] = []
    for component in document.content:
        try:
            pins[component] = _pin(component, document)
        except ConfigError as problem:
            mistakes.extend(problem.mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    return pins


def _pin(component: str, document: yamltext.Document) -> Pin:
    value = document.content[component]
    where = document.where(component)
    if isinstance(value, str):
        return Pin(component=component, version=_version(value, where))
    if not isinstance(value, dict):
        raise ConfigError([f"{where}: expected a version, or {{version: ..., hold: {{...}}}}"])
    settings = Settings(where=where, values=value)
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
        raise below.fail(f"'until' is '{until}', expected a day such as 2026-12-01") from problem
    return Hold(by=below.text("by", ""), why=below.text("why", ""), until=day)


def edit_pins(content: bytes | None, file: str, changes: dict[str, Pin | None]) -> bytes:
    """The file with these pins set (None removes one); every other byte stays."""
    text = (content or b"").decode("utf-8-sig")
    before = read_pins(content, file)
    for component, pin in changes.items():
        text = _edit_one(text, file, component, pin)
    _check_edited(before, text, file, changes)
    return text.encode()


def _check_edited(before: dict[str, Pin], text: str, file: str, changes: dict[str, Pin | None]) -> None:
    """YAML has more shapes than an edit of lines knows: what reads back otherwise is never written."""
    wanted = {name: pin for name, pin in {**before, **changes}.items() if pin is not None}
    try:
        versions = {name: pin.version for name, pin in read_pins(text.encode(), file).items()}
    except ConfigError:
        versions = {}
    if versions != {name: pin.version for name, pin in wanted.items()}:
        raise UsageError(
            f"{file} is written in a shape that cannot be edited safely", hint="write one 'component: version' a line"
        )


def _edit_one(text: str, file: str, component: str, pin: Pin | None) -> str:
    document = yamltext.read(text.encode(), file)
    if component not in document.content:
        if pin is None:
            return text
        return text + ("" if not text or text.endswith("\n") else "\n") + f"{_quoted(component)}: {_written(pin)}\n"
    start, end = document.spans[component]
    end = _end(text, start, end)
    if pin is not None:
        tail = "\n" if text[start:end].endswith("\n") else ""
        gap = "" if start > 0 and text[start - 1] in " \n" else " "
        if "\n" in text[text.rfind(":", 0, start) + 1 : start]:  # a block mapping starts on its own line
            start, gap = text.rfind(":", 0, start) + 1, " "
        return text[:start] + gap + _written(pin) + tail + text[end:]
    lines = text.splitlines(keepends=True)
    first = document.lines[component] - 1
    last = text.count("\n", 0, max(end - 1, start)) if end > start else first
    return "".join(lines[:first] + lines[last + 1 :])


def _end(text: str, start: int, end: int) -> int:
    """Where a value really ends: YAML counts the comments and empty lines after a block mapping as its own."""
    lines = text[start:end].splitlines(keepends=True)
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        end -= len(lines.pop())
    return end


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
