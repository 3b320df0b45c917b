"""What commands print with --json has the shapes of `cli/shapes/`, and docs/reference/json.md shows them all."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from sluicegate.cli.shapes import common, jobs, looking, moving, reality, versions

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "json.md"
ANSWERS: dict[str, Any] = {**versions.ANSWERS, **moving.ANSWERS, **looking.ANSWERS, **reality.ANSWERS, **jobs.ANSWERS}
UNCLASSED = {"run --list": "The names of the jobs."}
WORDS = {str: "text", int: "number", float: "number", bool: "true or false", type(None): "null", Any: "anything"}


def misfit(value: object, shape: Any, at: str = "") -> str:
    """Where a value is not of a shape, '' where it is all through."""
    origin, inner = get_origin(shape), get_args(shape)
    if is_typeddict(shape):
        if not isinstance(value, dict):
            return f"{at} is no object"
        hints = get_type_hints(shape, include_extras=True)
        required = {key for key, hint in hints.items() if get_origin(hint) is not NotRequired}
        if not required <= set(value) <= set(hints):
            return f"{at} has the keys {sorted(value)}, expected {sorted(hints)}"
        plain = get_type_hints(shape)
        return next(filter(None, (misfit(below, plain[key], f"{at}.{key}") for key, below in value.items())), "")
    if origin is list:
        if not isinstance(value, list):
            return f"{at} is no list"
        return next(filter(None, (misfit(item, inner[0], f"{at}[]") for item in value)), "")
    if origin is dict:
        if not isinstance(value, dict):
            return f"{at} is no object"
        return next(filter(None, (misfit(item, inner[1], f"{at}.{key}") for key, item in value.items())), "")
    if origin in (types.UnionType, Union):
        return "" if any(not misfit(value, choice) for choice in inner) else f"{at} is {value!r}"
    if shape is Any or (shape is float and type(value) is int):
        return ""
    return "" if type(value) is shape else f"{at} is {value!r}, expected {WORDS[shape]}"


def shown(shape: Any, indent: str = "") -> str:
    """A shape as people read it."""
    origin, inner = get_origin(shape), get_args(shape)
    if is_typeddict(shape):
        below = f"{indent}  "
        lines = []
        for key, hint in get_type_hints(shape, include_extras=True).items():
            optional = get_origin(hint) is NotRequired
            plain = get_args(hint)[0] if optional else hint
            lines.append(f'{below}"{key}": {shown(plain, below)}{" (where there is one)" if optional else ""}')
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if origin is list:
        return f"[{shown(inner[0], indent)}, ...]"
    if origin is dict:
        return f"{{NAME: {shown(inner[1], indent)}, ...}}"
    if origin in (types.UnionType, Union):
        return " or ".join(shown(choice, indent) for choice in inner)
    return WORDS[shape]


def described(shape: Any) -> str:
    """What the class of a shape says, of all classes within it."""
    inner = get_args(shape)
    if not is_typeddict(shape):
        return " ".join(filter(None, (described(below) for below in inner)))
    within = [described(below) for below in get_type_hints(shape).values()]
    return " ".join(dict.fromkeys(filter(None, (" ".join((shape.__doc__ or "").split()), *within))))


def page() -> str:
    parts = [
        "# JSON\nWhat commands print with `--json`, by the classes of `lib/sluicegate/cli/shapes/`; written by `pytest "
        "tests/cli/test_shapes.py --update-golden`.\nA key may be added; none goes or changes its meaning. Times are "
        "ISO 8601 in UTC. A record has the keys of its kind in the ledger, and the\n`subject` that it is about: "
        "[words](../words.md#kinds-of-records) names the kinds.\n"
    ]
    for name, shape in {"any other command, and whatever fails": common.Answer, **ANSWERS}.items():
        parts.append(
            f"## {name}\n{described(shape) or UNCLASSED.get(name, 'As said above.')}\n```\n{shown(shape)}\n```\n"
        )
    return "\n".join(parts)


def test_the_page_shows_every_shape(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "pytest tests/cli/test_shapes.py --update-golden, then read the diff"


def test_what_differs_from_a_shape_is_found() -> None:
    good = {"component": "auth", "before": "", "after": "1.0.0"}
    assert misfit([good], list[moving.Promotion]) == ""
    assert misfit([good | {"after": None}], list[moving.Promotion]) == "[].after is None, expected text"
    assert "has the keys" in misfit([good | {"more": ""}], list[moving.Promotion])
    assert misfit(good, list[moving.Promotion]) == " is no list"
    answer = {"command": "pin", "exit_code": 0, "lines": []}
    assert misfit(answer, common.Answer) == ""
    assert misfit(answer | {"error": {"message": "x", "reasons": [], "hint": ""}}, common.Answer) == ""
