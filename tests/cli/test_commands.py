"""The command line as people and job steps meet it: words, exit codes, one clear sentence, JSON, dry runs, pipes."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sluicegate import errors
from sluicegate.cli.main import MODULES, run
from sluicegate.tools import process
from sluicegate.tools.supervisor import Supervisor
from tests.cli.test_shapes import ANSWERS, misfit
from tests.parts import app_files, free_port, tar

CONFIG = """\
repositories:
  releases: {{driver: directory, path: {root}/releases}}
components:
  auth: {{repository: releases, group: com.example}}
  portal: {{repository: releases, group: com.example, needs: [auth]}}
roles:
  qa: {{members: [olle]}}
  release-manager: {{members: [rita]}}
hosts:
  int1: {{driver: local, folder: {root}/hosts/int1, ports: {{auth: {auth}, portal: {portal}}}}}
groups:
  int: [int1]
environments:
  integration: {{follow: latest, hosts: int, deploy: {{driver: archive}}}}
  staging:
    from: integration
    gates: [{{tests: {{suite: regression}}}}, {{approval: {{role: qa, accept: unverified}}}}]
  production: {{from: staging}}
"""
JUNIT = '<testsuite><testcase name="a"/><testcase name="b"/></testsuite>'
UNSIGNED = (
    "a copied line of the ledger counts: records are not signed (evidence: {signed-by: FILE}, docs/how-to/trust.md)"
)


@dataclass
class Said:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


@dataclass
class Shop:
    """A delivery repo with one host."""

    root: Path
    capture: pytest.CaptureFixture[str] | None = None
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def repo(self) -> Path:
        return self.root / "delivery.git"

    def __call__(self, *words: str | Path, at: str | Path | None = None) -> Said:
        assert self.capture is not None
        self.capture.readouterr()
        code = run(["-C", str(at or self.repo), *map(str, words)])
        captured = self.capture.readouterr()
        return Said(code=code, out=captured.out, err=captured.err)

    def archive(self, component: str, version: str) -> Path:
        path = self.root / f"{component}-{version}.tar.gz"
        if not path.exists():
            tar(path, app_files(json.dumps({"version": version})))
        return path

    def tips(self) -> str:
        words = ["git", "-C", self.repo, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def file(self, path: str) -> str:
        return self.git("show", f"main:{path}") + "\n"

    def set_file(self, path: str, content: str) -> None:
        """A commit to `main` by hand."""
        blob = self.git("hash-object", "-w", "--stdin", stdin=content)
        env = {**os.environ, "GIT_INDEX_FILE": str(self.root / "index")}
        self.git("read-tree", "main", env=env)
        self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        commit = self.git("commit-tree", "-p", "main", "-m", f"Edit {path}", self.git("write-tree", env=env))
        self.git("update-ref", "refs/heads/main", commit)

    def git(self, *words: str, stdin: str = "", env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", self.repo, *words], input=stdin, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


def shut_down(shop: Shop) -> None:
    Supervisor(shop.root / "hosts/int1").shutdown()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """auth and portal 1.0.0 and 1.1.0 are published, 1.1.0 runs in integration; tested, not approved."""
    root = tmp_path_factory.mktemp("shop")
    shop = Shop(root=root, ports={"auth": free_port(), "portal": free_port()})
    (root / "hosts" / "int1").mkdir(parents=True)
    (root / "sluicegate.yaml").write_text(CONFIG.format(root=root, **shop.ports))
    (root / "junit.xml").write_text(JUNIT)
    here = ["-C", str(shop.repo)]
    assert run(["init", str(shop.repo), "--bare", "--config", str(root / "sluicegate.yaml")]) == 0
    try:
        for version in ("1.0.0", "1.1.0"):
            for component in ("auth", "portal"):
                assert run([*here, "publish", f"{component}={version}", str(shop.archive(component, version))]) == 0
        assert run([*here, "sync", "integration"]) == 0
        words = ["--in", "integration", "--suite", "regression", "--junit", str(root / "junit.xml")]
        assert run([*here, "record", "tests", "auth=1.1.0", *words]) == 0
        yield shop
    finally:
        shut_down(shop)


@pytest.fixture
def shop(deployed: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Shop:
    """A delivery repo of the test's own; the host and the repository are shared."""
    deployed.capture = None
    own = Shop(root=tmp_path / "shop", capture=capsys, ports=deployed.ports)
    own.root.mkdir()
    shutil.copytree(deployed.repo, own.repo)
    shutil.copy(deployed.root / "junit.xml", own.root)
    return own


def refused(outcome: Said, code: int, *words: str) -> None:
    """The exit code, one clear sentence on stderr (and a hint), nothing on stdout, no traceback."""
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err, outcome.err
    if code != 3:
        lines = [line for line in outcome.err.splitlines() if not line.startswith(("Usage:", "Try ", "  try:"))]
        assert len([line for line in lines if line.strip()]) == 1, outcome.err


# Help and wrong words


@pytest.mark.parametrize("words", [[], *([name] for name in MODULES), ["record", "tests"]])
def test_every_command_has_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "--help"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"Usage: {' '.join(['sluicegate', *words])}")
    assert "Example: sluicegate" in captured.out or words == ["record"]
    assert captured.err == ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["stats"], "Did you mean 'status'?"),
        (["frobnicate"], "no command is called 'frobnicate'"),
        (["status", "--jsn"], "No such option"),
        (["status", "extra"], "unexpected extra argument"),
        (["promote", "auth"], "Missing option '--to'"),
        (["promote", "--to", "staging"], "Missing argument"),
        (["pin", "auth", "--in", "integration"], "name the version too"),
        (["pin", "auth=", "--in", "integration"], "not of the form"),
        (["pin", "=1", "--in", "integration"], "not of the form"),
        (["approve", "auth=1.1.0", "--to", "staging"], "Missing option '--as'"),
        (["hold", "auth", "--in", "integration", "--until", "tomorrow"], "does not match the format"),
        (["hold", "auth", "--in", "integration", "--until", "2020-01-01"], "is in the past"),
        (["publish", "auth=1.2.0", "missing.tar.gz"], "there is no file missing.tar.gz"),
        (["publish", "auth=1.2.0", "--figure", "coverage", "f"], "expected NAME=VALUE"),
        (["history", "-n", "many"], "not a valid integer"),
        (["record", "test"], "No such command 'test'"),
    ],
)
def test_wrong_words_are_usage_errors_with_one_sentence(shop: Shop, words: list[str], hint: str) -> None:
    before = shop.tips()
    refused(shop(*words), 2, hint)
    assert shop.tips() == before


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["resolve", "auht"], "Did you mean 'auth'?"),
        (["resolve", "auth=9.x"], "auth has no version '9.x' (newest: 1.0.0, 1.1.0)"),
        (["resolve", "auth=>=1,<"], "is not a range"),
        (["resolve", "auth=>=latest"], "is a word for a version that moves"),
        (["explain", "auth=7.7.7", "--to", "staging"], "auth has no version '7.7.7'"),
        (["explain", "auth", "--to", "stagin"], "Did you mean 'staging'?"),
        (["flow", "auth=7.7.7"], "auth has no version '7.7.7'"),
        (["history", "nowhere"], "no component or environment is called 'nowhere'"),
        (["pin", "auth=7.7.7", "--in", "integration"], "auth has no version '7.7.7'"),
        (["pin", "auth=1.0.0", "--in", "intgration"], "Did you mean 'integration'?"),
        (["unpin", "auth", "--in", "staging"], "auth has no pin in staging"),
        (["unpin", "auht", "--in", "staging"], "Did you mean 'auth'?"),
        (["hold", "auht", "--in", "staging"], "Did you mean 'auth'?"),
        (["unhold", "auth", "--in", "integration"], "auth is not held in integration"),
        (["promote", "auth=7.7.7", "--to", "staging"], "auth has no version '7.7.7'"),
        (["promote", "auth", "--to", "nowhere"], "nowhere"),
        (["promote", "auth", "--to", "integration"], "nothing flows into integration"),
        (["approve", "auth=1.1.0", "--to", "staging", "--as", "qq"], "'qq'"),
        (["veto", "auth=7.7.7"], "auth has no version '7.7.7'"),
        (["veto", "auth=1.1.0", "--in", "nowhere"], "nowhere"),
        (["sync", "nowhere"], "nowhere"),
        (["sync", "staging"], "has no 'hosts' and 'deploy'"),
        (["deploy", "nowhere"], "nowhere"),
        (["swap", "integration"], "does not swap with anything"),
        (["rollback", "nowhere"], "nowhere"),
        (["rollback", "integration", "auht"], "Did you mean 'auth'?"),
        (["publish", "auth=latest", "@"], "is a word for a version that moves"),
        (["publish", "auth=../1", "@"], "is not a version"),
        (["publish", "auth=one", "@"], "is not a version that semver can order"),
        (["publish", "auht=1.2.0", "@"], "Did you mean 'auth'?"),
        (["fetch", "auth=7.7.7", "--to", "@to"], "auth has no version '7.7.7'"),
        (["record", "tests", "auth=1.0.0", "--in", "integration", "--suite", "s", "--junit", "@to"], "no report"),
        (["record", "tests", "auth=1.0.0", "b=2", "--in", "integration", "--suite", "s", "--junit", "@"], "one COMP"),
    ],
)
def test_unknown_names_and_versions_are_usage_errors_that_change_nothing(
    shop: Shop, words: list[str], hint: str
) -> None:
    before = shop.tips()
    archive = str(shop.archive("auth", "1.2.0"))
    arguments = [archive if word == "@" else str(shop.root / "to") if word == "@to" else word for word in words]
    refused(shop(*arguments), 2, archive if hint == "@" else hint)
    assert shop.tips() == before


def test_a_test_run_of_what_is_not_deployed_is_refused(shop: Shop) -> None:
    words = ["--in", "integration", "--suite", "regression", "--junit", shop.root / "junit.xml"]
    refused(shop("record", "tests", "auth=1.0.0", *words), 2, "is not deployed in integration (it has 1.1.0)")


@pytest.mark.parametrize("way", ["as a shell's pattern gives them", "before the version", "folder", "pattern"])
def test_reports_are_named_as_people_name_them(shop: Shop, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    folder = shop.root / "target"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "TEST-a.xml").write_text(JUNIT)
    (folder / "TEST-b.xml").write_text('<testsuite><testcase name="c" status="notrun"/></testsuite>')
    (folder / "TEST-c=1.xml").touch()
    before = ["record", "tests", "--in", "integration", "--suite", "regression"]
    files = sorted(path.name for path in folder.iterdir())
    words = {
        "as a shell's pattern gives them": [*before, "auth=1.1.0", "--junit", *files],
        "before the version": [*before, "--junit", *files, "auth=1.1.0"],
        "folder": [*before, "auth=1.1.0", "--junit", str(folder)],
        "pattern": [*before, "auth=1.1.0", "--junit", "**/TEST-*.xml"],
    }
    outcome = shop(*words[way])
    assert outcome.code == 0, outcome.err
    assert "2 passed, 1 failed, 1 did not run" in outcome.out
    assert "TEST-c=1.xml is empty" in outcome.out
    explained = shop("explain", "auth=1.1.0", "--to", "staging")
    assert "1 of 3 tests failed, 1 did not run" in explained.out


def test_tests_that_nobody_ran_open_no_gate(shop: Shop) -> None:
    report = shop.root / "off.xml"
    report.write_text('<testsuites><testsuite><testcase name="a" result="suppressed"/></testsuite></testsuites>')
    words = ["--in", "integration", "--suite", "regression", "--junit", report]
    assert shop("record", "tests", "auth=1.1.0", *words).code == 0
    explained = shop("explain", "auth=1.1.0", "--to", "staging")
    assert "0 tests passed, 1 did not run, at least 1 wanted" in explained.out


# The surroundings


@pytest.mark.parametrize("through", ["itself", "a clone"])
def test_a_default_branch_of_another_name_is_named(shop: Shop, tmp_path: Path, through: str) -> None:
    shop.git("branch", "-m", "main", "develop")
    shop.git("symbolic-ref", "HEAD", "refs/heads/develop")
    place = shop.repo
    if through == "a clone":
        place = tmp_path / "clone"
        subprocess.run(["git", "clone", "-q", shop.repo, place], check=True)
    refused(shop("status", at=place), 2, "it lacks the branch 'main' (its default branch is develop)")


def test_a_clone_whose_remote_has_another_name_says_so(shop: Shop, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", "-o", "upstream", shop.repo, tmp_path / "clone"], check=True)
    refused(shop("status", at=tmp_path / "clone"), 2, "its remote 'origin'; this one has only upstream")


def test_a_place_that_is_no_delivery_repo_is_named_with_a_way_out(shop: Shop, tmp_path: Path) -> None:
    plain, empty, unpushed = tmp_path / "plain", tmp_path / "empty.git", tmp_path / "work"
    plain.mkdir()
    subprocess.run(["git", "init", "-q", "--bare", empty], check=True)
    subprocess.run(["git", "init", "-q", unpushed], check=True)
    (unpushed / "file").touch()
    subprocess.run(["git", "-C", unpushed, "add", "."], check=True)
    subprocess.run(["git", "-C", unpushed, "commit", "-q", "-m", "x"], check=True)
    for place, hint in (
        (tmp_path / "none", "there is no folder"),
        (plain, "not a Git repository"),
        (empty, "is not a delivery repo: it lacks the branch 'main'"),
        (unpushed, "is not a delivery repo"),
        (shop.archive("auth", "1.0.0"), "there is no folder"),
        ("", ""),
    ):
        for words in (["status"], ["check"], ["hold", "auth", "--in", "integration"]):
            if place:
                refused(shop(*words, at=place), 2, hint)
                assert "  try: " in shop(*words, at=place).err


def test_a_fresh_repo_with_the_commented_sample_is_well(shop: Shop) -> None:
    sample = shop.root / "sample"
    assert shop("init", sample).code == 0
    lines = shop("check", at=sample).out.splitlines()
    assert lines[:2] == ["the files are well: 1 component, 1 environment, 0 pins", UNSIGNED]
    assert [line.split(" of the ")[1] for line in lines[2:]] == [
        "host int1 is not on this machine: mkdir -p /srv/hosts/int1",
        "repository releases is not on this machine: mkdir -p /srv/releases",
    ]
    refused(shop("init", sample), 2, "not an empty folder")


def test_a_clone_of_the_delivery_repo_is_as_good_as_the_repo(shop: Shop) -> None:
    clone = shop.root / "clone"
    subprocess.run(["git", "clone", "-q", shop.repo, clone], check=True)
    assert shop("veto", "auth=1.0.0", at=clone / "environments").code == 0
    assert "vetoed" in shop("history", "auth").out


def test_a_bare_clone_is_a_delivery_repo_of_its_own_and_a_clone_of_that_writes_to_it(shop: Shop) -> None:
    shared, clone = shop.root / "shared.git", shop.root / "clone"
    subprocess.run(["git", "clone", "-q", "--bare", shop.repo, shared], check=True)
    subprocess.run(["git", "clone", "-q", shared, clone], check=True)
    assert shop("veto", "auth=1.0.0", at=clone).code == 0
    assert "vetoed" in shop("history", "auth", at=shared).out
    assert "vetoed" not in shop("history", "auth").out


def test_who_acts_is_the_git_user_of_the_clone_that_one_works_in(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    clone = shop.root / "rita"
    subprocess.run(["git", "clone", "-q", shop.repo, clone], check=True)
    for key in ("name", "email"):
        subprocess.run(["git", "-C", clone, "config", f"user.{key}", "rita"], check=True)
    assert shop("veto", "auth=1.0.0", at=clone).code == 0
    assert "rita (unverified)" in shop("history", "auth").out


def test_a_host_of_ssh_settings_needs_no_user_before_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")
    refused(shop("status", at=Path("somehost:delivery.git")), 5, "somehost:delivery.git could not be fetched")


def test_a_folder_that_cannot_be_made_is_a_usage_error(shop: Shop) -> None:
    refused(shop("fetch", "auth=1.0.0", "--to", "/proc/x"), 2, "the folder /proc/x cannot be made")
    refused(shop("fetch", "auth=1.0.0", "--to", "/proc"), 2, "the folder /proc cannot be written")


@pytest.mark.parametrize("start", ["", "host:", "https://127.0.0.1:1/"])
def test_a_location_that_is_too_long_is_no_bug(shop: Shop, start: str) -> None:
    outcome = shop("status", at=f"{start}{'a' * 300}")
    assert outcome.code in (2, 5) and "Traceback" not in outcome.err


def test_a_repository_that_is_not_mounted_is_remote(shop: Shop, deployed: Shop) -> None:
    releases, elsewhere = deployed.root / "releases", deployed.root / "elsewhere"
    releases.rename(elsewhere)
    try:
        for words in (["verify", "auth=1.0.0"], ["fetch", "auth=1.0.0", "--to", shop.root / "there"]):
            refused(shop(*words), 5, "is not there", "is it mounted?")
    finally:
        elsewhere.rename(releases)


def test_a_package_of_an_extra_that_is_missing_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith(("sluicegate.web", "starlette"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "starlette", None)
    refused(
        shop("serve", "--home", shop.root / "jenkins"),
        2,
        "needs the package starlette",
        "pip install '",
        "[runner,jobs]'",
    )


def test_without_git_one_line_says_what_to_install(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(shop.root))
    for words in (["status"], ["hold", "auth", "--in", "integration"], ["sync", "integration"]):
        refused(shop(*words), 2, "the program 'git' was not found on PATH", "apt install git")
    refused(shop("init", shop.root / "new"), 2, "the program 'git' was not found on PATH")
    refused(shop("publish", "auth=1.2.0", shop.archive("auth", "1.2.0")), 2, "apt install git")


def test_git_that_does_not_know_who_we_are_says_how_to_tell_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(shop.root))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    refused(shop("hold", "auth", "--in", "integration"), 2, "Git does not know who you are", "user.email")
    assert shop("status").code == 0


def test_a_host_that_is_down_is_remote_and_nothing_is_changed(shop: Shop, tmp_path: Path) -> None:
    config = shop.git("show", "main:sluicegate.yaml")
    shop.set_file("sluicegate.yaml", re.sub(r"folder: \S+,", f"folder: {tmp_path}/gone,", config))
    before = shop.tips()
    for words in (["deploy", "integration"], ["sync", "integration"], ["deploy", "integration", "--dry-run"]):
        refused(shop(*words), 5, "the host 'int1' is down", "  try: ")
    assert shop.tips() == before


def test_a_busy_port_is_named_and_the_failure_is_on_record(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        port = neighbour.getsockname()[1]
        config = shop.git("show", "main:sluicegate.yaml").replace(f"auth: {shop.ports['auth']},", f"auth: {port},")
        shop.set_file("sluicegate.yaml", re.sub(r"folder: \S+,", f"folder: {folder},", config))
        try:
            outcome = shop("deploy", "integration")
        finally:
            Supervisor(folder).shutdown()
    assert outcome.code == 2, outcome
    assert f"port {port} on 127.0.0.1 is in use by another program" in outcome.err
    assert "Traceback" not in outcome.err
    entries = json.loads(shop("history", "integration", "--json").out)
    assert [entry["what"] for entry in entries[:2]] == ["failed", "intent"]
    assert shop("resume").out == "nothing is open\n"


# Exit codes


def test_a_promotion_is_refused_with_every_reason_and_changes_nothing(shop: Shop) -> None:
    before = shop.tips()
    outcome = shop("promote", "auth", "--to", "staging")
    refused(
        outcome, 3, "promoting auth=1.1.0 to staging is refused", "no approval in the role 'qa'", "who can help: olle"
    )
    refused(shop("promote", "portal", "--to", "staging"), 3, "tests regression: waiting")
    refused(shop("approve", "auth=1.1.0", "--to", "staging", "--as", "release-manager"), 3, "members: rita")
    assert shop.tips() == before


def test_a_version_lowered_by_promotion_is_refused_unless_said_openly(shop: Shop) -> None:
    shop.set_file("environments/staging.yaml", "auth: 1.1.0\n")
    before = shop.tips()
    outcome = shop("promote", "auth=1.0.0", "--to", "staging")
    refused(outcome, 3, "auth=1.0.0 is lower than 1.1.0, which staging has", "--downgrade auth")
    assert shop.tips() == before


def test_a_promotion_that_passes_ends_with_0_and_moves_the_pin(shop: Shop) -> None:
    assert shop("approve", "auth=1.1.0", "--to", "staging", "--as", "qa").code == 0
    outcome = shop("promote", "auth", "--to", "staging")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "promoted auth - -> 1.1.0 in staging\n"
    assert "auth: 1.1.0" in shop.git("show", "main:environments/staging.yaml")


def test_a_held_pin_and_a_vetoed_version_are_refused(shop: Shop) -> None:
    assert shop("hold", "auth", "--in", "integration", "--why", "the fair").code == 0
    outcome = shop("pin", "auth=1.0.0", "--in", "integration")
    refused(outcome, 3, "auth is held at 1.1.0 in integration by olle: the fair", "unhold auth")


def test_other_content_under_the_same_version_is_a_conflict(shop: Shop) -> None:
    before = shop.tips()
    changed_file = tar(shop.root / "auth-1.1.0.tar.gz", {"Procfile": "web: true\n"})
    refused(shop("publish", "auth=1.1.0", changed_file), 4, "is published with other content", "under a new version")
    assert shop.tips() == before


def test_a_locked_environment_is_a_conflict_that_names_who(shop: Shop, deployed: Shop) -> None:
    line = {
        "id": "f00d", "after": "", "at": "2026-11-23T09:00:00.000000Z", "what": "intent", "verb": "deploy",
        "host": process.machine(), "pid": os.getppid(), "target": {}, "group": "int",
        "by": {"user": "anna", "source": "git:anna", "verified": False},
    }  # fmt: skip
    path = shop.git("ls-tree", "-r", "--name-only", "ledger", "environments/integration/").split()[-1]
    content = shop.git("show", f"ledger:{path}") + "\n" + json.dumps(line) + "\n"
    blob = shop.git("hash-object", "-w", "--stdin", stdin=content)
    env = {**os.environ, "GIT_INDEX_FILE": str(shop.root / "index")}
    shop.git("read-tree", "ledger", env=env)
    shop.git("update-index", "--cacheinfo", f"100644,{blob},{path}", env=env)
    commit = shop.git("commit-tree", "-p", "ledger", "-m", "x", shop.git("write-tree", env=env))
    shop.git("update-ref", "refs/heads/ledger", commit)
    before = shop.tips()
    refused(
        shop("sync", "integration"), 4, "integration is locked: 'deploy' by anna since 2026-11-23 09:00:00", "resume"
    )
    assert shop.tips() == before
    assert "integration is locked" in shop("status").out


def test_a_changed_artifact_is_an_integrity_error(shop: Shop, deployed: Shop) -> None:
    place = deployed.root / "releases/com/example/auth/1.0.0/auth-1.0.0.tar.gz"
    good = place.read_bytes()
    place.chmod(0o644)
    place.write_bytes(good + b"!")
    try:
        outcome = shop("fetch", "auth=1.0.0", "--to", shop.root / "to")
        refused(outcome, 6, "SHA-256")
        assert list((shop.root / "to").iterdir()) == []
    finally:
        place.write_bytes(good)


def test_every_exit_code_of_the_error_tree_is_returned(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[type[errors.SluicegateError]] = [errors.SluicegateError]
    for kind in kinds:
        kinds += [below for below in kind.__subclasses__() if below.__module__ == errors.__name__]
    documented = {int(code) for code in re.findall(r"(?m)^[ |`-]*\w+ +(\d) ", errors.__doc__ or "")}
    assert documented == {kind.exit_code for kind in kinds} == {1, 2, 3, 4, 5, 6, 7}
    for kind in kinds:
        problem = kind(["what"], hint="do") if kind is errors.ConfigError else kind("what", hint="do")  # type: ignore[arg-type]

        def fail(*_: object, problem: errors.SluicegateError = problem) -> None:
            raise problem

        monkeypatch.setattr("sluicegate.delivery.answers.remembered.remembered_status", fail)
        outcome = shop("status")
        assert (outcome.code, outcome.out) == (kind.exit_code, "")
        assert outcome.err == "sluicegate: what\n  try: do\n"


def test_a_bug_is_70_with_a_traceback_for_us(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError("no such luck")

    monkeypatch.setattr("sluicegate.delivery.answers.remembered.remembered_status", fail)
    outcome = shop("status")
    assert outcome.code == 70
    assert outcome.err.endswith("sluicegate: this is a bug of sluicegate: LookupError: no such luck\n")


# JSON

READS = {
    "status": ["status"],
    "history": ["history"],
    "history of auth": ["history", "auth"],
    "explain": ["explain", "auth", "--to", "staging"],
    "flow": ["flow", "auth"],
    "diff": ["diff", "integration", "staging"],
    "resolve": ["resolve", "auth=1.x"],
    "search": ["search", "auth"],
    "show": ["show", "auth=1.0.0"],
    "verify": ["verify", "auth=1.0.0"],
    "check": ["check"],
    "fetch": ["fetch", "auth=1.0.0", "--to", "@to"],
    "deploy": ["deploy", "integration", "--dry-run"],
    "publish": ["publish", "auth=1.1.0", "@", "--dry-run"],
    "prune": ["prune", "auth", "--keep", "1", "--dry-run"],
    "drift": ["drift", "integration"],
    "upgrade": ["upgrade", "--dry-run"],
}


@pytest.mark.parametrize("case", sorted(READS))
def test_json_of_a_command_has_its_keys_and_nothing_else_on_stdout(shop: Shop, deployed: Shop, case: str) -> None:
    words = READS[case]
    paths = {"@": str(deployed.archive("auth", "1.1.0")), "@to": str(shop.root / "to")}
    before = shop.tips()
    outcome = shop(*(paths.get(word, word) for word in words), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    answer = json.loads(outcome.out)
    assert answer
    assert misfit(answer, ANSWERS[words[0]]) == ""
    assert shop.tips() == before


def test_every_read_command_has_json() -> None:
    for name in ("status", "history", "explain", "flow", "resolve", "check", "fetch"):
        assert any(words[0] == name for words in READS.values())


# Dry runs

WRITES = {
    "publish": ["publish", "auth=1.2.0", "@"],
    "approve": ["approve", "auth=1.1.0", "--to", "staging", "--as", "qa"],
    "reject": ["reject", "auth=1.1.0", "--to", "staging", "--as", "qa"],
    "pin": ["pin", "auth=1.0.0", "--in", "integration"],
    "unpin": ["unpin", "auth", "--in", "integration"],
    "hold": ["hold", "auth", "--in", "integration"],
    "unhold": ["unhold", "portal", "--in", "integration"],
    "veto": ["veto", "auth=1.1.0"],
    "unveto": ["unveto", "portal=1.0.0"],
    "promote": ["promote", "auth", "--to", "staging"],
    "sync": ["sync", "integration"],
    "deploy": ["deploy", "integration"],
    "rollback": ["rollback", "integration", "auth"],
    "resume": ["resume"],
    "record tests": ["record", "tests", "auth=1.1.0", "--in", "integration", "--suite", "smoke", "--junit", "@junit"],
    "prune": ["prune", "auth", "--keep", "1"],
}


@pytest.fixture
def moved(shop: Shop, deployed: Shop) -> Shop:
    """Something is to be done for every command: a hold, an approval, an older pin to deploy."""
    assert shop("hold", "portal", "--in", "integration").code == 0
    assert shop("veto", "portal=1.0.0").code == 0
    assert shop("approve", "auth=1.1.0", "--to", "staging", "--as", "qa").code == 0
    return shop


@pytest.mark.parametrize("name", sorted(WRITES))
def test_a_dry_run_changes_nothing(moved: Shop, deployed: Shop, name: str) -> None:
    paths = {"@": str(moved.archive("auth", "1.2.0")), "@junit": str(moved.root / "junit.xml")}
    words = [paths.get(word, word) for word in WRITES[name]]
    if name == "rollback":
        moved.set_file("environments/integration.yaml", "auth: 1.0.0\nportal: 1.1.0\n")
    before, files = moved.tips(), files_of(deployed)
    outcome = moved(*words, "--dry-run")
    assert (outcome.code, outcome.err) == (0, ""), outcome
    assert outcome.out
    assert moved.tips() == before
    assert files_of(deployed) == files


def files_of(shop: Shop) -> dict[str, tuple[int, int]]:
    """What the repository and the host hold, but logs."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for folder in ("releases", "hosts/int1/apps")
        for path in (shop.root / folder).rglob("*")
        if path.is_file()
    }


def test_every_write_command_has_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    reads = {
        "status",
        "history",
        "explain",
        "flow",
        "resolve",
        "check",
        "fetch",
        "search",
        "show",
        "verify",
        "balancer",
        "diff",
        "drift",
        "parity",
        "completion",
        "puppet",
    }
    runner = {"jobs", "serve", "run", "trigger"}
    groups = {"host": ("host out", "host in"), "record": ("record tests",)}
    elsewhere = {"swap", "copy", "adopt", "rollout", "upgrade", *groups["host"]}  # their own tests do it
    below = {name for names in groups.values() for name in names}
    for name in (set(MODULES) - reads - runner - {"init", "demo"} - set(groups)) | below:
        assert run([*name.split(), "--help"]) == 0
        assert "--dry-run" in capsys.readouterr().out, name
        assert name in WRITES or name in elsewhere


# Pipes and terminals


def program(shop: Shop, line: str) -> subprocess.CompletedProcess[str]:
    """A shell line with the real program as $S."""
    env = {**os.environ, "S": f"{sys.executable} -m sluicegate -C {shop.repo}"}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", ["history", "history --json", "status", "--help", "explain auth"])
def test_a_reader_that_leaves_early_sees_no_traceback(shop: Shop, words: str) -> None:
    for reader in ("head -1", "true"):
        done = program(shop, f"$S {words} | {reader}")
        assert done.returncode in (0, 141)
        assert done.stderr == ""


def test_a_sync_whose_reader_left_goes_on_to_its_end(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    folder.mkdir()
    config = shop.git("show", "main:sluicegate.yaml")
    shop.set_file(
        "sluicegate.yaml",
        re.sub(r"folder: \S+,", f"folder: {folder},", config).replace(
            f"auth: {shop.ports['auth']}, portal: {shop.ports['portal']}", f"auth: {free_port()}, portal: {free_port()}"
        ),
    )
    try:
        program(shop, "$S deploy integration | true")
        assert shop("resume").out == "nothing is open\n"
        assert shop("deploy", "integration").out == "integration: nothing to do\n"
    finally:
        Supervisor(folder).shutdown()


def test_a_program_of_its_own_ends_with_the_same_codes(shop: Shop) -> None:
    assert program(shop, "$S status").returncode == 0
    assert program(shop, "$S stats").returncode == 2
    assert program(shop, "$S promote auth --to staging").returncode == 3
    assert program(shop, "$S -C /nowhere status").returncode == 2
    assert program(shop, "SLUICEGATE_REPO=/nowhere $S status").returncode == 0


def test_the_repo_comes_from_the_environment_or_the_current_folder(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shop.root)
    assert run(["status"]) == 2
    monkeypatch.setenv("SLUICEGATE_REPO", str(shop.repo))
    assert run(["status"]) == 0
    monkeypatch.delenv("SLUICEGATE_REPO")
    monkeypatch.chdir(shop.repo)
    assert run(["status"]) == 0


@pytest.mark.parametrize(
    "words", ["status", "history", "explain auth --to staging", "promote auth --to staging", "stats"]
)
def test_no_colour_codes_go_into_pipes(shop: Shop, words: str) -> None:
    done = program(shop, f"$S {words}")
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(("wish", "coloured"), [("", True), ("NO_COLOR=1 ", False)])
def test_a_terminal_has_colours_unless_they_are_not_wanted(shop: Shop, wish: str, coloured: bool) -> None:
    here, there = os.openpty()
    line = f"{wish}{sys.executable} -m sluicegate -C {shop.repo} {{}}"
    for words in ("status", "resolve nothing"):
        subprocess.run(["bash", "-c", line.format(words)], stdout=there, stderr=there, check=False)
        assert (b"\x1b" in os.read(here, 100_000)) is coloured
    os.close(here)
    os.close(there)


def test_output_with_letters_beyond_ascii_survives_a_plain_locale(shop: Shop) -> None:
    assert shop("hold", "auth", "--in", "integration", "--why", "Größe").code == 0
    done = program(shop, "LC_ALL=C $S history integration; LC_ALL=C $S history auth")
    assert done.returncode == 0, done.stderr
    assert "Größe" in done.stdout


# What is said beside the result


def test_what_changes_nothing_is_said(shop: Shop) -> None:
    outcome = shop(
        "record",
        "tests",
        "auth=1.1.0",
        "--in",
        "integration",
        "--suite",
        "regresion",
        "--junit",
        shop.root / "junit.xml",
    )
    assert outcome.code == 0 and "no gate asks for the suite 'regresion'" in outcome.out
    assert "Did you mean 'regression'?" in outcome.out
    outcome = shop("approve", "auth=1.1.0", "--to", "integration", "--as", "qa")
    assert outcome.code == 0 and "no gate of integration asks for the role 'qa'" in outcome.out
    outcome = shop("unpin", "portal", "--in", "integration")
    assert outcome.code == 0 and "the next sync pins portal again" in outcome.out


def test_a_promotion_that_is_there_already_and_one_that_says_two_things(shop: Shop) -> None:
    assert shop("approve", "auth=1.1.0", "--to", "staging", "--as", "qa").code == 0
    assert "promoted auth - -> 1.1.0" in shop("promote", "auth", "--to", "staging").out
    assert shop("promote", "auth", "--to", "staging").out == "auth=1.1.0 is in staging already\n"
    refused(shop("promote", "auth", "auth=1.0.0", "--to", "staging"), 2, "a component is named twice")
    refused(shop("promote", "auth", "--to", "staging", "--downgrade", "atuh"), 2, "Did you mean 'auth'?")


def test_the_history_of_an_environment_has_its_pins_and_seals(shop: Shop) -> None:
    assert shop("veto", "auth=1.1.0", "--in", "integration", "--why", "two\nlines").code == 0
    outcome = shop("history", "integration").out
    assert "vetoed from integration on: two lines" in outcome
    assert "pinned in integration by follow" in outcome


def test_a_check_in_a_clone_looks_at_its_files_before_they_are_pushed(shop: Shop) -> None:
    clone = shop.root / "clone"
    subprocess.run(["git", "clone", "-q", shop.repo, clone], check=True)
    well = "all is well: 2 components, 3 environments, 2 pins\n"
    assert shop("check", at=clone).out == f"{well}{UNSIGNED}\n"
    config = clone / "sluicegate.yaml"
    whole = config.read_text()
    config.write_text(
        whole.replace("follow: latest", "follow: {range: ^1.0}").replace(
            f"ports: {{auth: {shop.ports['auth']}, ", "ports: {"
        )
    )
    (clone / "environments/stagign.yaml").write_text("auth: 1.0.0\n")
    (clone / "environments/staging.yaml").write_text("auth: 9.9.9\nportal: [1]\n")
    outcome = shop("check", at=clone)
    assert outcome.code == 2
    for mistake in (
        "environments/stagign.yaml: no environment is called 'stagign'. Did you mean 'staging'?",
        "environments/staging.yaml:2:",
        ": '^1.0' is not a range",
        "auth is pinned, and the host 'int1' has no port for 'auth'",
    ):
        assert mistake in outcome.err
    config.write_text(whole + "# more\n")
    (clone / "environments/stagign.yaml").unlink()
    subprocess.run(["git", "-C", clone, "checkout", "-q", "environments/staging.yaml"], check=True)
    outcome = shop("check", at=clone / "environments")
    assert outcome.out == f"{well}this is the work tree here; {shop.repo} has another sluicegate.yaml\n{UNSIGNED}\n"


def test_a_work_tree_is_checked_as_git_would_push_it(shop: Shop) -> None:
    clone = shop.root / "clone"
    subprocess.run(["git", "clone", "-q", shop.repo, clone], check=True)
    pins = clone / "environments" / "staging.yaml"
    (clone / "shared.yaml").write_text(pins.read_text())
    pins.unlink()
    pins.symlink_to("../shared.yaml")  # of which Git pushes the name that it leads to
    outcome = shop("check", at=clone)
    assert outcome.code == 2 and "environments/staging.yaml:1: expected a mapping" in outcome.err
    pins.unlink()
    pins.mkdir()
    outcome = shop("check", at=clone)
    assert outcome.code == 2 and "environments/staging.yaml: it cannot be read: Is a directory" in outcome.err


def test_a_broken_servers_file_is_named(shop: Shop) -> None:
    shop.set_file("servers.yaml", "staging: [")
    assert "servers.yaml:" in shop("check").err


def test_a_check_in_a_clone_that_is_behind_looks_at_what_is_shared(shop: Shop) -> None:
    clone = shop.root / "clone"
    subprocess.run(["git", "clone", "-q", shop.repo, clone], check=True)
    shop.set_file("environments/staging.yaml", "auth: 9.9.9\n")
    assert "auth has no version '9.9.9'" in shop("check", at=clone).err
    shop.set_file("environments/staging.yaml", "# nothing\n")
    assert "the work tree here is older: git pull" in shop("check", at=clone).out
    with (clone / "sluicegate.yaml").open("a") as config:
        config.write("# mine\n")
    assert "and commits that are not here: git pull --rebase" in shop("check", at=clone).out


# A newcomer's first hour


def test_init_without_a_git_identity_leaves_nothing_and_its_retry_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new", tmp_path / "empty"):
        with monkeypatch.context() as patch:
            patch.setenv("HOME", str(tmp_path / "nobody"))
            patch.setenv("GIT_CONFIG_COUNT", "1")
            patch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
            patch.setenv("GIT_CONFIG_VALUE_0", "true")
            assert run(["init", str(folder)]) == 2
        assert "Git does not know who you are" in capsys.readouterr().err
        assert not (tmp_path / "new").exists() or folder.name == "empty"
        assert run(["init", str(folder)]) == 0


def test_an_approval_that_no_gate_would_count_is_refused_with_the_reason_and_another_way(shop: Shop) -> None:
    config = shop.file("sluicegate.yaml")
    shop.set_file("sluicegate.yaml", config.replace("accept: unverified", "accept: verified"))
    before = shop.tips()
    refused(shop("approve", "auth=1.1.0", "--to", "staging", "--as", "qa"), 3, "would not count", "is not verified")
    assert shop.tips() == before


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("repositories:", 'jenkins: {url: "https://ci.example.com"}\nrepositories:', "no user and no token"),
        ("repositories:", 'jenkins: {url: "https://ci.example.com", user: ci}\nrepositories:', "no token"),
    ],
)
def test_check_names_a_jenkins_that_could_not_be_asked(shop: Shop, old: str, new: str, match: str) -> None:
    shop.set_file("sluicegate.yaml", shop.file("sluicegate.yaml").replace(old, new, 1))
    refused(shop("check"), 2, f"sluicegate.yaml:1: 'jenkins' has {match}")


def test_check_names_two_components_on_one_port_and_folders_that_are_not_there(shop: Shop) -> None:
    config = shop.file("sluicegate.yaml")
    shop.set_file("sluicegate.yaml", config.replace(f"portal: {shop.ports['portal']}", f"portal: {shop.ports['auth']}"))
    refused(shop("check"), 2, f"portal on int1 has the address http://127.0.0.1:{shop.ports['auth']} of auth on int1")
    shop.set_file("sluicegate.yaml", config.replace("/hosts/int1", "/hosts/gone"))
    outcome = shop("check")
    assert outcome.code == 0 and "the files are well" in outcome.out
    assert "/hosts/gone of the host int1 is not on this machine: mkdir -p" in outcome.out
