"""The job templates: what they use of Jenkins, and what their shell makes of hostile values."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sluicegate.jjb import render

DEMO = Path(__file__).parent.parent.parent / "jobs" / "demo.yaml"
CORE = {
    "hudson.tasks.Shell",
    "hudson.tasks.junit.JUnitResultArchiver",
    "hudson.tasks.ArtifactArchiver",
    "hudson.tasks.BuildTrigger",
    "hudson.triggers.SCMTrigger",
    "org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper",
}
PARTS = ("builders", "publishers", "triggers", "buildWrappers")
HARM = "x'\"; touch harm; $(touch harm) `touch harm`\nnext"
FAKE = '#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done > argv\n'


@pytest.fixture(scope="module")
def jobs() -> dict[str, ElementTree.Element]:
    return {name: ElementTree.fromstring(content) for name, content in render.jobs(DEMO).items()}


def shell(job: ElementTree.Element) -> str:
    return job.findtext("builders/hudson.tasks.Shell/command") or ""


def press(job: ElementTree.Element, folder: Path, **values: str) -> tuple[int, list[str]]:
    """Run a button's shell with a `sluicegate` that writes down its arguments."""
    binary = folder / "sluicegate"
    binary.write_text(FAKE)
    binary.chmod(0o755)
    names = [one.text or "" for one in job.iterfind("properties/*/parameterDefinitions/*/name")]
    environment = dict.fromkeys(names, "") | values | {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-xe", "-c", shell(job)], cwd=folder, env=environment, check=False, capture_output=True
    )
    argv = folder / "argv"
    return done.returncode, argv.read_text().split("\0")[:-1] if argv.exists() else []


def test_the_templates_use_core_jenkins_git_junit_and_credentials_only(jobs: dict[str, ElementTree.Element]) -> None:
    for job in jobs.values():
        used = {
            step.tag
            for part in ("builders", "publishers", "triggers", "buildWrappers")
            for step in job.iterfind(f"{part}/*")
        }
        assert used <= CORE
        assert job.find("scm").get("class") in ("hudson.scm.NullSCM", "hudson.plugins.git.GitSCM")  # type: ignore[union-attr]


def test_every_shell_step_is_well_formed(jobs: dict[str, ElementTree.Element]) -> None:
    for name, job in jobs.items():
        assert subprocess.run(["sh", "-n", "-c", shell(job)], check=False).returncode == 0, name


def test_a_refusal_is_yellow_in_every_button(jobs: dict[str, ElementTree.Element]) -> None:
    for name in ("approve", "promote", "swap-production", "rollback-production", "veto", "staging-sync"):
        assert jobs[name].findtext("builders/hudson.tasks.Shell/unstableReturn") == "3"


@pytest.mark.parametrize(
    ("button", "values", "argv"),
    [
        (
            "approve",
            {"COMPONENT": "auth", "VERSION": "1.0", "TO": "staging", "ROLE": "qa", "WHY": HARM},
            ["approve", "auth=1.0", "--to", "staging", "--as", "qa", f"--why={HARM}"],
        ),
        ("swap-production", {"BACK": "true"}, ["swap", "production", "--back"]),
        ("rollback-production", {"COMPONENT": "", "END_SESSIONS": "false"}, ["rollback", "production"]),
        (
            "promote",
            {"COMPONENTS": "auth portal=2.0.1", "TO": "staging", "WHY": "-x"},
            ["promote", "auth", "portal=2.0.1", "--to", "staging", "--why=-x"],
        ),
        ("veto", {"COMPONENT": "auth", "VERSION": HARM}, ["veto", f"auth={HARM}"]),
    ],
)
def test_values_reach_the_command_as_they_were_typed(
    jobs: dict[str, ElementTree.Element], tmp_path: Path, button: str, values: dict[str, str], argv: list[str]
) -> None:
    assert press(jobs[button], tmp_path, **values) == (0, argv)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("button", ["approve", "promote", "hold", "veto"])
def test_a_value_that_looks_like_an_option_is_refused(
    jobs: dict[str, ElementTree.Element], tmp_path: Path, button: str
) -> None:
    first = "COMPONENTS" if button == "promote" else "COMPONENT"
    assert press(jobs[button], tmp_path, **{first: "--help"}) == (2, [])


def test_every_template_is_in_the_readme() -> None:
    page = (render.templates() / "README.md").read_text()
    for path in render.templates().glob("*.yaml"):
        for name in re.findall(r"^    id: (\S+)$", path.read_text(), re.MULTILINE):
            assert f"`{name}`" in page, name


def test_jenkins_jobs_takes_the_templates_as_a_user_types_it(tmp_path: Path) -> None:
    program = shutil.which("jenkins-jobs") or str(Path(render.__file__).parents[3] / ".venv" / "bin" / "jenkins-jobs")
    words = [program, "test", f"{render.templates()}:{DEMO}", "-o", str(tmp_path), "--config-xml"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "approve" / "config.xml").is_file()
