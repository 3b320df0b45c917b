"""The combination filter of a matrix: what people write in it is judged as Groovy does, and nothing else is run."""

from __future__ import annotations

import pytest

from sluicegate.errors import Malformed
from sluicegate.runner.combinations import Axis, Filter, cells

CELL = {"os": "linux", "arch": "amd64", "size": "10"}


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("", True),
        ('os=="linux"', True),
        ("os == 'linux' && arch != 'i386'", True),
        ('!(os=="linux" && arch=="amd64")', False),
        ('os=="mac" ||\n arch=="amd64"', True),
        ('(os=="linux").implies(arch=="i386")', False),
        ('os in ["mac", "linux"]', True),
        ('os =~ "nu"', True),
        ('os ==~ "nu"', False),
        ('os.startsWith("li") && arch.contains("64")', True),
        ("index % 2 == 0", False),
        ("index == 3", True),
        ("true", True),
        ("!true", False),
    ],
)
def test_a_filter_keeps_what_its_expression_says(expression: str, kept: bool) -> None:
    assert Filter(expression).keeps(CELL, 3) is kept


@pytest.mark.parametrize(
    "expression",
    [
        'os=="linux',
        "os.execute()",
        "def x = 1; x == 1",
        "os ==",
        '(os=="a"',
        'os=="a" os=="b"',
        '"rm".execute()',
        "a[0]",
    ],
)
def test_what_is_no_filter_is_refused_where_it_stands(expression: str) -> None:
    with pytest.raises(Malformed, match="combination filter"):
        Filter(expression)


def test_a_name_that_is_no_axis_cannot_be_judged() -> None:
    with pytest.raises(Malformed, match="cannot be judged"):
        Filter('where=="here"').keeps(CELL, 0)


def test_the_last_axis_changes_fastest() -> None:
    axes = [Axis(name="a", values=("1", "2")), Axis(name="b", values=("x", "y"))]
    assert [tuple(cell.values()) for cell in cells(axes)] == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
