"""The templates' shell, run for real."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sluicegate.jjb.render import render
from tests.jjb.library import FIXTURES, TEMPLATES, command
from tests.jjb.steps import Ran, Step, parse

HOSTILE = (
    "a b  c",
    'it\'s "quoted" `id` $(touch gone) ${HOME} \\ ;&|<>*?',
    "two\nlines\n",
    "$(touch gone)",
    "-rf",
    "--why=other",
    "'; touch gone; '",
    "é ☃",
)


def script(name: str, kind: str = "full") -> str:
    (content,) = render([FIXTURES / "templates" / f"{name}-{kind}.yaml"]).values()
    return command(content)


@pytest.mark.parametrize("path", sorted((TEMPLATES / "shell").glob("*.sh")), ids=lambda path: path.name)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_every_script_is_good_shell(path: Path, shell: str) -> None:
    program = shutil.which(shell)
    assert program, f"{shell} is missing"
    subprocess.run([program, "-n", str(path)], check=True)


BUTTONS = [
    (
        "approve",
        {"COMPONENT": "auth", "VERSION": "1.4.2", "TO": "staging", "ROLE": "qa", "WHY": ""},
        ["approve", "auth=1.4.2", "--to", "staging", "--as", "qa"],
    ),
    (
        "reject",
        {"COMPONENT": "auth", "VERSION": "1.4.2", "TO": "staging", "ROLE": "qa", "WHY": "OPS-12"},
        ["reject", "auth=1.4.2", "--to", "staging", "--as", "qa", "--why=OPS-12"],
    ),
    (
        "promote",
        {"COMPONENTS": "auth portal=2.0.1", "TO": "staging", "DOWNGRADE": "", "WHY": ""},
        ["promote", "auth", "portal=2.0.1", "--to", "staging"],
    ),
    (
        "promote",
        {"COMPONENTS": " auth\n*  ", "TO": "staging", "DOWNGRADE": "auth portal", "WHY": "x"},
        ["promote", "auth", "*", "--to", "staging", "--downgrade", "auth", "--downgrade", "portal", "--why=x"],
    ),
    ("swap", {"BACK": "false", "WHY": ""}, ["swap", "production"]),
    ("swap", {"BACK": "true", "WHY": "x"}, ["swap", "production", "--back", "--why=x"]),
    ("rollback", {"COMPONENT": "", "END_SESSIONS": "false", "FURTHER": "false", "WHY": ""}, ["rollback", "production"]),
    (
        "rollback",
        {"COMPONENT": "auth", "END_SESSIONS": "true", "FURTHER": "true", "WHY": "x"},
        ["rollback", "production", "auth", "--end-sessions", "--further", "--why=x"],
    ),
    ("rollout", {"STEP": "begin", "WHY": ""}, ["rollout", "production"]),
    ("rollout", {"STEP": "continue", "WHY": "x"}, ["rollout", "production", "--continue", "--why=x"]),
    ("rollout", {"STEP": "abort", "WHY": ""}, ["rollout", "production", "--abort"]),
    ("preview", {"PREVIEW": "on"}, ["swap", "production", "--preview", "on"]),
    ("balancer", {"BALANCER": "lb2", "STEP": "out", "WHY": "x"}, ["balancer", "out", "lb2", "--why=x"]),
    ("hold", {"COMPONENT": "auth", "IN": "staging", "UNTIL": "", "WHY": ""}, ["hold", "auth", "--in", "staging"]),
    (
        "hold",
        {"COMPONENT": "auth", "IN": "staging", "UNTIL": "2026-12-01", "WHY": "x"},
        ["hold", "auth", "--in", "staging", "--until", "2026-12-01", "--why=x"],
    ),
    ("unhold", {"COMPONENT": "auth", "IN": "staging", "WHY": ""}, ["unhold", "auth", "--in", "staging"]),
    ("veto", {"COMPONENT": "auth", "VERSION": "1.4.2", "IN": "", "WHY": ""}, ["veto", "auth=1.4.2"]),
    (
        "veto",
        {"COMPONENT": "auth", "VERSION": "1.4.2", "IN": "staging", "WHY": "x"},
        ["veto", "auth=1.4.2", "--in", "staging", "--why=x"],
    ),
    (
        "unveto",
        {"COMPONENT": "auth", "VERSION": "1.4.2", "IN": "staging", "WHY": ""},
        ["unveto", "auth=1.4.2", "--in", "staging"],
    ),
    ("host-out", {"HOST": "app17", "WHY": "a new disk"}, ["host", "out", "app17", "--why=a new disk"]),
    ("host-in", {"HOST": "app17", "WHY": ""}, ["host", "in", "app17"]),
    ("adopt", {"DRY_RUN": "false", "WHY": ""}, ["adopt", "production"]),
    ("adopt", {"DRY_RUN": "true", "WHY": "x"}, ["adopt", "production", "--dry-run", "--why=x"]),
]
LOOKS = [
    ("drift", {}, ["drift", "production"]),
    ("puppet-reports", {}, ["record", "reports", "--", "/srv/reports"]),
    ("parity", {"ONE": "staging", "OTHER": "production"}, ["parity", "staging", "production"]),
    ("resume", {}, ["resume"]),
]


@pytest.mark.parametrize(("name", "values", "words"), [*BUTTONS, *LOOKS])
def test_a_button_calls_sluicegate_with_its_parameters(
    name: str, values: dict[str, str], words: list[str], step: Step
) -> None:
    ran = step.run(script(name), values)
    assert (ran.code, ran.calls) == (0, [words]), ran.output


@pytest.mark.parametrize("words", [words for _, _, words in (*BUTTONS, *LOOKS)], ids=" ".join)
def test_the_command_line_takes_what_a_button_gives(words: list[str]) -> None:
    name, *rest = words
    parse(name, rest)


@pytest.mark.parametrize(("name", "parameter"), [("rollout", "STEP"), ("preview", "PREVIEW"), ("balancer", "STEP")])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_not_on_the_list_does_nothing(name: str, parameter: str, hostile: str, step: Step) -> None:
    ran = step.run(script(name), {**FULLEST[name][0], parameter: hostile})
    assert (ran.code, ran.calls) == (2, []), ran.output


FULLEST = {name: (values, words) for name, values, words in BUTTONS}
CHOSEN = ("BACK", "END_SESSIONS", "FURTHER", "DRY_RUN", "STEP", "PREVIEW")
"""What is chosen from a list."""


@pytest.mark.parametrize("name", [name for name, (values, _) in FULLEST.items() if "WHY" in values])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_reason_arrives_as_it_is(name: str, hostile: str, step: Step) -> None:
    values, words = FULLEST[name]
    ran = step.run(script(name), {**values, "WHY": hostile})
    other_words = [word for word in words if not word.startswith("--why=")]
    assert (ran.code, ran.calls) == (0, [[*other_words, f"--why={hostile}"]]), ran.output


@pytest.mark.parametrize(
    ("name", "parameter"),
    [(name, variable) for name in FULLEST for variable in FULLEST[name][0] if variable not in ("WHY", *CHOSEN)],
)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_value_is_one_operand_or_refused(name: str, parameter: str, hostile: str, step: Step) -> None:
    values, words = FULLEST[name]
    ran = step.run(script(name), {**values, parameter: hostile})
    if hostile.startswith("-"):
        assert (ran.code, ran.calls) == (2, []), ran.output
        assert "may not begin with '-'" in ran.output
        return
    if parameter == "COMPONENTS":  # a list of words is split, and nothing else
        wanted = ["promote", *hostile.split(), *words[3:]]
    elif parameter == "DOWNGRADE":
        pairs = [part for word in hostile.split() for part in ("--downgrade", word)]
        wanted = [*words[:5], *pairs, words[-1]]
    else:
        wanted = [word.replace(values[parameter], hostile) for word in words]
    assert (ran.code, ran.calls) == (0, [wanted]), ran.output


@pytest.mark.parametrize("name", ["drift", "parity", "puppet-reports"])
def test_a_difference_turns_the_build_yellow(name: str) -> None:
    (content,) = render([FIXTURES / "templates" / f"{name}-full.yaml"]).values()
    assert b"<unstableReturn>1</unstableReturn>" in content


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4])
def test_the_exit_code_of_sluicegate_is_the_steps(code: int, step: Step) -> None:
    name, values, _ = BUTTONS[0]
    assert step.run(script(name), {**values, "FAKE_EXIT": str(code)}).code == code


def test_a_step_knows_the_delivery_repo(step: Step) -> None:
    assert step.run(script("sync"), {}).calls == [["sync", "integration", "--wait"]]
    assert "SLUICEGATE_REPO=ssh://git@git/delivery.git\n" in (step.folder / "notes.env").read_text()


def git(*words: str, cwd: Path) -> None:
    subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True)


def component(folder: Path, test: str) -> None:
    """A small Python component in a Git work tree."""
    (folder / "auth").mkdir(parents=True)
    (folder / "auth" / "__init__.py").write_text("def one():\n    return 1\n")
    (folder / "VERSION").write_text("1.0\n")
    for suite in ("unit", "regression"):
        (folder / "tests" / suite).mkdir(parents=True)
        (folder / "tests" / suite / "test_one.py").write_text(test)
    git("init", "--quiet", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "-m", "one", cwd=folder)


GREEN = "import auth\n\n\ndef test_one():\n    assert auth.one() == 1\n"


def test_a_build_publishes_with_its_quality_figures(step: Step) -> None:
    component(step.folder / "workspace", GREEN)
    ran = step.run(script("build", "minimal"), {"PYTHONPATH": "."})
    assert ran.code == 0, ran.output
    (call,) = ran.calls
    assert call[:5] == ["publish", "auth=1.0.1", "out/auth-1.0.1.tar.gz", "--source", "."]
    assert call[5] == "--build-started"
    assert call[7:] == ["--figure", "tests=1", "--figure", "coverage=100", "--figure", "lint=0"]
    assert (step.folder / "workspace" / "out" / "unit.xml").exists()


def test_a_red_unit_test_publishes_nothing(step: Step) -> None:
    component(step.folder / "workspace", "def test_one():\n    assert False\n")
    ran = step.run(script("build", "minimal"), {"PYTHONPATH": "."})
    assert (ran.code, ran.calls) == (1, []), ran.output


SUITE = """import os


def test_addresses():
    assert os.environ["AUTH_URL"] == "http://127.0.0.1:8101"
    assert "JENKINS_TOKEN" not in os.environ
"""
GIVEN = {
    "COMPONENT": "auth",
    "VERSION": "1.0.1",
    "ENVIRONMENT": "integration",
    "ADDRESSES": "AUTH_URL=http://127.0.0.1:8101 PORTAL_URL=https://portal.example.com/?a=b",
    "JENKINS_TOKEN": "secret",
}


def suite(step: Step, test: str, **changed: str) -> Ran:
    source = step.folder / "source"
    component(source, test)
    archive = step.folder / "auth.tar.gz"
    subprocess.run(["tar", "--create", "--gzip", "--file", str(archive), "--directory", str(source), "."], check=True)
    return step.run(script("suite", "minimal"), {**GIVEN, "FETCHED": str(archive), **changed})


@pytest.mark.parametrize(("test", "failed"), [(SUITE, 0), ("def test_one():\n    assert False\n", 1)])
def test_a_suite_is_recorded_whether_green_or_red(test: str, failed: int, step: Step) -> None:
    ran = suite(step, test)
    assert ran.code == 0, ran.output
    words = ["--in", "integration", "--suite", "regression", "--junit", "out/report.xml"]
    assert ran.calls == [["fetch", "auth=1.0.1", "--to", "out"], ["record", "tests", "auth=1.0.1", *words]]
    assert f'failures="{failed}"' in (step.folder / "workspace" / "out" / "report.xml").read_text()


@pytest.mark.parametrize(
    "addresses",
    ["PATH=/tmp", "LD_PRELOAD=x.so", "-i", "--unset=PATH", "AUTH_URL=file:///etc/passwd", "a$(touch gone)_URL=http://x",
     "http://x", "AUTH_URL", "X=1_URL=http://x", "sh"],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_fetched(addresses: str, step: Step) -> None:
    ran = step.run(script("suite", "minimal"), {**GIVEN, "ADDRESSES": f"AUTH_URL=http://x {addresses}"})
    assert (ran.code, ran.calls) == (2, []), ran.output


def test_addresses_do_not_tell_sluicegate_of_another_build(step: Step) -> None:
    own = "http://127.0.0.1:8080/job/auth-regression/7/"
    addresses = f"{GIVEN['ADDRESSES']} BUILD_URL=http://elsewhere.example.com/job/x/1/"
    ran = suite(step, SUITE, ADDRESSES=addresses, BUILD_URL=own)
    assert ran.code == 0, ran.output
    assert f"BUILD_URL={own}\n" in (step.folder / "notes.env").read_text()
