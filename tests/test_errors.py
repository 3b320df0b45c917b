"""What errors mean: the exit codes that the README promises, and who may take a mistake of usage for something else."""

import ast
import re
from pathlib import Path

import pytest

from sluicegate import errors
from sluicegate.errors import SluicegateError

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "lib" / "sluicegate"
READING = ("cli/", "config/", "runner/elements/", "runner/logins.py")
"""Where commands and configuration (YAML, config.xml) are read; only there may a mistake of usage be caught."""


def kinds() -> list[type[SluicegateError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SluicegateError)]


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_nobody_takes_a_mistake_of_usage_for_an_absence(path: Path) -> None:
    if str(path.relative_to(LIBRARY)).startswith(READING):
        return
    nodes = list(ast.walk(ast.parse(path.read_text())))
    handlers = [node.type for node in nodes if isinstance(node, ast.ExceptHandler) and node.type is not None]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    suppressed = [argument for call in calls if "suppress" in ast.unparse(call.func) for argument in call.args]
    caught = [f"{path.name}:{node.lineno}" for node in (*handlers, *suppressed) if "UsageError" in ast.unparse(node)]
    assert caught == []


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    rows = re.findall(r"^([| `]*(?:--)? ?)([A-Z]\w+) +([0-9]+)  ", errors.__doc__ or "", re.MULTILINE)
    drawn = [(len(indent) // 4, name, int(code)) for indent, name, code in rows]
    classes = [(len(kind.__mro__) - len(SluicegateError.__mro__), kind.__name__, kind.exit_code) for kind in kinds()]
    assert sorted(drawn) == sorted(classes)


def test_the_readme_names_every_exit_code_and_what_is_denied() -> None:
    table = (ROOT / "README.md").read_text().partition("## Exit codes")[2]
    codes = {int(code) for code in re.findall(r"^\| ([0-9]+) \|", table, re.MULTILINE)}
    assert {kind.exit_code for kind in kinds()} <= codes
    assert re.search(r"^\| 1 \|.*denied", table, re.MULTILINE)
