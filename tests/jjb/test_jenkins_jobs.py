"""The ordinary `jenkins-jobs` command with our templates, and what both say about bad YAML."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from jenkins_jobs.cli.entry import main as jenkins_jobs

from sluicegate.cli.main import run
from sluicegate.errors import ConfigError, UsageError
from sluicegate.jjb.render import render, templates
from sluicegate.runner import local
from tests.jjb.library import ROOT, TEMPLATES

BINARIES = Path(sys.executable).parent
PROJECT = "- project:\n    name: mine\n    component: auth\n    git: /srv/git/auth.git\n    delivery-repo: /srv/d.git\n"


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A line as a user types it."""
    env = {"PATH": f"{BINARIES}:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
    return subprocess.run(["sh", "-c", line], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def test_the_documented_command_renders_what_we_render(tmp_path: Path) -> None:
    assert 'jenkins-jobs test   "$(sluicegate jobs path):jobs"' in (TEMPLATES / "README.md").read_text()
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    done = shell('jenkins-jobs test "$(sluicegate jobs path):jobs" --config-xml -o out', tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    theirs = {path.parent.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("config.xml")}
    assert theirs == render([ROOT / "jobs"])


def test_our_own_commands_render_and_check_the_examples(tmp_path: Path) -> None:
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    done = shell("sluicegate jobs check && sluicegate jobs render --to out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all is well: 17 jobs" in done.stdout
    assert (tmp_path / "out" / "swap-production.xml").read_bytes() == render([ROOT / "jobs"])["swap-production"]


def test_the_runner_understands_every_job_of_the_examples() -> None:
    for name, content in render([ROOT / "jobs"]).items():
        assert any("sluicegate" in line or "shell" in line.lower() for line in local.plan(content, {})), name


def test_a_users_global_defaults_stay_theirs(tmp_path: Path) -> None:
    source = tmp_path / "jobs.yaml"
    source.write_text(
        "- defaults:\n    name: global\n    delivery-repo: /srv/theirs.git\n    logrotate: {daysToKeep: 7}\n"
        "- project:\n    name: mine\n    environment: integration\n    jobs: [sluicegate-sync]\n"
    )
    assert b"SLUICEGATE_REPO='/srv/theirs.git'" in render([source])["integration-sync"]


def test_extra_templates_and_folders_are_taken(tmp_path: Path) -> None:
    extra, jobs = tmp_path / "extra", tmp_path / "jobs"
    extra.mkdir(), jobs.mkdir()
    (extra / "more.yml").write_text("- job-template: {name: '{component}-more', id: more, folder: team}\n")
    (jobs / "a.yaml").write_text(f"{PROJECT}    jobs: [sluicegate-build, more]\n")
    (jobs / "notes.txt").write_text("not YAML")
    assert sorted(render([jobs], [extra])) == ["auth-build", "team/auth-more"]


BAD = {
    "a missing variable": (
        "- project:\n    name: mine\n    component: auth\n    git: /g\n    jobs: [sluicegate-build]\n",
        r"jobs\.yaml:1:3: In project 'mine'",
        r"build\.yaml:\d+:\d+: .*Missing parameter: 'delivery-repo'",
    ),
    "an unknown template": (f"{PROJECT}    jobs: [sluicegate-bild]\n", r"jobs\.yaml:6:12: .*named 'sluicegate-bild'"),
    "an unknown top": ("- jib:\n    name: x\n", r"jobs\.yaml:1:3: Unknown topmost element type : 'jib'"),
    "a wrong value": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-sync:\n"
        "          environments: [a]\n          wait: maybe\n",
        r"jobs\.yaml:4:9: In builder 'sluicegate-sync'",
        r"jobs\.yaml:6:17: 'maybe' is an invalid value for attribute builder\.sluicegate-sync\.wait",
    ),
    "an unknown key": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-promote: {version: a, to: b}\n",
        r"jobs\.yaml:4:39: 'a' is an invalid value for attribute builder\.sluicegate-promote\.version",
    ),
    "an option for a value": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-promote: {versions: [a, --dry-run], to: b}\n",
        r"jobs\.yaml:4:40: '--dry-run' is an invalid value",
    ),
    "a missing key": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-publish: {component: a}\n",
        r"jobs\.yaml:4:9: In builder 'sluicegate-publish'",
        r"Missing files from an instance of 'builder\.sluicegate-publish'",
    ),
    "no variable": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-resolve: {component: a, file: f, variable: A B}\n",
        r"jobs\.yaml:4:63: 'A B' is an invalid value for attribute builder\.sluicegate-resolve\.variable",
    ),
    "no folder": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-fetch: {component: a}\n",
        r"jobs\.yaml:4:9: In builder 'sluicegate-fetch'",
        r"Missing to from an instance of 'builder\.sluicegate-fetch'",
    ),
    "two versions": (
        "- job:\n    name: x\n    builders:\n"
        "      - sluicegate-fetch: {component: a, to: d, version: 1.x, version-from: f}\n",
        r"jobs\.yaml:4:77: 'f' is an invalid value for attribute builder\.sluicegate-fetch\.version-from",
    ),
    "no yes or no": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-fetch: {component: a, to: d, verify: often}\n",
        r"jobs\.yaml:4:57: 'often' is an invalid value for attribute builder\.sluicegate-fetch\.verify",
        r"Valid values include: 'True', 'False'",
    ),
    "no mapping": (
        "- job:\n    name: x\n    builders:\n      - sluicegate-sync: integration\n",
        r"jobs\.yaml:4:9: In builder 'sluicegate-sync'",
        r"Expected a mapping with environments, wait, delivery-repo, but found: 'integration'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_yaml_is_placed_by_jenkins_jobs_and_by_us_alike(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both programs in this process, for each takes a second to begin; the next test starts them."""
    text, *patterns = BAD[name]
    source = tmp_path / "jobs.yaml"
    source.write_text(text)
    monkeypatch.setattr(sys, "argv", ["jenkins-jobs", "test", f"{templates()}:{source}"])
    with pytest.raises(SystemExit, match=r"^1$"):
        jenkins_jobs()
    theirs = capsys.readouterr().err
    assert run(["jobs", "check", str(source)]) == 2
    ours = capsys.readouterr().err
    for stderr in (theirs, ours):
        for pattern in patterns:
            assert re.search(pattern, stderr), stderr


def test_bad_yaml_ends_both_programs_without_a_trace(tmp_path: Path) -> None:
    text, *patterns = BAD["a wrong value"]
    (tmp_path / "jobs.yaml").write_text(text)
    theirs = shell('jenkins-jobs test "$(sluicegate jobs path):jobs.yaml"', tmp_path)
    ours = shell("sluicegate jobs check jobs.yaml", tmp_path)
    assert (theirs.returncode, ours.returncode) == (1, 2), theirs.stderr + ours.stderr
    for stderr in (theirs.stderr, ours.stderr):
        for pattern in patterns:
            assert re.search(pattern, stderr), stderr
    assert "Traceback" not in theirs.stderr + ours.stderr


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    for index, (text, *_) in enumerate(BAD.values()):
        (tmp_path / f"{index}.yaml").write_text(
            text.replace("name: mine", f"name: p{index}").replace(": x", f": x{index}")
        )
    (tmp_path / "syntax.yaml").write_text("- job:\n    name: [\n")
    with pytest.raises(ConfigError) as caught:
        render([tmp_path])
    assert len(caught.value.mistakes) == len(BAD) + 1
    for index in range(len(BAD)):
        assert f"{index}.yaml:" in caught.value.message
    assert re.search(r"syntax\.yaml:3:1: while parsing a flow node", caught.value.message)


def test_a_module_by_its_bare_name_is_placed_by_its_job(tmp_path: Path) -> None:
    """jenkins-job-builder 6.5 itself ends with a trace here."""
    source = tmp_path / "jobs.yaml"
    source.write_text("- job:\n    name: x\n    builders:\n      - sluicegate-sync\n")
    with pytest.raises(ConfigError) as caught:
        render([source])
    assert re.search(r"jobs\.yaml:1:3: In job 'x'", caught.value.message)
    assert "Missing environments" in caught.value.message


def test_a_value_without_quotes_that_is_no_text_is_placed_by_its_job(tmp_path: Path) -> None:
    """jenkins-job-builder 6.5 itself ends with a trace here too."""
    source = tmp_path / "jobs.yaml"
    source.write_text("- job:\n    name: x\n    parameters: [persistent-bool: {name: ON}]\n")
    with pytest.raises(ConfigError) as caught:
        render([source])
    assert re.search(r"jobs\.yaml:1:3: In job 'x'", caught.value.message)
    assert "<name> would hold True, which is no text: quote it" in caught.value.message


def test_two_jobs_of_one_name_are_a_mistake_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{PROJECT}    jobs: [sluicegate-build]\n")
    (tmp_path / "b.yaml").write_text("- job:\n    name: auth-build\n")
    with pytest.raises(ConfigError) as caught:
        render([tmp_path])
    assert "Duplicate job: 'auth-build'" in caught.value.message
    assert "a.yaml:1:3" in caught.value.message and "b.yaml:1:3" in caught.value.message


def test_a_job_name_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("- job:\n    name: ../../gone\n")
    done = shell("sluicegate jobs render jobs.yaml --to one/two", tmp_path)
    assert done.returncode == 2
    assert not list(tmp_path.rglob("gone*"))


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        render([tmp_path / "nowhere"])


def test_the_templates_travel_with_the_package() -> None:
    assert {path.name for path in templates().glob("*.yaml")} >= {
        "build.yaml",
        "sync.yaml",
        "tests.yaml",
        "buttons.yaml",
    }
    assert (templates() / "README.md").exists() and (templates() / "shell" / "build.sh").exists()
