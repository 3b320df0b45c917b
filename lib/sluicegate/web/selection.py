"""What the parameter `tree` wants: names with what is wanted below them, as Stapler reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sluicegate.errors import UsageError

LONGEST_TREE = 16_384
DEEPEST_TREE = 50
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\*")
RANGE = re.compile(r"\{([0-9]{0,9})(?:(,)([0-9]{0,9}))?\}")


@dataclass(slots=True, kw_only=True)
class Selection:
    """A parsed `tree`: names with what is wanted below them."""

    names: dict[str, Selection] = field(default_factory=dict)
    start: int = 0
    end: int | None = None


def parse(text: str) -> Selection:
    """Read a `tree` parameter. Raises UsageError when it is unbalanced, too long or too deep."""
    if len(text) > LONGEST_TREE:
        raise UsageError(f"tree has {len(text)} characters; at most {LONGEST_TREE} are read")
    selection, position = _names(text, 0, 0)
    if position != len(text):
        raise UsageError(f"tree: unexpected '{text[position]}' at character {position + 1}")
    return selection


def _names(text: str, position: int, depth: int) -> tuple[Selection, int]:
    if depth > DEEPEST_TREE:
        raise UsageError(f"tree is nested deeper than {DEEPEST_TREE} levels")
    selection = Selection()
    while position < len(text) and text[position] != "]":
        name = NAME.match(text, position)
        if name is None:
            raise UsageError(f"tree: expected a name at character {position + 1}")
        position = name.end()
        below = Selection()
        if text[position : position + 1] == "[":
            below, position = _names(text, position + 1, depth + 1)
            if text[position : position + 1] != "]":
                raise UsageError("tree: a bracket is not closed")
            position += 1
        position = _range(text, position, below)
        selection.names[name[0]] = below
        if text[position : position + 1] == ",":
            position += 1
    return selection, position


def _range(text: str, position: int, below: Selection) -> int:
    """`{3}` is one element, `{3,5}` from 3 up to but not 5, either end may be open."""
    bounds = RANGE.match(text, position)
    if bounds is None:
        return position
    below.start = int(bounds[1] or 0)
    below.end = (int(bounds[3]) if bounds[3] else None) if bounds[2] else below.start + 1
    return bounds.end()
