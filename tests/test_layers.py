"""No module imports one that imports it, and none grows: what `.importlinter` says of rooms holds within them too."""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import pairwise
from pathlib import Path

import grimp
import pytest

Imports = Mapping[str, Set[str]]
"""Module -> those that it imports anywhere, within functions and for types too."""


def reached(imports: Imports, start: str) -> set[str]:
    """The modules that `start` leads to, itself only by a circle."""
    seen: set[str] = set()
    left = list(imports[start])
    while left:
        if (module := left.pop()) not in seen:
            seen.add(module)
            left += imports[module]
    return seen


def circles(imports: Imports) -> set[frozenset[str]]:
    """Groups of modules each of which leads to all of its group."""
    leads = {module: reached(imports, module) for module in imports}
    return {
        frozenset(reachable for reachable in leads[module] if module in leads[reachable])
        for module in imports
        if module in leads[module]
    }


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_circle_of_any_length_is_found(length: int) -> None:
    names = [f"module{number}" for number in range(length)]
    imports = {name: {follower} for name, follower in pairwise([*names, names[0]])}
    assert circles(imports | {"upper": set(names), "lower": set()}) == {frozenset(names)}


def test_a_diamond_is_no_circle() -> None:
    assert circles({"top": {"left", "right"}, "left": {"low"}, "right": {"low"}, "low": set()}) == set()


def test_no_module_is_in_a_circle() -> None:
    graph = grimp.build_graph("sluicegate", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert [sorted(circle) for circle in circles(imports)] == []


def too_long(text: str) -> bool:
    """Whether a module has more than 300 lines, and does not say in its first ones why."""
    return text.count("\n") > 300 and "\nLonger than a module should be: " not in text[: text.find('"""', 3)]


def test_a_module_above_300_lines_says_why() -> None:
    assert too_long('"""A title.\n"""\n' + "pass\n" * 300)
    assert not too_long('"""A title.\n\nLonger than a module should be: why.\n"""\n' + "pass\n" * 300)
    modules = [*Path(__file__).parents[1].glob("lib/**/*.py")]
    assert len(modules) > 300
    assert [str(module) for module in modules if too_long(module.read_text())] == []
