"""Plays one folder of scenarios/: a job, the world around it, and what it must do.

`job.yaml` holds the job to build first, then the jobs that it may start (`config.xml`: one job). `expect.yaml` says
what the world is (`given` parameters, `credentials`, a `repository` with one commit, files `before` in the workspace)
and what must come of it; `shows` names the elements of the jobs that make the difference. `tools/` holds stand-ins of
programs; `needs` names real programs that must be there.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import yaml

from sluicegate.jjb import render
from sluicegate.runner import configfiles
from sluicegate.runner.records import Record
from sluicegate.runner.service import Runner
from sluicegate.runner.steps import junit, timeout
from sluicegate.runner.vault import Credential
from sluicegate.tools.reports import testreports
from sluicegate.tools.xml import tag
from tests.runner.conftest import build, wait_for

FOLDER = Path(__file__).parent / "scenarios"
NAMES = sorted(path.name for path in FOLDER.iterdir())


def expected(name: str) -> dict[str, Any]:
    expectation: dict[str, Any] = yaml.safe_load((FOLDER / name / "expect.yaml").read_text())
    return expectation


@cache
def jobs(name: str) -> Mapping[str, bytes]:
    """Job name -> config.xml, the one to build first."""
    source = FOLDER / name / "job.yaml"
    return MappingProxyType(render.jobs(source if source.exists() else source.with_name("config.xml")))


def without(content: bytes, option: str) -> bytes:
    """The job without the elements of this path below the root."""
    root = ElementTree.fromstring(content)
    parents = {child: parent for parent in root.iter() for child in parent}
    dropped = root.findall(option if option.startswith(".") else f".//{option}")
    for element in dropped:
        parents[element].remove(element)
    return ElementTree.tostring(root)


def play(name: str, home: Path, drop: str = "") -> None:
    """Build the job in a home of its own; AssertionError where it does not do what it must."""
    runner = Runner(home, url="http://127.0.0.1:1/", executors=3)
    runner.start()
    try:
        _play(name, runner, drop)
    finally:
        runner.stop()


def _play(name: str, runner: Runner, drop: str) -> None:
    expect = expected(name)
    contents = jobs(name)
    if drop:
        contents = {job: without(content, drop) for job, content in contents.items()}
        if contents == {job: without(content, "nothing") for job, content in jobs(name).items()}:
            raise ValueError(f"no job of {name} has <{drop}>")
    (job, content), *others = contents.items()
    for other_name, other_content in others:
        runner.items.create("", other_name, other_content)
    for credential in expect.get("credentials", ()):
        runner.vault.store(Credential(**credential))
    if "config_files" in expect:
        (runner.home.path / configfiles.STORE).write_text(_store(expect["config_files"]))
    for path, text in expect.get("before", {}).items():
        target = runner.workspaces.root / job / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    began = time.monotonic()
    _make_repository(runner, expect.get("repository"))
    with _variables(_tools(name)), _shortest_timeout(expect.get("minimum_timeout", timeout.MINIMUM)):
        record = build(runner, job, content, expect.get("given"))
        _compare(record, expect)
        for job_name, wanted in expect.get("builds", {}).items():
            item = runner.items.job(job_name)
            assert item is not None
            _compare(wait_for(item, seconds=8 if drop else 20), wanted)
        for job_name in expect.get("not_built", ()):
            item = runner.items.job(job_name)
            assert item is not None and item.history.last() is None and not runner.queue.of_job(job_name), job_name
        if "cells" in expect:
            assert sum(name.startswith(f"{job}/") for name in runner.items.by_name) == expect["cells"]
        for job_name, number in expect.get("numbers", {}).items():
            item = runner.items.job(job_name)
            assert item is not None and wait_for(item, number).number == number
    assert time.monotonic() - began < expect.get("seconds", 10)


def _tools(name: str) -> dict[str, str]:
    """The stand-ins of programs first on PATH."""
    return {"PATH": f"{FOLDER / name / 'tools'}{os.pathsep}{os.environ['PATH']}"}


def _make_repository(runner: Runner, files: dict[str, str] | None) -> None:
    """A repository with one commit on `main`, named by the variable REPOSITORY of all builds."""
    if files is None:
        return
    folder = runner.home.path.parent / "repository"
    folder.mkdir()
    for path, text in files.items():
        (folder / path).write_text(text)
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    runner.shared_settings.replace(f"env: {{REPOSITORY: {folder}}}\n")


@contextmanager
def _shortest_timeout(seconds: float) -> Iterator[None]:
    """Time-outs may be shorter than the three minutes that a build has at least."""
    before, timeout.MINIMUM = timeout.MINIMUM, seconds
    try:
        yield
    finally:
        timeout.MINIMUM = before


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _store(contents: dict[str, str]) -> str:
    rows = "".join(
        f"<config>{tag('id', name)}{tag('name', name)}{tag('content', text)}</config>"
        for name, text in contents.items()
    )
    return f"<files><configs>{rows}</configs></files>"


def _compare(record: Record, expect: dict[str, Any]) -> None:
    log = record.log.read_text()
    assert record.result is not None and record.result.name == expect["result"], log
    for text in expect.get("log", []):
        assert text in log, log
    for text in expect.get("not_in_log", []):
        assert text not in log, log
    if "artifacts" in expect:
        files = [path for path in record.archive.rglob("*") if path.is_file()]
        assert {p.relative_to(record.archive).as_posix(): p.read_text() for p in files} == expect["artifacts"], log
    if "tests" in expect:
        assert asdict(testreports.tally(junit.read(record.folder) or [])) == expect["tests"]
    for path, text in expect.get("kept", {}).items():
        assert (record.folder / path).read_text() == text, log
    if "files" in expect:
        paths = [path for path in Path(record.workspace).rglob("*") if path.is_file()]
        assert {p.relative_to(record.workspace).as_posix(): p.read_text() for p in paths} == expect["files"], log
    if "workspace" in expect:
        assert sorted(path.name for path in Path(record.workspace).iterdir()) == expect["workspace"]
    for field in ("description", "display_name"):
        if field in expect:
            assert getattr(record, field) == expect[field], log
