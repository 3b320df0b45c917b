"""What polling heeds, and the change log that a build keeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sluicegate.runner.item import Item
from sluicegate.runner.scm import changelog, history, urls
from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.tools import patterns
from tests.runner.conftest import ADMIN, until, wait_for
from tests.runner.scm.conftest import Repo, extension, job, remote, scm

POLL = "<triggers><hudson.triggers.SCMTrigger><spec/></hudson.triggers.SCMTrigger></triggers>"


@pytest.fixture
def triggers(runner: Runner) -> Iterator[Triggers]:
    started = Triggers(runner)
    started.start()
    yield started
    started.stop()


def built(runner: Runner, content: bytes) -> Item:
    """A job that has built what is there."""
    item = runner.items.create("", "t", content)
    runner.trigger(item, ADMIN, {}, 0)
    wait_for(item)
    return item


def polled(triggers: Triggers, item: Item) -> str:
    """What one round of polling says."""
    log = item.folder / "scm-polling.log"
    log.unlink(missing_ok=True)
    triggers.poll(item)
    until(lambda: log.exists() and log.read_text().count("\n") > 1)
    return log.read_text().splitlines()[1]


@pytest.mark.parametrize("spec", ["main", "*/main", "origin/main", "refs/heads/main", "**", "origin/ma*"])
def test_a_new_commit_is_found_once_and_the_same_one_never(
    runner: Runner, triggers: Triggers, repo: Repo, spec: str
) -> None:
    item = built(runner, job(scm(remote(repo.url), (spec,)), more=POLL))
    assert polled(triggers, item) == "No changes"
    repo.commit("two")
    assert polled(triggers, item).startswith("Changes found: ")
    assert wait_for(item, 2).causes[0].kind == "scm"
    assert polled(triggers, item) == "No changes"


def test_a_branch_that_is_merged_already_starts_nothing(runner: Runner, triggers: Triggers, repo: Repo) -> None:
    repo.git("push", "-q", "origin", "main:merged")
    repo.commit("two")
    item = built(runner, job(scm(remote(repo.url), ("**",)), more=POLL))
    assert polled(triggers, item) == "No changes"


@pytest.mark.parametrize(
    ("option", "files", "heeded"),
    [
        (extension("PathRestriction", excludedRegions="docs/.*\n.*\\.md"), {"docs/a.txt": "a"}, False),
        (extension("PathRestriction", excludedRegions="docs/.*\n.*\\.md"), {"docs/a.txt": "a", "b.txt": "b"}, True),
        (extension("PathRestriction", includedRegions="src/.*"), {"docs/a.txt": "a"}, False),
        (extension("PathRestriction", includedRegions="src/.*"), {"src/ü b.txt": "a"}, True),
        (extension("PathRestriction", includedRegions="src/.*", excludedRegions="src/x"), {"src/x": "a"}, False),
        (extension("UserExclusion", excludedUsers="Somebody\nAnn Author"), {"a": "b"}, False),
        (extension("UserExclusion", excludedUsers="Somebody"), {"a": "b"}, True),
        (extension("MessageExclusion", excludedMessage="no"), {"a": "b"}, True),
        (
            extension("MessageExclusion", excludedMessage="no")
            + extension("MessageExclusion", excludedMessage="(?s).*skip.*"),
            {"a": "b"},
            False,
        ),
    ],
)
def test_commits_that_the_job_leaves_out_start_nothing(
    runner: Runner, triggers: Triggers, repo: Repo, option: str, files: dict[str, str], heeded: bool
) -> None:
    item = built(runner, job(scm(remote(repo.url), ("main",), option), more=POLL))
    repo.commit("Change\n\n[ci skip] it", files=files)
    assert polled(triggers, item).startswith("Changes found: ") is heeded


def test_an_expression_that_takes_for_ever_is_an_error_of_its_job(
    runner: Runner, triggers: Triggers, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.1)
    option = extension("MessageExclusion", excludedMessage="(a|aa)+c")
    item = built(runner, job(scm(remote(repo.url), ("main",), option), more=POLL))
    repo.commit("a" * 60 + "b")
    assert "took more than" in polled(triggers, item)


def test_the_change_log_has_the_commits_since_the_last_build_of_the_branch(runner: Runner, repo: Repo) -> None:
    repo.commit("more", files={"b.txt": "b\n" * 50, "ü.txt": "ü"})
    item = built(runner, job(scm(remote(repo.url), ("main",))))
    (repo.clone / "b.txt").rename(repo.clone / "c.txt")
    (repo.clone / "ü.txt").unlink()
    commit = repo.commit("Move b\n\nFor <a> & b\n: not a path", files={"a.txt": "2\n", "docs/with space.txt": ""})
    runner.trigger(item, ADMIN, {}, 0)
    (change,) = changelog.read(wait_for(item, 2))
    assert (change.commit, change.author, change.email) == (commit, "Merge Bot", "bot@example.com")
    assert change.message == "Move b\n\nFor <a> & b\n: not a path\n"
    assert set(change.paths) == {
        ("delete", "b.txt"),
        ("add", "c.txt"),
        ("delete", "ü.txt"),
        ("edit", "a.txt"),
        ("add", "docs/with space.txt"),
    }
    first = item.history.get(1)
    assert first is not None and changelog.read(first) == []
    commits = [repo.commit("three"), repo.commit("four")]
    runner.trigger(item, ADMIN, {}, 0)
    assert [change.commit for change in changelog.read(wait_for(item, 3))] == commits


def test_a_record_of_a_real_jenkins_is_understood() -> None:
    text = (
        '<hudson.plugins.git.util.BuildData plugin="git@9999.built"><buildsByBranchName><entry>'
        "<string>origin/feature/x</string><hudson.plugins.git.util.Build><marked><sha1>{}</sha1>"
        '<branches class="list"><hudson.plugins.git.Branch><sha1 reference="../../../sha1"/>'
        '<name>origin/feature/x</name></hudson.plugins.git.Branch></branches></marked><revision reference="../marked"/>'
        "<hudsonBuildNumber>1</hudsonBuildNumber></hudson.plugins.git.util.Build></entry></buildsByBranchName>"
        '<lastBuild reference="../buildsByBranchName/entry/hudson.plugins.git.util.Build"/>'
        "<remoteUrls><string>git://git.example.com/shop.git</string></remoteUrls></hudson.plugins.git.util.BuildData>"
    ).format("b" * 40)
    data = history.read(text)
    assert data is not None and data.last is not None
    assert (data.last.commit, data.last.branches, data.last.number) == ("b" * 40, ("origin/feature/x",), 1)
    assert data.has_built("b" * 40) and not data.has_built("c" * 40)
    assert history.read(data.to_xml()) == data


@pytest.mark.parametrize(
    ("url", "second_url", "same"),
    [
        ("ssh://git@host/a.git", "git@host:a.git", True),
        ("https://user@host/a.git", "https://host/a", True),
        ("/srv/a.git", "file:///srv/a.git/", True),
        ("https://host/a.git", "https://host/b.git", False),
        ("", "", False),
    ],
)
def test_spellings_of_a_repository_are_recognised(url: str, second_url: str, same: bool) -> None:
    assert urls.same_repository(url, second_url) is same


@pytest.mark.parametrize(
    "address",
    [
        "http://bob:hunter2-secret@127.0.0.1:9/x.git",
        "http://bob:hunter2-secret@127.0.0.1:9/$NOT_SET.git",
        "http://hunter2-secret-token@127.0.0.1:9/x.git",
    ],
)
@pytest.mark.parametrize("spec", ["main", ":ma.*"])
def test_a_secret_within_an_address_is_not_told(runner: Runner, triggers: Triggers, address: str, spec: str) -> None:
    """To who may read a job, and not its config.xml: in the log of polling, the console and the record of a build."""
    item = built(runner, job(scm(remote(address), (spec,))))
    record = item.history.last()
    assert record is not None
    told = polled(triggers, item) + record.log.read_text() + (record.folder / "build.xml").read_text()
    assert "127.0.0.1:9/" in told and "hunter2" not in told, told


def test_a_record_of_a_build_has_no_password_within_its_addresses() -> None:
    written = history.BuildData(
        remotes=("http://bob:hunter2@h/x.git", "https://bob@h:81/y", "git@h:z"), name="n"
    ).to_xml()
    data = history.read(written)
    assert data is not None and data.remotes == ("http://bob@h/x.git", "https://bob@h:81/y", "git@h:z")
    of_before = written.replace("//bob@h/", "//bob:hunter2@h/")
    assert history.read(of_before) == data
