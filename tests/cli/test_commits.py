"""What a version brings: subjects and issues of its commits, in its evidence, and who lists and finds them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.cli.main import run

CONFIG = """\
repositories: {{releases: {{driver: directory, path: {root}/releases}}}}
components: {{auth: {{repository: releases, group: com.example, branch: main, issues: "(OPS|AUTH)-[0-9]+"}}}}
environments: {{integration: {{}}, staging: {{}}}}
"""
Cli = Callable[..., str]


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout.strip()


def commit(source: Path, message: str) -> None:
    git(source, "commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    subprocess.run(["git", "init", "-q", "--initial-branch=main", folder], check=True)
    commit(folder, "The beginning, OPS-1")
    return folder


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command on a delivery repo; what it prints, its notes too."""
    (tmp_path / "sluicegate.yaml").write_text(CONFIG.format(root=tmp_path))
    (tmp_path / "auth.tar.gz").write_text("auth")
    repo = str(tmp_path / "delivery.git")
    assert run(["init", repo, "--bare", "--config", str(tmp_path / "sluicegate.yaml")]) == 0

    def call(*words: str | Path) -> str:
        capsys.readouterr()
        code = run(["-C", repo, *map(str, words)])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out + captured.err

    return call


def publish(cli: Cli, tmp_path: Path, version: str, source: Path) -> str:
    return cli("publish", f"auth={version}", tmp_path / "auth.tar.gz", "--source", source)


def test_commits_since_the_version_before_are_recorded_listed_and_found(cli: Cli, source: Path, tmp_path: Path) -> None:
    assert "note" not in publish(cli, tmp_path, "1.0.0", source)
    commit(source, "Sessions end, AUTH-7\n\nFixes OPS-12 and XOPS-3.")
    commit(source, "Second \x1b[31mthing")
    publish(cli, tmp_path, "1.1.0", source)
    commit(source, "Third, OPS-12")
    publish(cli, tmp_path, "1.2.0", source)
    shown = json.loads(cli("show", "auth=1.1.0", "--json"))
    assert shown["issues"] == ["AUTH-7", "OPS-12"]
    assert [subject.startswith(("Second", "Sessions end, AUTH-7")) for subject in shown["commits"]] == [True, True]
    printed = cli("show", "auth=1.1.0")
    assert "issues    AUTH-7 OPS-12" in printed and "\x1b" not in printed
    assert json.loads(cli("show", "auth=1.0.0", "--json"))["commits"] == []
    hits = json.loads(cli("search", "ops-12", "--json"))
    assert [hit["version"] for hit in hits] == ["1.2.0", "1.1.0"]
    cli("pin", "auth=1.2.0", "--in", "integration")
    cli("pin", "auth=1.0.0", "--in", "staging")
    (difference,) = json.loads(cli("diff", "staging", "integration", "--json"))
    assert difference["versions"] == ["1.0.0", "1.2.0"]
    assert difference["issues"] == ["OPS-12", "AUTH-7"]
    assert len(difference["commits"]) == 3
    assert cli("diff", "staging", "integration").splitlines()[:2] == ["auth 1.0.0 -> 1.2.0", "  issues  OPS-12 AUTH-7"]
    assert cli("diff", "staging", "staging") == "staging and staging have the same versions\n"


def test_a_commit_that_is_not_on_the_branch_is_told(cli: Cli, source: Path, tmp_path: Path) -> None:
    git(source, "switch", "-q", "-c", "side")
    commit(source, "Beside")
    assert "is not on the branch 'main' of auth" in publish(cli, tmp_path, "1.0.0", source)


def test_what_a_shallow_or_detached_checkout_cannot_know_is_said(cli: Cli, source: Path, tmp_path: Path) -> None:
    publish(cli, tmp_path, "1.0.0", source)
    commit(source, "Two")
    commit(source, "Three")
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{source}", shallow], check=True)
    printed = publish(cli, tmp_path, "1.1.0", shallow)
    assert "what changed is not known: the checkout is shallow and has not the commit" in printed
    git(shallow, "checkout", "-q", "--detach")
    git(shallow, "branch", "-q", "-D", "main")
    git(shallow, "update-ref", "-d", "refs/remotes/origin/main")
    assert "is not known: the checkout has no such branch" in publish(cli, tmp_path, "1.2.0", shallow)


def test_at_most_200_commits_are_recorded(cli: Cli, source: Path, tmp_path: Path) -> None:
    publish(cli, tmp_path, "1.0.0", source)
    stream = "".join(
        f"commit refs/heads/main\ncommitter a <a@b> {1_700_000_000 + n} +0000\ndata 3\n{n:03}\n"
        + ("from refs/heads/main^0\n" if n == 0 else "")
        for n in range(201)
    )
    subprocess.run(["git", "-C", source, "fast-import", "--quiet"], input=stream, text=True, check=True)
    assert "only the newest 200 commits since the version before are recorded" in publish(
        cli, tmp_path, "1.1.0", source
    )
    commits = json.loads(cli("show", "auth=1.1.0", "--json"))["commits"]
    assert (len(commits), commits[0], commits[-1]) == (200, "200", "001")


def test_a_pattern_that_is_none_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sluicegate.yaml").write_text(CONFIG.format(root=tmp_path).replace("(OPS|AUTH)", "(OPS"))
    assert run(["init", str(tmp_path / "new"), "--config", str(tmp_path / "sluicegate.yaml")]) == 2
    assert "'issues' is '(OPS-[0-9]+', which is no pattern" in capsys.readouterr().err
