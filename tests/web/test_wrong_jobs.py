"""Wrong jobs: each command that meets one says what is wrong, with the exit code of docs/reference/runner.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluicegate.jjb.render import render, templates
from tests.web.conftest import ROOT, Server, command
from tests.web.test_jenkins_jobs import jenkins_jobs

UNRENDERED = {
    "YAML that does not render": (
        "- job:\n    name: NAME-bad\n    builders:\n      - sluicegate-sync: {environment: [a]}\n",
        r"jobs\.yaml:7:40: .* is an invalid value for attribute builder\.sluicegate-sync\.environment\n"
        r"Valid values include: 'environments'",
    ),
    "a variable that a template misses": (
        "- job-template:\n    name: '{component}-bad'\n    builders: [shell: 'make {target}']\n"
        "- project:\n    name: NAME\n    component: NAME\n    jobs: ['{component}-bad']\n",
        r"jobs\.yaml:6:24: .*Missing parameter: 'target'",
    ),
}
UNKNOWN = {
    "a pipeline": (
        "    project-type: pipeline\n    pipeline-scm:\n      script-path: ci/Jenkinsfile\n"
        "      scm: [git: {url: /srv/git/auth.git}]\n",
        ("pipelines are Groovy programs", "'ci/Jenkinsfile'", "Write the job as a freestyle project"),
    ),
    "a step that the runner does not know": (
        "    builders: [shell: echo begun, beaker: {content: x}]\n",
        ("this runner does not know the step <org.jenkinsci.plugins.beakerbuilder.BeakerBuilder>",),
    ),
}
PARAMETERS = {
    "a parameter that the job does not have": (("-p", "WHAT=1"), "no parameter WHAT (it has: TO, WHO)"),
    "a choice that the parameter does not have": (
        ("-p", "TO=mars"),
        "Illegal choice for parameter TO: mars (expected one of: staging, production)",
    ),
    "a parameter left out": ((), "who=<> to=<staging>"),
}
ASKING = """- job:
    name: NAME
    quiet-period: 0
    parameters:
      - string: {name: WHO}
      - choice: {name: TO, choices: [staging, production]}
    builders: [shell: 'echo "who=<$WHO> to=<$TO>"']
"""


def promised(row: str, column: str) -> int:
    """The exit code in the table of the reference."""
    lines = (ROOT / "docs" / "reference" / "runner.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    cells = next(cells for cells in table if cells[0] == row)
    return int(cells[table[0].index(f"`{column}`")].partition(",")[0])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "jobs.yaml"


@pytest.fixture
def trigger_words(server: Server) -> tuple[tuple[str, ...], dict[str, str]]:
    return ("--url", server.url, "--user", "anna"), {"JENKINS_TOKEN": server.token("anna")}


@pytest.mark.parametrize("wrong", UNRENDERED)
def test_what_does_not_render_is_told_with_its_place_and_no_job_is_sent_or_run(
    wrong: str, server: Server, name: str, source: Path, tmp_path: Path
) -> None:
    text, pattern = UNRENDERED[wrong]
    good = f"- job:\n    name: {name}-good\n    builders: [shell: echo begun]\n"
    source.write_text(good + text.replace("NAME", name))
    done_by_column = {
        "jobs check": command("jobs", "check", str(source)),
        "run": command("run", str(source), f"{name}-bad"),
        "jenkins-jobs update": jenkins_jobs(server, tmp_path, "update", f"{templates()}:{source}"),
    }
    for column, done in done_by_column.items():
        assert done.returncode == promised(wrong, column), done.stderr
        assert re.search(pattern, done.stderr), done.stderr
        assert "Traceback" not in done.stderr and "begun" not in done.stdout
    assert not [job["name"] for job in server.client().get_jobs() if name in job["name"]]


@pytest.mark.parametrize("wrong", UNKNOWN)
def test_what_only_a_jenkins_runs_is_stored_and_told_before_a_step_begins(
    wrong: str,
    server: Server,
    name: str,
    source: Path,
    tmp_path: Path,
    trigger_words: tuple[tuple[str, ...], dict[str, str]],
) -> None:
    text, parts = UNKNOWN[wrong]
    words, env = trigger_words
    source.write_text(f"- job:\n    name: {name}\n    quiet-period: 0\n{text}")
    assert command("jobs", "check", str(source)).returncode == promised(wrong, "jobs check")

    run = command("run", str(source))
    assert run.returncode == promised(wrong, "run") == command("run", str(source), "--plan").returncode
    assert all(part in run.stderr for part in parts), run.stderr
    assert run.stdout == ""

    update = jenkins_jobs(server, tmp_path, "update", str(source))
    assert update.returncode == promised(wrong, "jenkins-jobs update"), update.stderr
    assert (server.home / "jobs" / name / "config.xml").read_bytes().strip() == render([source])[name].strip()

    trigger = command("trigger", name, *words, env=env)
    assert trigger.returncode == promised(wrong, "trigger"), trigger.stderr
    assert all(part in trigger.stdout for part in parts), trigger.stdout
    assert "begun" not in trigger.stdout and trigger.stdout.endswith("Finished: FAILURE\n")


@pytest.mark.parametrize("wrong", PARAMETERS)
def test_parameters_are_judged_alike_here_and_on_a_server(
    wrong: str, server: Server, name: str, source: Path, trigger_words: tuple[tuple[str, ...], dict[str, str]]
) -> None:
    arguments, message = PARAMETERS[wrong]
    words, env = trigger_words
    source.write_text(ASKING.replace("NAME", name))
    server.client().create_job(name, render([source])[name].decode())
    run, trigger = command("run", str(source), *arguments), command("trigger", name, *arguments, *words, env=env)
    assert (run.returncode, trigger.returncode) == (promised(wrong, "run"), promised(wrong, "trigger"))
    for done in (run, trigger):
        assert message in (done.stderr if done.returncode else done.stdout), done.stderr
    assert server.client().get_job_info(name)["nextBuildNumber"] == (1 if trigger.returncode else 2)


def test_a_parameter_without_a_value_is_a_slip_of_the_command_line(source: Path) -> None:
    source.write_text(ASKING)
    done = command("run", str(source), "-p", "WHO")
    assert done.returncode == 2 and "-p WHO: expected NAME=VALUE" in done.stderr
