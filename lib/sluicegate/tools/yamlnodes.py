"""The nodes of a YAML file and where they stand, by PyYAML; `yamltext.py` imports it with the first file."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from sluicegate.errors import ConfigError
from sluicegate.model.settings import Plain

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML built without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

DEEPEST = 50
NESTING = ("[", "{", "- ", "? ")


def walk(text: str, file: str) -> Walk:
    """All nodes of a mapping; of an empty text none. Raises ConfigError with file:line, of all mistakes at once."""
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
    walked = Walk(file)
    if node is None:
        return walked
    content = walked.plain(node, "", 0)
    if walked.mistakes:
        raise ConfigError(walked.mistakes)
    if not isinstance(content, dict):
        raise ConfigError([f"{file}:1: expected a mapping of keys to values"])
    walked.content = content
    return walked


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


class Walk:
    """Turns nodes into plain values and collects every mistake on the way; `content` is the whole."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.content: dict[str, Plain] = {}
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
        values: dict[str, Plain] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.mistake(key, "a key must be a plain text")
                continue
            name = str(key.value)
            below = f"{path}/{name}".lstrip("/")
            if name in values:
                self.mistake(key, f"the key '{name}' stands twice (first in line {self.lines[below]})")
                continue
            self.lines[below] = key.start_mark.line + 1
            self.ends[below] = key.end_mark.index
            values[name] = self.plain(value, below, depth + 1)
        return values
