"""The words of the model and the ways through the code, as the docs tell them, are those of the code."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from sluicegate.model import evidence, outcomes, values
from sluicegate.model.story import Candidate, Story
from sluicegate.runner.results import Result
from tests.guide import example
from tests.parts import CONFIG, settings

ROOT = Path(__file__).parent.parent
LIB = ROOT / "lib" / "sluicegate"
WORDS = (ROOT / "docs" / "words.md").read_text()
FLOWS = (ROOT / "docs" / "how-it-flows.md").read_text()


def section(page: str, title: str) -> str:
    """What stands below a heading, to the next one of any depth."""
    return re.split(r"\n#+ ", page.partition(f" {title}\n")[2])[0]


def names_in(path: Path) -> set[str]:
    """The functions and classes of a module, and `Class.method`."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            below = (member for member in node.body if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{member.name}" for member in below}
    return names


@pytest.mark.parametrize(
    ("title", "known"),
    [
        ("Kinds of records", set(evidence.KINDS)),
        ("Verdicts of a gate", set(get_args(values.State))),
        ("Endings of a host", set(get_args(outcomes.Ending))),
        ("Results of a build", {result.name for result in Result}),
    ],
)
def test_the_tables_of_words_hold_every_word_of_the_code_once(title: str, known: set[str]) -> None:
    words = re.findall(r"^\| `([^`]+)` \|", section(WORDS, title), re.MULTILINE)
    assert sorted(words) == sorted(known)


def test_every_word_leads_to_code_that_is_there() -> None:
    rows = re.findall(r"^\| ([^|`]+) \| .* \| `([\w/]+\.py)`(?:: `([\w.]+)`)? \|$", WORDS, re.MULTILINE)
    assert len(rows) > 40
    assert [word for word, path, name in rows if name and name not in names_in(LIB / path)] == []
    assert [word for word, path, _ in rows if not (LIB / path).exists()] == []


@pytest.mark.parametrize("word", ["story", "chronicle", "warm", "unsure", "publication", "intent", "seal", "behind"])
def test_a_word_that_is_not_plain_english_is_explained(word: str) -> None:
    assert re.search(rf"^\| {word} \|", WORDS, re.MULTILINE)


def ways() -> list[str]:
    return re.findall(r"^## (.+)$", FLOWS, re.MULTILINE)


@pytest.mark.parametrize("title", ways())
def test_each_way_through_the_code_names_files_and_functions_that_are_there(title: str) -> None:
    lines = [line for line in section(FLOWS, title).splitlines() if re.match(r"\d+\. ", line)]
    assert len(lines) >= 10
    for number, line in enumerate(lines, start=1):
        step = re.fullmatch(rf"{number}\. `([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+): .+", line)
        assert step, line
        missing = set(re.findall(r"`([\w.]+)`", step[2])) - names_in(LIB / step[1])
        assert not missing, line


@pytest.mark.parametrize(
    ("figures", "state", "reason"),
    [
        ({"coverage": "87.5"}, "passed", "coverage is 87.5, expected at least 80"),
        ({"coverage": "79"}, "refused", "coverage is 79, expected at least 80"),
        ({"warnings": "0"}, "refused", "the build measured no coverage"),
        ({"coverage": "high"}, "error", "coverage is 'high', which is no number"),
    ],
)
def test_the_gate_of_the_guide_judges_by_the_figure(figures: dict[str, str], state: str, reason: str) -> None:
    gate = example("FigureGate").configure("staging", settings(name="coverage", minimum="80"), CONFIG)
    built = evidence.Built(manifest="m", figures=figures)
    candidate = Candidate(
        component="auth", version="1.0", manifest="m", origin="integration", target="staging", set_name="",
        story=Story((built,)), author="anna",
    )  # fmt: skip
    verdict = gate(candidate, datetime(2026, 11, 23, tzinfo=UTC))
    assert (verdict.state, verdict.reason) == (state, reason)
