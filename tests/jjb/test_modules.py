"""The shell that our builders render to, run for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.jjb.render import render
from tests.jjb.library import FIXTURES, command
from tests.jjb.steps import Step, parse


@pytest.mark.parametrize("path", sorted((FIXTURES / "modules").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_command_line_takes_what_a_module_gives(path: Path, step: Step) -> None:
    variables = dict.fromkeys(("VERSION", "ENVIRONMENT", "COVERAGE", "COMPONENT", "TO", "BUILD_USER"), "-x")
    (step.folder / "workspace" / "out").mkdir(parents=True)
    (step.folder / "workspace" / "out" / "auth version").write_text("-x\n")
    (content,) = render([path]).values()
    ((name, *rest),) = step.run(command(content), variables).calls
    parse(name, rest)


def module(text: str, folder: Path) -> str:
    """The shell of a job whose only step is this one."""
    path = folder / "job.yaml"
    path.write_text(f"- job:\n    name: x\n    builders:\n      - {text}\n")
    (content,) = render([path]).values()
    return command(content)


def test_a_later_step_fetches_the_version_that_was_resolved(step: Step) -> None:
    resolve = module("sluicegate-resolve: {component: auth, version: 1.x, file: auth version}", step.folder)
    assert step.run(resolve, {"RESOLVED": "1.4.2"}).code == 0
    assert (step.folder / "workspace" / "auth version").read_text() == "1.4.2\n"
    fetch = module("sluicegate-fetch: {component: auth, version-from: auth version, to: dist}", step.folder)
    ran = step.run(fetch, {"RESOLVED": "1.5.0"})
    assert (ran.code, ran.calls[-1]) == (0, ["fetch", "--to=dist", "--", "auth=1.4.2"]), ran.output


def test_a_resolved_version_can_be_read_as_a_variable(step: Step) -> None:
    resolve = module("sluicegate-resolve: {component: auth, file: found, variable: AUTH_VERSION}", step.folder)
    ran = step.run(f'{resolve}\n. ./found\necho "it is <$AUTH_VERSION>"', {"RESOLVED": "1.4.2"})
    assert ran.code == 0 and "it is <1.4.2>\n" in ran.output


@pytest.mark.parametrize("code", [1, 2, 5])
def test_where_nothing_is_resolved_the_step_fails_and_writes_nothing(code: int, step: Step) -> None:
    resolve = module("sluicegate-resolve: {component: auth, file: auth.version}", step.folder)
    ran = step.run(f"{resolve}\necho next", {"RESOLVED": "", "FAKE_EXIT": str(code)})
    assert ran.code == code and "next\n" not in ran.output
    assert not (step.folder / "workspace" / "auth.version").exists()


def test_a_fetch_without_the_file_of_the_version_calls_nothing(step: Step) -> None:
    fetch = module("sluicegate-fetch: {component: auth, version-from: auth.version, to: dist}", step.folder)
    ran = step.run(fetch, {})
    assert (ran.code, ran.calls) == (1, []) and "auth.version" in ran.output
