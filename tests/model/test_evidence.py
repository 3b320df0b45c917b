"""Records have fields, not keys: nobody outside model/recordjson.py spells the name of one as a text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

import sluicegate
from sluicegate.model import evidence
from sluicegate.model.evidence import KINDS, Record
from sluicegate.model.recordjson import OWN_FIELDS, READERS, from_json

ROOMS = ("delivery", "gates", "ports.py", "wiring.py")
LIBRARY = Path(sluicegate.__file__).parent
OTHER_DOCUMENTS = {
    "answers/readiness.py", "answers/status.py", "artifacts/fetch.py", "artifacts/provenance.py", "book/current.py",
    "book/resolving.py", "book/standing.py",
}  # fmt: skip
"""Where documents of other forms are read: manifests, statements, indexes, a Jenkins' answers, `status` remembered."""
KEYS = {name for own in OWN_FIELDS.values() for name, _ in own} | {field.name for field in fields(Record)}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        place = LIBRARY / room
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            yield str(path.relative_to(LIBRARY)), ast.parse(path.read_text("utf-8"))


def string_keys(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`x["key"]`, `x.get("key")` and comparisons of `.what`, with their lines."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(func=ast.Attribute(value=ast.Attribute(attr="values")))
                | ast.Subscript(value=ast.Attribute(attr="values"))
            ):
                continue  # a setting of sluicegate.yaml
            case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                yield node.lineno, key
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
                yield node.lineno, key
            case ast.Compare(left=ast.Attribute(attr="what")):
                yield node.lineno, "what"


def test_no_string_key_of_a_record_stands_outside_of_its_module() -> None:
    spelled = [
        f"{file}:{line}: '{key}'"
        for file, tree in modules()
        if not any(file.endswith(document) for document in OTHER_DOCUMENTS)
        for line, key in string_keys(tree)
        if key in KEYS
    ]
    assert not spelled


def test_what_a_story_is_asked_for_are_fields_of_the_kind() -> None:
    questions = 0
    for file, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in ("of", "latest", "has", "first"):
                continue
            for kind in (getattr(evidence, ast.unparse(word).rpartition(".")[2], None) for word in node.args):
                wanted = {keyword.arg for keyword in node.keywords if keyword.arg}
                if isinstance(kind, type) and issubclass(kind, Record):
                    questions += 1
                    assert wanted <= {field.name for field in fields(kind)}, f"{file}:{node.lineno}"
    assert questions > 30


@pytest.mark.parametrize("what", KINDS)
def test_a_record_offers_no_mapping_and_cannot_be_changed(what: str) -> None:
    record = from_json({"id": "1", "at": "2026-11-23T09:00:00Z", "what": what})
    assert type(record) is KINDS[what] and record.what == what
    assert not hasattr(record, "get") and not hasattr(record, "__getitem__")
    with pytest.raises(FrozenInstanceError):
        record.id = "2"  # type: ignore[misc]


def test_each_type_of_a_field_has_its_reader() -> None:
    assert {str(field.type) for kind in KINDS.values() for field in fields(kind)} - {"datetime", "Actor"} == set(
        READERS
    )
