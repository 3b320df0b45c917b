"""Reads YAML with every scalar as the text that stands there, and remembers the line of each key.

`auth: 1.10` is version 1.10 and not a number, `12:30` is no base-60 integer, and a duplicate key is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

import yaml

from sluicegate.errors import ConfigError
from sluicegate.model.frozen import frozen
from sluicegate.model.settings import Plain

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML built without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

LARGEST = 5_000_000
DEEPEST = 50
NESTING = ("[", "{", "- ", "? ")
MERGE_MARKER = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)


@frozen
class Document:
    """A YAML file: its plain content, and where each key stands, by path such as `a/b/0`.

    `lines` has the key's line (from 1), `ends` where its text ends, `spans` where its value begins and ends.
    """

    file: str
    content: dict[str, Plain]
    lines: Mapping[str, int]
    ends: Mapping[str, int]
    spans: Mapping[str, tuple[int, int]]

    def where(self, path: str) -> str:
        """`file:line` of the nearest key that exists on the way to `path`."""
        while path and path not in self.lines:
            path = path.rpartition("/")[0]
        return f"{self.file}:{self.lines.get(path, 1)}"


@lru_cache(maxsize=8)
def read(content: bytes, file: str) -> Document:
    """Parse one YAML mapping; an empty file is an empty mapping. Raises ConfigError with file:line.

    Who reads the same again gets the same document: nobody changes what it holds.
    """
    if len(content) > LARGEST:
        raise ConfigError([f"{file}: {len(content)} bytes is more than the {LARGEST} that a YAML file may have"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ConfigError([f"{file}: not UTF-8 at byte {problem.start}"]) from problem
    if marker := MERGE_MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise ConfigError([f"{file}:{line}: a merge marker ({marker[0].strip()}) is left; resolve the merge first"])
    for number, line_text in enumerate(text.splitlines(), start=1):
        if re.match(r"[ ]*\t", line_text):
            raise ConfigError([f"{file}:{number}: a tab in the indentation; YAML takes spaces only"])
    try:
        if sum(map(text.count, NESTING)) > DEEPEST:
            _refuse_deep(text, file)
        node = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as problem:
        _refuse_what_libyaml_refuses(text, file)
        mark = problem.problem_mark
        place = f"{file}:{mark.line + 1}" if mark else file
        raise ConfigError([f"{place}: {problem.problem or 'not YAML'}"]) from problem
    except (yaml.YAMLError, RecursionError) as problem:
        raise ConfigError([f"{file}: not YAML: {problem}"]) from problem
    walk = _Walk(file)
    if node is None:
        return Document(file=file, content={}, lines={}, ends={}, spans={})
    content_tree = walk.plain(node, "", 0)
    if walk.mistakes:
        raise ConfigError(walk.mistakes)
    if not isinstance(content_tree, dict):
        raise ConfigError([f"{file}:1: expected a mapping of keys to values"])
    return Document(file=file, content=content_tree, lines=walk.lines, ends=walk.ends, spans=walk.spans)


def _refuse_deep(text: str, file: str) -> None:
    """Raise ConfigError before libyaml's composer, which recurses in C, runs out of its stack."""
    _count_depth(yaml.parse(text, Loader=Loader), file)


def _refuse_what_libyaml_refuses(text: str, file: str) -> None:
    """Raise ConfigError where depth is what is wrong: libyaml looks ahead, and meets a limit of its own first."""
    scanner = yaml.SafeLoader(text)
    try:
        _count_depth(iter(scanner.get_event, None), file)
    except yaml.MarkedYAMLError as problem:
        if scanner.flow_level > DEEPEST and problem.problem_mark:
            raise _too_deep(file, problem.problem_mark.line + 1) from problem


def _count_depth(events: Iterator[yaml.Event], file: str) -> None:
    depth, line = 0, 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        line = event.start_mark.line + 1 if event.start_mark else line
        if depth > DEEPEST:
            raise _too_deep(file, line)


def _too_deep(file: str, line: int) -> ConfigError:
    return ConfigError([f"{file}:{line}: nested deeper than {DEEPEST} levels"])


class _Walk:
    """Turns nodes into plain values and collects every mistake on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[str] = []
        self.lines: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        self.spans: dict[str, tuple[int, int]] = {}
        self.seen: set[int] = set()

    def mistake(self, node: yaml.Node, text: str) -> None:
        self.mistakes.append(f"{self.file}:{node.start_mark.line + 1}: {text}")

    def plain(self, node: yaml.Node, path: str, depth: int) -> Plain:
        self.spans[path] = (node.start_mark.index, node.end_mark.index)
        if depth > DEEPEST:
            self.mistake(node, f"nested deeper than {DEEPEST} levels")
            return ""
        if id(node) in self.seen:
            self.mistake(node, "YAML aliases (*name) are not taken here; write the value out")
            return ""
        self.seen.add(id(node))
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
            self.mistake(node, f"the tag '{node.tag}' is not taken here")
            return ""
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.lines[f"{path}/{number}".lstrip("/")] = item.start_mark.line + 1
            return tuple(
                self.plain(item, f"{path}/{number}".lstrip("/"), depth + 1) for number, item in enumerate(node.value)
            )
        return self._mapping(node, path, depth)

    def _mapping(self, node: yaml.Node, path: str, depth: int) -> dict[str, Plain]:
        found: dict[str, Plain] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.mistake(key, "a key must be a plain text")
                continue
            name = str(key.value)
            below = f"{path}/{name}".lstrip("/")
            if name in found:
                self.mistake(key, f"the key '{name}' stands twice (first in line {self.lines[below]})")
                continue
            self.lines[below] = key.start_mark.line + 1
            self.ends[below] = key.end_mark.index
            found[name] = self.plain(value, below, depth + 1)
        return found
