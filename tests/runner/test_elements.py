"""The catalogue of Jenkins' elements: whole, strict about children, and the source of what the docs and the API say."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, fromstring

import pytest

from sluicegate.errors import UsageError
from sluicegate.runner.elements import catalogue
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.scm import extensions
from sluicegate.runner.steps import matrix
from tests.runner import scenario

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "runner.md"
BEGIN, END = "<!-- elements: written by pytest tests/runner/test_elements.py --update-golden -->\n", "<!-- end -->\n"
CLASSES = {tag: entry for tag, entry in catalogue.entries().items() if entry.make is not None}


def specimens() -> dict[str, Element]:
    """An element of each class, from the scenarios that show it."""
    by_class: dict[str, Element] = {}
    for name in scenario.NAMES:
        for content in scenario.jobs(name).values():
            for element in fromstring(content).iter():
                by_class.setdefault(element.get("class") or element.tag, element)
    return by_class


@pytest.fixture(scope="module")
def specimen() -> Iterator[dict[str, Element]]:
    yield specimens()


@pytest.mark.parametrize("tag", sorted(CLASSES))
def test_every_class_has_a_scenario_and_refuses_an_invented_child(tag: str, specimen: dict[str, Element]) -> None:
    element = specimen.get(tag)
    assert element is not None, f"no folder of tests/runner/scenarios has a <{tag}>"
    catalogue.make(CLASSES[tag].kind, element)
    invented = deepcopy(element)
    SubElement(invented, "inventedChild").text = "true"
    with pytest.raises(UsageError, match=r"does not know its option <inventedChild>"):
        catalogue.make(CLASSES[tag].kind, invented)


def test_a_plan_names_all_that_is_not_understood_at_once() -> None:
    root = fromstring(
        "<project><inventedRoot/><properties><a.Property/></properties><builders><hudson.tasks.Shell>"
        "<command>true</command><inventedOption>1</inventedOption></hudson.tasks.Shell><a.Builder/></builders>"
        "<publishers><a.Publisher/></publishers><triggers><a.Trigger/></triggers></project>"
    )
    with pytest.raises(UsageError) as caught:
        catalogue.make("project", root)
    for name in ("inventedRoot", "a.Property", "inventedOption", "a.Builder", "a.Publisher", "a.Trigger"):
        assert sum(f"<{name}>" in line for line in caught.value.message.splitlines()) == 1, caught.value.message


WILD = Path(__file__).parent / "classes-in-the-wild.tsv"
"""Classes of public jobs that decide what a build does, of at least two of 22 organisations, counted in 2026."""
OF_AN_IGNORED_TRIGGER = "org.jenkinsci.plugins.ghprb.extensions."


def test_every_class_that_public_jobs_need_is_known(specimen: dict[str, Element]) -> None:
    known = {*catalogue.entries(), *specimen, *extensions.CHOOSERS, *matrix.AXES}
    known |= {f"{extensions.PREFIX}{name}" for name in extensions.KNOWN}
    wanted = [line.split("\t")[0] for line in WILD.read_text().splitlines()[1:]]
    assert len(wanted) == 92
    assert [tag for tag in wanted if tag not in known and not tag.startswith(OF_AN_IGNORED_TRIGGER)] == []


def test_a_tag_stands_in_the_catalogue_with_one_answer() -> None:
    with pytest.raises(ValueError, match="one of make, skips, ignores and refuses"):
        Entry(tag="a.B", plugin="a", kind="builder", skips="why", ignores="why")


def bounds(entry: Entry, specimen: dict[str, Element]) -> str:
    """What a class takes of its own options, asked of its constructor."""
    if entry.make is None or entry.tag not in specimen:
        return ""
    fields = Fields(specimen[entry.tag], catalogue.make)
    entry.make(fields)
    bounds_text = "; ".join(dict.fromkeys(fields.bounds))
    return f"; {bounds_text}" if bounds_text else ""


def table(specimen: dict[str, Element]) -> str:
    lines = [
        "| element | plugin | kind | what a build here does, and what of its options is refused |",
        "|---|---|---|---|",
    ]
    for entry in sorted(catalogue.entries().values(), key=lambda entry: (entry.kind, entry.tag.lower())):
        refused = entry.refuses and f"**refused**: {entry.refuses(Fields(Element(entry.tag), catalogue.make))}"
        skipped = entry.skips and f"named and skipped: {entry.skips}"
        ignored = entry.ignores and f"ignored: {entry.ignores}"
        answer = refused or skipped or ignored or f"acts{bounds(entry, specimen)}"
        lines.append(f"| `{entry.tag}` | {entry.plugin} | {entry.kind} | {answer} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_the_docs_is_the_catalogue(request: pytest.FixtureRequest, specimen: dict[str, Element]) -> None:
    head, _, rest = PAGE.read_text().partition(BEGIN)
    body, _, tail = rest.partition(END)
    if request.config.getoption("--update-golden"):
        body = table(specimen)
        PAGE.write_text(f"{head}{BEGIN}{body}{END}{tail}")
    assert body == table(specimen), "pytest tests/runner/test_elements.py --update-golden, then read the diff"
