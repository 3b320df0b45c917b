"""The modules for jenkins-job-builder: golden pairs, and mistakes in its own form."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import canonicalize

import pytest

from sluicegate.errors import UsageError
from sluicegate.jjb import render

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", ["sluicegate-publish", "sluicegate-sync", "sluicegate-promote"])
def test_a_module_renders_as_its_golden_file(name: str, request: pytest.FixtureRequest) -> None:
    rendered = render.jobs(FIXTURES / f"{name}.yaml")[name]
    golden = FIXTURES / f"{name}.xml"
    if request.config.getoption("--update-golden"):
        golden.write_bytes(rendered)
    # Pythons differ in how they write quotes in XML
    assert canonicalize(rendered.decode()) == canonicalize(golden.read_text())


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("sluicegate-sync: {}", "environments"),
        ("sluicegate-sync: {environments: integration, wiat: true}", "wiat"),
        ("sluicegate-promote: {versions: [auth], to: --staging}", "--staging"),
        ("sluicegate-publish: {component: auth, version: 1.0, files: []}", "files"),
    ],
)
def test_a_mistake_is_told_with_its_place(step: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"- job:\n    name: one\n    builders:\n      - {step}\n")
    with pytest.raises(UsageError) as found:
        render.jobs(path)
    assert said in found.value.message
    assert f"{path}:" in found.value.message
