"""Programs of somebody else: what they read, and what their answers mean."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sluicegate.deployers.command import CommandDeployer
from sluicegate.errors import ConfigError, Malformed, RemoteUnavailable, SluicegateError
from sluicegate.hosts.local import LocalHost
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE
from sluicegate.model.settings import Plain
from sluicegate.ports import Engine, Host, Wanted
from tests import programs
from tests.parts import CONFIG, no_host, settings

WANTED: Wanted = {"auth": None, "portal": Release(component="portal", version="2.10", manifest="")}


def python(code: str, *more: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *more)


def host(folder: Path, name: str = "int1") -> LocalHost:
    (folder / name).mkdir()
    return LocalHost(name=name, folder=folder / name, ports={})


def deployer(apply: tuple[str, ...], survey: str = "{}", **more: Plain) -> CommandDeployer:
    values: dict[str, Plain] = {"apply": apply, "survey": ("echo", survey), **more}
    return CommandDeployer.configure("int", settings(**values), CONFIG, no_host)  # type: ignore[return-value]


def test_a_program_reads_what_is_wanted_and_finds_it_among_its_words_too(tmp_path: Path) -> None:
    note = "import sys; open('noted', 'w').write(repr(sys.argv[1:]) + sys.stdin.read())"
    there = deployer(python(note, "{environment}", "{host}", "{versions}"), '{"portal": "2.10"}')
    machine = host(tmp_path)
    assert there.apply(machine, WANTED, "i1") == {"auth": DONE, "portal": DONE}
    words, wish = (tmp_path / "int1/noted").read_text().split("]", 1)
    assert words == "['int', 'int1', 'auth=', 'portal=2.10'"
    assert json.loads(wish) == {
        "environment": "int", "components": ["auth", "portal"], "host": "int1", "versions": {"portal": "2.10"},
        "files": {"portal": []}, "remove": ["auth"],
    }  # fmt: skip


def test_a_program_that_ends_well_and_did_nothing_is_not_believed(tmp_path: Path) -> None:
    machine, idle = host(tmp_path), deployer(("true",))
    outcomes = idle.apply(machine, WANTED, "i1")
    assert (outcomes["auth"].ending, outcomes["portal"].ending) == ("done", "failed")
    assert "has portal - after the change, expected 2.10" in outcomes["portal"].why


def test_the_last_words_of_a_program_that_fails_are_told_and_what_it_changed_does_not_count(tmp_path: Path) -> None:
    machine = host(tmp_path)
    broken = deployer(("sh", "-c", "echo starting; echo no space left >&2; exit 3"), '{"portal": "2.10"}')
    outcome = broken.apply(machine, WANTED, "i1")["portal"]
    assert (outcome.ending, "sh ended with status 3: no space left" in outcome.why) == ("failed", True)
    assert broken.survey(machine) == {}


@pytest.mark.parametrize("answer", ["", "auth 1.0", "[]", '{"auth": 1.10}', '{"auth": {"version": "1"}}'])
def test_a_survey_that_is_no_answer_is_told(tmp_path: Path, answer: str) -> None:
    with pytest.raises(Malformed, match=r"int1: echo printed what is no answer"):
        deployer(("true",), answer).survey(host(tmp_path))


def test_a_check_refuses_in_its_own_words(tmp_path: Path) -> None:
    machine = host(tmp_path)
    assert deployer(("true",), check=("sh", "-c", "echo not on a Friday; exit 1")).refusals(machine, WANTED) == (
        "int1: not on a Friday",
    )
    assert deployer(("true",), check=("true",)).refusals(machine, WANTED) == ()


def test_a_program_that_hangs_is_timed_out(tmp_path: Path) -> None:
    assert deployer(("sleep", "60"), limit="0.2 s").apply(host(tmp_path), WANTED, "i1")["portal"].ending == "timed out"


def together(folder: Path, answers: str, status: int = 0, **more: Plain) -> Engine:
    """One that prints the answers, whatever it is asked."""
    survey = '{"app1": {"portal": "2.10"}, "app2": {"portal": "2.10"}, "app3": {}}'
    engine = deployer(("sh", "-c", f"cat > asked; echo '{answers}'; exit {status}"), survey, runs="once", **more)
    assert isinstance(engine, Engine)
    return engine


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Host]:
    monkeypatch.chdir(tmp_path)
    return [host(tmp_path, name) for name in ("app1", "app2", "app3")]


def ended(engine: Engine, fleet: list[Host]) -> list[str]:
    outcomes = engine.apply_all([(host, WANTED) for host in fleet], "i1")
    return [outcomes[host.name]["portal"].ending for host in fleet]


def test_one_program_for_all_hosts_answers_for_each(tmp_path: Path, fleet: list[Host]) -> None:
    answers = '{"app1": {}, "app2": "unreachable: no route", "app3": "the disk is full"}'
    assert ended(together(tmp_path, answers), fleet) == ["done", "unreachable", "failed"]
    assert list(json.loads((tmp_path / "asked").read_text())["hosts"]) == ["app1", "app2", "app3"]
    answers = '{"app1": "timed out: 30 s", "app2": "not started", "app3": {}}'
    assert ended(together(tmp_path, answers, 1), fleet) == ["timed out", "not started", "failed"]


@pytest.mark.parametrize(
    ("answers", "status", "endings"),
    [
        ('{"app1": {}}', 0, ["done", "failed", "failed"]),
        ('{"app1": {}, "app2": {}, "app3": {}}', 1, ["failed", "failed", "failed"]),
        ("it went well", 0, ["failed", "failed", "failed"]),
        ("", 0, ["failed", "failed", "failed"]),
        ('{"app1": true, "app2": {}, "app3": []}', 0, ["failed", "done", "failed"]),
    ],
)
def test_a_host_of_which_nothing_good_is_said_is_not_done(
    tmp_path: Path, fleet: list[Host], answers: str, status: int, endings: list[str]
) -> None:
    assert ended(together(tmp_path, answers, status), fleet) == endings


def test_a_host_that_nobody_reaches_stops_no_other_one(tmp_path: Path, fleet: list[Host]) -> None:
    (tmp_path / "app2").rename(tmp_path / "unplugged")
    engine = together(tmp_path, '{"app1": {}, "app3": {}}')
    there = engine.survey_all(fleet)
    assert isinstance(there["app2"], RemoteUnavailable) and not isinstance(there["app1"], SluicegateError)
    assert ended(engine, fleet) == ["done", "unreachable", "failed"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"apply": ()}, "'apply' is missing"),
        ({"runs": "twice"}, "expected one of: on-host, once"),
        ({"runs": "once", "root": "true"}, "'root' is for a program on the hosts"),
        ({"runs": "once", "apply": ("x", "{host}")}, "is for a program that runs on each host"),
        ({"apply": ("x", "--all={versions}")}, "stands alone"),
        ({"survey": ("x", "{versions}")}, "in 'apply' and 'check' only"),
        ({"aply": ("x",)}, "unknown key 'aply'"),
    ],
)
def test_a_wrong_setting_is_a_mistake_of_the_configuration(wrong: dict[str, Plain], message: str) -> None:
    values: dict[str, Plain] = {"apply": ("x",), "survey": ("y",), **wrong}
    with pytest.raises(ConfigError, match=message):
        CommandDeployer.configure("int", settings(**values), CONFIG, no_host)


def test_the_programs_of_the_tests_do_as_they_are_asked(tmp_path: Path) -> None:
    machine = host(tmp_path)
    theirs = programs.programs(tmp_path / "programs")
    there = CommandDeployer.configure("int", settings(**programs.on_host(theirs)), CONFIG, no_host)
    assert there.apply(machine, WANTED, "i1") == {"auth": DONE, "portal": DONE}
    assert there.survey(machine)["portal"].version == "2.10"
