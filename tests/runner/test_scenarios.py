"""Each folder of scenarios/ is a job and what it must do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from sluicegate.jjb import render
from sluicegate.runner.service import Runner
from sluicegate.runner.steps import junit
from tests.runner.conftest import build

FOLDER = Path(__file__).parent / "scenarios"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_scenario(name: str, runner: Runner) -> None:
    folder = FOLDER / name
    expected = yaml.safe_load((folder / "expect.yaml").read_text())
    source = folder / ("job.yaml" if (folder / "job.yaml").exists() else "config.xml")
    job, content = render.choose(render.jobs(source), None, source)
    began = time.monotonic()
    record = build(runner, job, content, expected.get("given"))
    log = record.log.read_text()
    assert record.result is not None and record.result.name == expected["result"], log
    assert time.monotonic() - began < expected.get("seconds", 10)
    for text in expected.get("log", []):
        assert text in log
    for text in expected.get("not_in_log", []):
        assert text not in log
    if "artifacts" in expected:
        files = [path for path in record.archive.rglob("*") if path.is_file()]
        assert {p.relative_to(record.archive).as_posix(): p.read_text() for p in files} == expected["artifacts"]
    if "tests" in expected:
        assert junit.counts(junit.read(record.folder) or []) == expected["tests"]
    if "workspace" in expected:
        assert [path.name for path in Path(record.workspace).iterdir()] == expected["workspace"]
