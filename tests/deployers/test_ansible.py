"""What a run of playbooks says of each host; the runs are real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sluicegate.deployers.ansible import AnsibleDeployer, results
from sluicegate.deployers.ansible.results import Run
from sluicegate.errors import ConfigError, Malformed, MissingProgram, SluicegateError, TimedOut, UsageError
from sluicegate.hosts.local import LocalHost
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, NOT_STARTED, Outcome
from sluicegate.model.settings import Plain
from sluicegate.model.values import Installed
from sluicegate.ports import Engine, Host, Wanted
from tests import programs
from tests.parts import CONFIG, no_host, settings, write

NAMES = ("app1", "app2", "app3", "app4")
WANTED: Wanted = {"portal": Release(component="portal", version="2.10", manifest="")}
TASKS = """
- hosts: {hosts}
  gather_facts: false
  {more}
  tasks:
    - name: what may fail
      ansible.builtin.raw: test {{{{ inventory_hostname }}}} != app3
      ignore_errors: true
    - name: what is mended
      block: [{{name: break, ansible.builtin.raw: "test {{{{ inventory_hostname }}}} != app4"}}]
      rescue: [{{name: mend, ansible.builtin.raw: "true"}}]
    - name: the disk
      ansible.builtin.raw: test {{{{ inventory_hostname }}}} != app2 || (echo the disk is full >&2; exit 1)
    - name: write
      ansible.builtin.raw: printf %s {{{{ sluicegate_versions.portal }}}} > {{{{ sluicegate.folder }}}}/portal.version
    - name: restart
      ansible.builtin.raw: "true"
"""


class Fleet:
    """Hosts that are folders, and a deployer for them."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES) -> None:
        self.folder = folder
        self.folders = {name: folder / name for name in names}
        for place in self.folders.values():
            place.mkdir()
        self.hosts = [LocalHost(name=name, folder=place, ports={}) for name, place in self.folders.items()]
        self.theirs = programs.programs(folder / "playbooks")

    def deployer(self, playbook: str = programs.DEPLOY, **more: Plain) -> AnsibleDeployer:
        write(self.theirs, {"deploy.yml": playbook})
        config = programs.with_hosts(self.folders, {"apps": (*self.folders,)})
        return AnsibleDeployer.configure(
            "staging", settings(**programs.playbooks(self.theirs, **more)), config, no_host
        )

    def apply(self, deployer: AnsibleDeployer) -> dict[str, Outcome]:
        work: list[tuple[Host, Wanted]] = [(host, WANTED) for host in self.hosts]
        return {name: outcomes["portal"] for name, outcomes in deployer.apply_all(work, "i1").items()}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def endings(outcomes: Mapping[str, Outcome]) -> list[str]:
    return [outcome.ending for outcome in outcomes.values()]


def test_failed_ignored_and_mended_are_told_apart_and_one_run_serves_all_hosts(fleet: Fleet) -> None:
    deployer = fleet.deployer(TASKS.format(hosts="all", more=""))
    assert isinstance(deployer, Engine)
    outcomes = fleet.apply(deployer)
    assert endings(outcomes) == ["done", "failed", "done", "done"]
    assert "the host 'app2': the disk: " in outcomes["app2"].why and "the disk is full" in outcomes["app2"].why
    assert outcomes["app1"].remark == ""
    assert "ignored: what may fail: " in outcomes["app3"].remark and "ignored: break: " in outcomes["app4"].remark
    there = deployer.survey_all(fleet.hosts)
    assert {name: dict(answer) for name, answer in there.items() if not isinstance(answer, SluicegateError)} == {
        "app1": {"portal": Installed(version="2.10")}, "app2": {},
        "app3": {"portal": Installed(version="2.10")}, "app4": {"portal": Installed(version="2.10")},
    }  # fmt: skip


def test_a_host_that_was_cut_off_because_others_failed_is_not_done(fleet: Fleet) -> None:
    """Ansible's own summary counts no failure for such a host."""
    outcomes = fleet.apply(fleet.deployer(TASKS.format(hosts="all", more="any_errors_fatal: true")))
    assert endings(outcomes) == ["failed"] * 4
    assert "cut off after the task 'the disk', as others failed" in outcomes["app1"].why


def test_hosts_that_a_serial_play_did_not_come_to_are_not_started(fleet: Fleet) -> None:
    deployer = fleet.deployer(TASKS.format(hosts="app2:app1:app3:app4", more="serial: 1\n  order: inventory"))
    order = [fleet.hosts[1], fleet.hosts[0], *fleet.hosts[2:]]
    outcomes = deployer.apply_all([(host, WANTED) for host in order], "i1")
    assert outcomes["app2"]["portal"].ending == "failed"
    assert [outcomes[name]["portal"].ending for name in ("app3", "app4")] == ["not started"] * 2


def test_a_playbook_that_is_not_for_a_host_says_so_though_ansible_ends_well(fleet: Fleet) -> None:
    outcomes = fleet.apply(fleet.deployer(TASKS.format(hosts="app1:app9", more="")))
    assert endings(outcomes) == ["done", "failed", "failed", "failed"]
    assert "deploy.yml has no task for the host 'app3'" in outcomes["app3"].why


def test_a_playbook_that_cannot_be_read_changes_nothing_and_is_told_in_ansible_s_words(fleet: Fleet) -> None:
    outcomes = fleet.apply(fleet.deployer("- hosts: all\n  tasks: [{no_such_module: {}}]\n"))
    assert endings(outcomes) == ["failed"] * 4
    assert "no_such_module" in outcomes["app1"].why


def test_check_mode_refuses_before_anything_is_changed_where_the_playbook_promises_it(fleet: Fleet) -> None:
    playbook = (
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - {name: room, ansible.builtin.assert: {that: inventory_hostname != 'app2', fail_msg: no room left}}\n"
        "    - {name: write, ansible.builtin.file: {path: '{{ sluicegate.folder }}/it', state: touch}}\n"
    )
    work: list[tuple[Host, Wanted]] = [(host, WANTED) for host in fleet.hosts]
    refusals = fleet.deployer(playbook).refusals_all(work)
    assert [name for name, reasons in refusals.items() if reasons] == ["app2"]
    assert refusals["app2"] == ("app2: the host 'app2': room: no room left",)
    assert not list(fleet.folder.glob("*/it"))
    assert set(fleet.deployer(playbook, check="false").refusals_all(work).values()) == {()}


def test_a_run_that_hangs_is_ended_and_each_host_timed_out(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, ("app1",))
    sleeping = "- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.raw: sleep 600}]\n"
    outcomes = fleet.apply(fleet.deployer(sleeping, limit="4 s"))
    assert endings(outcomes) == ["timed out"]


@pytest.mark.parametrize(
    ("survey", "message"),
    [
        ("[{ansible.builtin.raw: 'true'}]", "set no fact 'sluicegate_installed'"),
        ("[{ansible.builtin.set_fact: {sluicegate_installed: {auth: 1.10}}}]", "expected a text: quote it"),
        ("[{ansible.builtin.set_fact: {sluicegate_installed: [auth]}}]", "expected an object"),
    ],
)
def test_a_survey_that_says_nothing_of_use_is_told(tmp_path: Path, survey: str, message: str) -> None:
    fleet = Fleet(tmp_path, ("app1",))
    write(fleet.theirs, {"survey.yml": f"- hosts: all\n  gather_facts: false\n  tasks: {survey}\n"})
    with pytest.raises(Malformed, match=message):
        fleet.deployer().survey(fleet.hosts[0])


def test_what_a_playbook_hides_is_not_told(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, ("app1",))
    secret = "{name: log in, ansible.builtin.raw: 'echo secret >&2; exit 1', no_log: true}"
    outcomes = fleet.apply(fleet.deployer(f"- hosts: all\n  gather_facts: false\n  tasks: [{secret}]\n"))
    assert "hidden (no_log)" in outcomes["app1"].why and "secret" not in outcomes["app1"].why


def line(host: str, what: str, task: str = "a task", **more: object) -> bytes:
    return json.dumps({"what": what, "host": host, "task": task, **more}).encode() + b"\n"


def run(failure: SluicegateError | None = None) -> Run:
    return Run(playbooks=["deploy.yml"], survey="", components=["auth"], failure=failure)


def test_a_line_that_was_cut_off_says_nothing() -> None:
    lines = line("a", "ok") + line("a", "ok", results.END)[:-12]
    ended = run(TimedOut("too long")).judged(lines, ["a"])["a"].outcome
    assert ended.ending == "timed out"


def test_an_unreachable_host_and_one_that_hangs_then_are_told_apart() -> None:
    lines = line("a", "unreachable", why="no route") + line("b", "ok")
    said_by_host = run(TimedOut("too long")).judged(lines, ["a", "b", "c"])
    assert endings({name: host_said.outcome for name, host_said in said_by_host.items()}) == [
        "unreachable",
        "timed out",
        "timed out",
    ]


def test_a_host_that_was_unreachable_for_a_task_that_ignores_it_is_done() -> None:
    lines = line("a", "unreachable", why="no route") + line("a", "ok") + line("a", "ok", results.END)
    outcome = run().judged(lines, ["a"])["a"].outcome
    assert outcome == DONE and outcome.remark == "ignored: a task: no route"


def test_a_status_that_nothing_explains_is_believed() -> None:
    lines = line("a", "ok") + line("a", "ok", results.END)
    assert run(SluicegateError("status 250")).judged(lines, ["a"])["a"].outcome.why == "status 250"
    blamed = lines + line("b", "failed", why="full")
    assert run(SluicegateError("status 2")).judged(blamed, ["a", "b", "c"])["c"].outcome == NOT_STARTED
    assert run(SluicegateError("status 2")).judged(blamed, ["a", "b"])["a"].outcome == DONE


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"playbook": "-x.yml"}, "'playbook' is '-x.yml'"),
        ({"playbook": "deploy"}, "expected a playbook such as deploy.yml"),
        ({"survey": None}, "the key 'survey' is missing"),
        ({"options": ("--limit=all",)}, "'--limit=all', which is ours to give"),
        ({"options": ("--ask-pass",)}, "ours to give"),
        ({"playbok": "x.yml"}, "unknown key 'playbok'"),
    ],
)
def test_a_wrong_setting_is_a_mistake_of_the_configuration(wrong: dict[str, Plain], message: str) -> None:
    values = {"playbook": "deploy.yml", "survey": "survey.yml", **wrong}
    with pytest.raises(ConfigError, match=message):
        AnsibleDeployer.configure(
            "int", settings(**{k: v for k, v in values.items() if v is not None}), CONFIG, no_host
        )


def test_a_playbook_that_is_not_there_and_a_name_of_host_and_group_are_refused(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, ("apps",))
    with pytest.raises(UsageError, match="'apps' is a host and a group"):
        fleet.deployer().survey(fleet.hosts[0])
    without_survey = Fleet(tmp_path / "playbooks", ("app1",))
    (without_survey.theirs / "survey.yml").unlink()
    with pytest.raises(UsageError, match=r"there is no .*survey\.yml"):
        without_survey.deployer().survey(without_survey.hosts[0])


def test_without_ansible_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(tmp_path, ("app1",))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    write(fleet.folders["app1"], {"unproven/x": ""})
    with pytest.raises(MissingProgram) as problem:
        fleet.deployer().ask(fleet.hosts)  # type: ignore[arg-type]
    assert "[ansible]" in problem.value.hint
