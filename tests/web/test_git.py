"""Git: checkout, polling by the hook, change log."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import requests

from tests.web.conftest import Server, ended, until


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Rita", "-c", "user.email=rita@example.com"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A work tree whose bare twin jobs build."""
    bare, work = tmp_path / "r.git", tmp_path / "work"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(bare)], check=True)
    subprocess.run(["git", "clone", "--quiet", str(bare), str(work)], check=True, capture_output=True)
    git(work, "checkout", "-q", "-B", "main")
    commit(work, "first")
    return bare


def commit(work: Path, text: str) -> str:
    (work / "file.txt").write_text(text)
    git(work, "add", "file.txt")
    git(work, "commit", "-q", "-m", text)
    git(work, "push", "-q", "origin", "main")
    return git(work, "rev-parse", "HEAD")


def job(repository: Path, command: str) -> str:
    return (
        "<project><quietPeriod>0</quietPeriod><scm class='hudson.plugins.git.GitSCM'><userRemoteConfigs>"
        f"<hudson.plugins.git.UserRemoteConfig><url>{repository}</url></hudson.plugins.git.UserRemoteConfig>"
        "</userRemoteConfigs><branches><hudson.plugins.git.BranchSpec><name>*/main</name></hudson.plugins.git.BranchSpec>"
        "</branches></scm><triggers><hudson.triggers.SCMTrigger><spec>H 3 1 1 *</spec></hudson.triggers.SCMTrigger>"
        "</triggers>"
        f"<builders><hudson.tasks.Shell><command>{command}</command></hudson.tasks.Shell></builders></project>"
    )


def test_a_push_hook_starts_the_polling_job_once_per_change(server: Server, repository: Path, name: str) -> None:
    client = server.client()
    client.create_job(name, job(repository, "cat file.txt; echo $GIT_COMMIT $GIT_BRANCH"))
    hook = f"{server.url}git/notifyCommit?url={repository}"
    answer = requests.get(hook)
    assert answer.status_code == 200 and name not in answer.text, "the hook tells strangers no names"
    info = ended(client, name)
    assert info["actions"][0]["causes"][0]["_class"].endswith("SCMTriggerCause")  # type: ignore[index]
    first = git(repository, "rev-parse", "main")
    assert f"{first} origin/main" in client.get_build_console_output(name, 1)

    polling = server.home / "jobs" / name / "scm-polling.log"
    polling.unlink()
    requests.get(hook)
    until(polling.exists)
    assert "No changes" in polling.read_text() and client.get_job_info(name)["nextBuildNumber"] == 2

    second = commit(repository.parent / "work", "second")
    assert f"Scheduled polling of {name}" in server.session().get(hook).text
    changes = ended(client, name, 2)["changeSet"]
    assert [(change["commitId"], change["msg"]) for change in changes["items"]] == [(second, "second")]  # type: ignore[index]
    assert "second" in client.get_build_console_output(name, 2)


def test_a_hook_that_names_a_commit_has_it_built_for_who_may_build(server: Server, repository: Path, name: str) -> None:
    client = server.client()
    client.create_job(name, job(repository, "echo built $GIT_COMMIT"))
    old = git(repository, "rev-parse", "main")
    commit(repository.parent / "work", "newer")
    hook = f"{server.url}git/notifyCommit?url={repository}&branches=main&sha1={old}"
    assert server.session().get(hook).text == f"Scheduled building of {name}\n"
    ended(client, name)
    assert f"built {old}" in client.get_build_console_output(name, 1)
    assert "No jobs" in requests.get(hook.replace("branches=main", "branches=other")).text
    assert requests.get(hook).text == "Scheduled polling\n"
    assert requests.get(f"{hook}x").status_code == 400


def test_a_foreign_repository_starts_nothing(server: Server, repository: Path, name: str) -> None:
    server.client().create_job(name, job(repository, "true"))
    assert "No jobs" in requests.get(f"{server.url}git/notifyCommit?url=/another.git").text
    assert requests.get(f"{server.url}git/notifyCommit").status_code == 400


def test_a_branch_that_does_not_exist_fails_the_build(server: Server, repository: Path, name: str) -> None:
    client = server.client()
    client.create_job(name, job(repository, "true").replace("*/main", "*/nope"))
    client.build_job(name)
    assert ended(client, name)["result"] == "FAILURE"
    assert "Couldn't find any revision to build" in client.get_build_console_output(name, 1)


def test_a_url_that_is_an_option_or_a_command_is_refused(server: Server, name: str) -> None:
    client = server.client()
    for number, url in enumerate(("--upload-pack=touch", "ext::sh -c touch% /tmp/never")):
        client.create_job(f"{name}-{number}", job(Path("x"), "true").replace("<url>x<", f"<url>{url}<"))
        client.build_job(f"{name}-{number}")
        assert ended(client, f"{name}-{number}")["result"] == "FAILURE"


def test_a_builds_page_shows_its_changes(server: Server, repository: Path, name: str, tmp_path: Path) -> None:
    client, session = server.client(), server.session()
    client.create_job(name, job(repository, "true"))
    client.build_job(name)
    ended(client, name)
    second = commit(tmp_path / "work", "Add <b>more</b>")
    client.build_job(name)
    until(lambda: client.get_job_info(name)["lastBuild"]["number"] == 2 and ended(client, name, 2))
    for path in ("", "changes"):
        page = session.get(f"{server.url}job/{name}/2/{path}", headers={"Accept": "text/html"}).text
        assert (
            second[:10] in page and "Add &lt;b&gt;more&lt;/b&gt;" in page and "Rita" in page and "edit file.txt" in page
        )
    assert '<h2 id="changes">' not in session.get(f"{server.url}job/{name}/1/", headers={"Accept": "text/html"}).text


def test_a_page_is_for_who_names_no_type_and_empty_for_clients_of_the_api(server: Server) -> None:
    session = server.session()
    for accept, agent, full in (
        ("text/html,*/*", "x", True), (None, "x", True), ("*/*", "x", False), (None, "Go-http-client/1.1", False),
    ):  # fmt: skip
        page = session.get(server.url, headers={"Accept": accept, "User-Agent": agent})
        assert page.status_code == 200 and bool(page.text) is full, (accept, agent)
