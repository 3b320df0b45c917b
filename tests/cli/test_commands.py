"""The command line as people and job steps call it: exit codes, messages, JSON, dry runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sluicegate.cli.main import COMMANDS, MODULES, commands, run
from sluicegate.tools import door

CONFIG = """\
repositories:
  releases: {{driver: directory, path: {root}/repository}}
components:
  auth:   {{repository: releases, group: com.example}}
  portal: {{repository: releases, group: com.example, needs: [auth]}}
roles:
  qa: {{members: [olle]}}
  board: {{members: [rita]}}
hosts:
  int1: {{driver: local, folder: {root}/hosts/int1, ports: {{auth: 1, portal: 2}}}}
groups: {{int: [int1]}}
environments:
  integration:
    follow: latest
    hosts: int
    deploy: {{driver: archive}}
  paper:
    from: integration
    gates: [{{approval: {{role: qa, accept: unverified}}}}]
  board:
    from: paper
    gates: [{{approval: {{role: board}}}}]
"""


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """A delivery repo, and somebody at a terminal."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    repo: Path = field(init=False)

    def __post_init__(self) -> None:
        self.repo = self.root / "delivery.git"

    def run(self, *words: str | Path, repo: Path | str | None = None) -> Said:
        code = run(["-C", str(repo or self.repo), *map(str, words)])
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)

    def file(self, name: str, content: str) -> Path:
        path = self.root / name
        path.write_text(content)
        return path

    def publish(self, component: str = "auth", version: str = "1.0.0", content: str = "x") -> Said:
        return self.run(
            "publish", f"{component}={version}", self.file(f"{component}.tar.gz", content), "--source", self.source
        )

    @property
    def source(self) -> Path:
        folder = self.root / "source"
        if not folder.exists():
            git = ["git", "-C", str(folder), "-c", "user.name=ada", "-c", "user.email=ada@example.com"]
            subprocess.run(["git", "init", "-q", folder], check=True)
            subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
        return folder

    def tips(self) -> str:
        words = ["git", "-C", str(self.repo), "for-each-ref", "--format=%(refname) %(objectname)"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    desk = Desk(tmp_path, capsys)
    config = desk.file("config.yaml", CONFIG.format(root=tmp_path))
    assert desk.run("init", desk.repo, "--bare", "--config", config).code == 0
    (tmp_path / "repository").mkdir()
    yield desk


# help


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: sluicegate {name}")
    command = commands.get_command(None, name)  # type: ignore[arg-type]
    below = getattr(command, "commands", None)
    for words in [[name, one] for one in below] if below else [[name]]:
        assert run([*words, "--help"]) == 0
        assert f"Example: sluicegate {' '.join(words)}" in capsys.readouterr().out.replace(
            "sluicegate -C delivery", "sluicegate"
        )


def test_the_help_lists_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    for title, section in COMMANDS.items():
        assert f"{title}:" in said and all(name in said for name in section)


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Usage: sluicegate" in "".join(capsys.readouterr())


# 2: usage


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promte", "auth"], "no command is called 'promte'. Did you mean 'promote'?"),
        (["promote", "auth"], "Missing option '--to'"),
        (["promote", "auth=", "--to", "paper"], "not of the form COMPONENT or COMPONENT=VERSION"),
        (["promote", "=1", "--to", "paper"], "not of the form"),
        (["approve", "auth", "--to", "paper", "--as", "qa"], "name the version too: auth=VERSION"),
        (["status", "--jsn"], "No such option"),
        (["hold", "auth", "--in", "paper", "--until", "soon"], "'soon' does not match"),
        (["hold", "auth", "--in", "integration", "--until", "2020-01-01"], "no pin"),
        (["promote", "aut", "--to", "paper"], "no component is called 'aut'. Did you mean 'auth'?"),
        (["promote", "auth", "--to", "papr"], "no environment is called 'papr'. Did you mean 'paper'?"),
        (["approve", "auth=1.0.0", "--to", "paper", "--as", "qaa"], "no role is called 'qaa'. Did you mean 'qa'?"),
        (["veto", "auth=7"], "auth has no version '7' (newest: 1.0.0)"),
        (["resolve", "auth=2.x"], "auth has no version '2.x' (newest: 1.0.0)"),
        (["history", "autth"], "Did you mean 'auth'?"),
        (["explain", "auth=9"], "auth has no version '9'"),
        (["sync", "nowhere"], "no environment is called 'nowhere'"),
        (["deploy", "paper"], "has no 'hosts' and 'deploy'"),
        (["swap", "paper"], "paper does not swap"),
        (["rollback", "paper"], "nothing to roll"),
        (["publish", "auth=2.0.0", "/nowhere/x.zip"], "there is no file /nowhere/x.zip"),
        (["publish", "auth=latest", "/etc/hostname"], "a word for a version that moves"),
        (["publish", "auth=1.1.0", "/etc/hostname", "--figure", "x"], "expected NAME=VALUE"),
        (["record", "tests", "auth=1.0.0", "--in", "paper", "--suite", "s", "--junit", "/nowhere.xml"], "no file"),
        (["unpin", "auth", "--in", "paper"], "auth has no pin in paper"),
        (["unhold", "auth", "--in", "paper"], "auth has no pin in paper"),
    ],
)  # fmt: skip
def test_wrong_words_end_with_2_and_say_what_is_wrong(desk: Desk, words: list[str], said: str) -> None:
    desk.publish()
    before = desk.tips()
    found = desk.run(*words)
    assert (found.code, found.out) == (2, "")
    assert said in found.err and "Traceback" not in found.err
    assert desk.tips() == before


@pytest.mark.parametrize("make", ["folder", "empty", "missing", "file", "other"])
def test_a_place_that_is_no_delivery_repo_is_told(desk: Desk, make: str) -> None:
    place = desk.root / "place"
    if make == "folder":
        place.mkdir()
    elif make == "file":
        place.write_text("x")
    elif make in ("empty", "other"):
        place.mkdir()
        subprocess.run(["git", "init", "-q", place], check=True)
    if make == "other":
        who = ["-c", "user.name=x", "-c", "user.email=x@y"]
        subprocess.run(["git", "-C", place, *who, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    found = desk.run("status", repo=place)
    assert found.code == 2 and ("not a delivery repo" in found.err or "there is no folder" in found.err)
    assert "Traceback" not in found.err


def test_mistakes_in_the_configuration_are_told_all_at_once_with_their_lines(desk: Desk) -> None:
    text = (
        CONFIG.format(root=desk.root)
        .replace("needs: [auth]", "nedes: [auth]")
        .replace("driver: archive", "driver: arch")
    )
    broken = desk.file("broken.yaml", text)
    found = desk.run("init", desk.root / "other", "--config", broken)
    assert found.code == 2 and "sluicegate.yaml:5: unknown key 'nedes'. Did you mean 'needs'?" in found.err
    fine = desk.file("fine.yaml", text.replace("nedes", "needs"))
    assert desk.run("init", desk.root / "third", "--config", fine).code == 0
    found = desk.run("check", repo=desk.root / "third")
    assert found.code == 2 and "no deployer driver is called 'arch'. Did you mean 'archive'?" in found.err


def test_init_does_not_take_a_folder_that_has_something_in_it(desk: Desk) -> None:
    found = desk.run("init", desk.root)
    assert found.code == 2 and "not an empty folder" in found.err


def test_a_fresh_repo_with_the_commented_sample_is_well(desk: Desk) -> None:
    assert desk.run("init", desk.root / "sample").code == 0
    found = desk.run("check", repo=desk.root / "sample")
    assert (found.code, found.out) == (0, "all is well: 1 components, 1 environments, 0 pins\n")


# the other exit codes


def test_exit_code_3_a_refusal_with_its_reason_and_the_next_command(desk: Desk) -> None:
    desk.publish()
    found = desk.run("promote", "auth=1.0.0", "--to", "paper")
    assert found.code == 3
    assert "auth=1.0.0: approval qa: waiting" in found.err and "try: sluicegate" in found.err
    assert desk.run("approve", "auth=1.0.0", "--to", "board", "--as", "board").code == 3


def test_exit_code_4_other_content_under_a_version(desk: Desk) -> None:
    assert desk.publish().code == 0
    found = desk.publish(content="other")
    assert found.code == 4 and "try: publish the change under a new version" in found.err


def test_exit_code_5_a_host_that_is_down(desk: Desk) -> None:
    desk.publish()
    found = desk.run("sync", "integration")
    assert found.code == 5 and "the host 'int1' is down" in found.err


def test_exit_code_5_a_url_that_does_not_answer(desk: Desk) -> None:
    found = desk.run("status", repo="http://127.0.0.1:9/delivery.git")
    assert found.code == 5 and "could not be fetched" in found.err


def test_exit_code_6_a_changed_file(desk: Desk) -> None:
    desk.publish()
    (stored,) = (desk.root / "repository").rglob("auth-1.0.0.tar.gz")
    stored.chmod(0o644)
    stored.write_text("evil")
    assert desk.run("fetch", "auth=1.0.0", "--to", desk.root / "out").code == 6
    assert list((desk.root / "out").glob("*.gz")) == []


def test_exit_code_7_partly_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from sluicegate.deployers import archive
    from sluicegate.errors import SluicegateError

    desk.publish()
    desk.publish("portal")
    (desk.root / "hosts" / "int1").mkdir(parents=True)

    def install(self: object, host: object, component: Any, release: object) -> None:
        if component.name == "portal":
            raise SluicegateError("portal does not start")

    monkeypatch.setattr(archive.ArchiveDeployer, "install", install)
    found = desk.run("sync", "integration")
    assert found.code == 7
    assert "portal does not start\n  done: int1: auth - -> 1.0.0" in found.err


def test_exit_code_1_what_failed_otherwise(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from sluicegate.deployers import archive
    from sluicegate.errors import SluicegateError

    desk.publish()
    (desk.root / "hosts" / "int1").mkdir(parents=True)

    def install(self: object, host: object, component: Any, release: object) -> None:
        raise SluicegateError("auth does not start")

    monkeypatch.setattr(archive.ArchiveDeployer, "install", install)
    found = desk.run("sync", "integration")
    assert (found.code, "auth does not start" in found.err) == (1, True)
    assert desk.run("resume").out == "nothing is open\n"


def test_exit_code_70_a_bug_of_ours_is_called_one(desk: Desk) -> None:
    def broken(name: str) -> None:
        raise ZeroDivisionError("oops")

    door.watcher = broken
    found = desk.run("status")
    assert found.code == 70 and "this is a bug of sluicegate: ZeroDivisionError: oops" in found.err


# JSON


def test_json_of_every_command_that_has_it_parses_and_has_its_keys(desk: Desk) -> None:
    path = desk.file("auth.tar.gz", "x")
    found = desk.run("publish", "auth=1.0.0", path, "--source", desk.source, "--figure", "coverage=87", "--json").json
    assert set(found) == {"component", "version", "manifest", "existed", "artifacts", "addresses"}
    assert found["artifacts"][0].keys() == {"name", "size", "sha256"}
    assert desk.run("resolve", "auth", "--json").json == {
        "component": "auth", "version": "1.0.0", "manifest": found["manifest"],
    }  # fmt: skip
    fetched = desk.run("fetch", "auth", "--to", desk.root / "out", "--json").json
    assert (
        fetched.keys() == {"component", "version", "manifest", "files"} and Path(fetched["files"][0]).read_text() == "x"
    )
    assert desk.run("check", "--json").json == {"components": 2, "environments": 3, "pins": 0}
    status = desk.run("status", "--json").json
    assert status.keys() == {"environments", "components"}
    assert status["environments"][0].keys() == {"name", "group", "set", "locked"}
    assert status["components"][0].keys() == {"name", "newest", "environments"}
    assert status["components"][0]["environments"]["paper"].keys() == {"pin", "effective", "marks"}
    explained = desk.run("explain", "auth", "--to", "paper", "--json").json
    assert explained.keys() == {"component", "version", "target", "runs_in", "arrived", "next", "verdicts"}
    assert explained["verdicts"][0].keys() == {"gate", "state", "reason", "who_can_help", "command", "since"}
    (entry,) = desk.run("history", "auth", "--json").json
    assert {"subject", "at", "what", "id", "after", "by"} <= entry.keys() and entry["figures"] == {"coverage": "87"}
    assert entry["author"] == "ada" and len(entry["commit"]) == 40
    flow = desk.run("flow", "auth", "--json").json
    assert flow.keys() == {"component", "version", "environment", "total", "objective", "bottleneck", "stages"}
    (desk.root / "hosts" / "int1").mkdir(parents=True)
    desk.run("pin", "auth=1.0.0", "--in", "integration")
    plan = desk.run("deploy", "integration", "--dry-run", "--json").json
    assert plan["steps"] == [{"host": "int1", "component": "auth", "before": "", "after": "1.0.0"}]


# dry runs


def test_a_dry_run_of_any_command_changes_nothing(desk: Desk) -> None:
    desk.publish()
    desk.publish(version="1.1.0")
    desk.run("pin", "auth=1.0.0", "--in", "paper")
    (desk.root / "hosts" / "int1").mkdir(parents=True)
    before = desk.tips(), sorted(desk.root.rglob("repository/**/*")), sorted((desk.root / "hosts").rglob("*"))
    report = desk.file("r.xml", "<testsuite><testcase name='a'/></testsuite>")
    for words in (
        ["publish", "auth=2.0.0", desk.file("auth.tar.gz", "y")],
        ["approve", "auth=1.1.0", "--to", "paper", "--as", "qa"],
        ["reject", "auth=1.1.0", "--to", "paper", "--as", "qa"],
        ["veto", "auth=1.1.0"],
        ["unveto", "auth=1.1.0"],
        ["pin", "auth=1.1.0", "--in", "paper"],
        ["unpin", "auth", "--in", "paper"],
        ["hold", "auth", "--in", "paper", "--until", "2099-01-01"],
        ["sync", "integration"],
        ["resume"],
    ):
        found = desk.run(*words, "--dry-run")
        assert found.code == 0, found.err
        assert (
            desk.tips(), sorted(desk.root.rglob("repository/**/*")), sorted((desk.root / "hosts").rglob("*"))
        ) == before, words  # fmt: skip
    desk.run("approve", "auth=1.1.0", "--to", "paper", "--as", "qa")
    before_promote = desk.tips()
    assert desk.run("promote", "auth=1.1.0", "--to", "paper", "--dry-run").code in (0, 3)
    assert desk.tips() == before_promote
    found = desk.run(
        "record", "tests", "auth=1.0.0", "--in", "integration", "--suite", "s", "--junit", report, "--dry-run"
    )
    assert found.code == 2 and "not deployed" in found.err
    assert desk.tips() == before_promote


# pipes and surroundings


def piped(
    desk: Desk, *words: str, env: dict[str, str] | None = None, shell: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sluicegate", "-C", str(desk.repo), *words]
    full = {**os.environ, **(env or {})}
    if shell:
        return subprocess.run(
            ["bash", "-c", f'"$@" {shell}', "bash", *command], env=full, capture_output=True, text=True, check=False
        )
    return subprocess.run(command, env=full, capture_output=True, text=True, check=False)


def test_a_reader_that_goes_away_is_no_traceback(desk: Desk) -> None:
    for number in range(3):
        desk.publish(version=f"1.{number}.0")
    found = piped(desk, "history", "--json", shell="| head -c 5")
    assert "Traceback" not in found.stderr and "Exception" not in found.stderr and "BrokenPipe" not in found.stderr
    closed = piped(desk, "status", shell=">&-")
    assert "Traceback" not in closed.stderr


def test_colours_vanish_in_pipes_and_messages_stay(desk: Desk) -> None:
    desk.publish()
    for words in (["status"], ["explain", "auth", "--to", "paper"], ["promote", "auth=1.0.0", "--to", "paper"]):
        found = piped(desk, *words)
        assert "\x1b" not in found.stdout + found.stderr and found.stdout + found.stderr


def test_without_git_it_says_what_to_install(desk: Desk) -> None:
    found = piped(desk, "status", env={"PATH": str(desk.root)})
    assert found.returncode == 2 and "the program 'git' was not found on PATH" in found.stderr
    assert "apt install git" in found.stderr and "Traceback" not in found.stderr


def test_who_git_does_not_know_is_told_what_to_do(desk: Desk) -> None:
    nobody = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.useConfigOnly"}
    desk.publish()
    found = piped(desk, "veto", "auth=1.0.0", env={**nobody, "GIT_CONFIG_VALUE_0": "true"})
    assert found.returncode == 2 and "git config --global user.name" in found.stderr


def test_the_version_is_said_and_the_variable_names_the_repo(desk: Desk) -> None:
    said = subprocess.run([sys.executable, "-m", "sluicegate", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("sluicegate 0.")
    words = [sys.executable, "-m", "sluicegate", "status"]
    env = {**os.environ, "SLUICEGATE_REPO": str(desk.repo)}
    assert "auth" in subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout


def test_a_clone_of_the_delivery_repo_is_as_good_as_the_repo(desk: Desk) -> None:
    clone = desk.root / "clone"
    subprocess.run(["git", "clone", "-q", desk.repo, clone], check=True, capture_output=True)
    desk.publish()
    assert desk.run("veto", "auth=1.0.0", repo=clone / "environments").code == 0
    assert "vetoed" in desk.run("history", "auth").out
