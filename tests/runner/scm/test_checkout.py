"""Checkouts of real repositories by real builds; what is right was seen on a Jenkins with the git plugin."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sluicegate.runner.scm import checkout
from sluicegate.runner.service import Runner
from sluicegate.runner.vault import Credential
from tests.runner.conftest import ADMIN, build, until, wait_for
from tests.runner.scm.conftest import IMPL, Repo, extension, job, parameter, project, remote, scm

SHOW = "git log -1 --format='built: %s'; set +x; env | sort | grep ^GIT_"
HEADS = "+refs/heads/*:refs/remotes/origin/*"


def log_of(runner: Runner, content: bytes, name: str = "t", expected: str = "SUCCESS", **values: str) -> str:
    """The log of the first build of a new job."""
    record = build(runner, name, content, dict(values))
    assert record.result is not None
    log = record.log.read_text()
    assert record.result.name == expected, log
    return log


def again(runner: Runner, name: str = "t", **values: str) -> str:
    """The log of the next build of a job."""
    item = runner.items.get(name)
    assert item is not None
    number = item.history.next_number
    runner.trigger(item, ADMIN, dict(values), 0)
    return wait_for(item, number).log.read_text()


def test_the_workspace_has_its_remote_and_scripts_fetch_and_push_by_its_name(runner: Runner, repo: Repo) -> None:
    script = "git remote -v; git fetch origin && git push origin HEAD:refs/tags/built; git rev-parse origin/main"
    log = log_of(runner, job(scm(remote(repo.url)), script=script))
    assert f"origin\t{repo.url} (push)" in log
    assert repo.git("ls-remote", "origin", "refs/tags/built")


def test_a_remote_has_the_name_that_the_job_gives_it(runner: Runner, repo: Repo) -> None:
    content = job(
        scm(remote(repo.url, name="upstream"), ("upstream/main",)), script="git rev-parse upstream/main\n" + SHOW
    )
    log = log_of(runner, content)
    assert "GIT_BRANCH=upstream/main\n" in log


@pytest.mark.parametrize("refspec", ["refs/heads/main", "+refs/heads/release-1:refs/remotes/origin/release-1"])
def test_the_heads_are_fetched_whatever_the_refspec_says(runner: Runner, repo: Repo, refspec: str) -> None:
    repo.branch("release-1")
    repo.commit("a release", to="release-1")
    repo.branch("main")
    assert "built: one" in log_of(
        runner, job(scm(remote(repo.url, refspec=refspec), ("refs/heads/main",)), script=SHOW)
    )
    repo.commit("two")
    assert "built: two" in again(runner)


def test_only_the_refspec_is_fetched_where_the_job_honours_it(runner: Runner, repo: Repo) -> None:
    honoured = extension("CloneOption", honorRefspec="true")
    content = job(scm(remote(repo.url, refspec="refs/heads/main"), ("refs/heads/main",), honoured))
    assert "no branch matches refs/heads/main" in log_of(runner, content, expected="FAILURE")


CHOOSER = "com.sonyericsson.hudson.plugins.gerrit.trigger.hudsontrigger.GerritTriggerBuildChooser"
GERRIT = extension("BuildChooserSetting", f"<buildChooser class='{CHOOSER}'><separator>#</separator></buildChooser>")


@pytest.mark.parametrize(
    ("refspec", "subject"), [(HEADS, "one"), ("refs/heads/main", "one"), ("refs/changes/01/1/1", "change")]
)
def test_the_gerrit_chooser_takes_the_change_that_the_refspec_names(
    runner: Runner, repo: Repo, refspec: str, subject: str
) -> None:
    repo.branch("aaa")
    repo.commit("first by name", to="aaa")
    repo.branch("change")
    repo.commit("change", to="refs/changes/01/1/1")
    log = log_of(runner, job(scm(remote(repo.url, refspec=refspec), ("refs/heads/main",), GERRIT), script=SHOW))
    assert f"built: {subject}\n" in log


def test_the_gerrit_chooser_prefers_the_revision_of_the_event(runner: Runner, repo: Repo) -> None:
    repo.branch("change")
    first = repo.commit("patch set 1", to="refs/changes/01/1/1")
    repo.commit("patch set 2", to="refs/changes/01/1/2")
    content = job(
        scm(remote(repo.url, refspec="refs/changes/*:refs/changes/*"), ("$GERRIT_BRANCH",), GERRIT),
        script=SHOW,
        properties=parameter("GERRIT_PATCHSET_REVISION", first),
    )
    log = log_of(runner, content)
    assert "built: patch set 1\n" in log


@pytest.mark.parametrize(
    ("spec", "branch"),
    [
        ("main", "origin/main"),
        ("*/main", "origin/main"),
        ("origin/main", "origin/main"),
        ("refs/heads/main", "origin/main"),
        ("remotes/origin/main", "origin/main"),
        ("refs/remotes/origin/main", "origin/main"),
        ("v1.0", "v1.0"),
        ("tags/v1.0", "tags/v1.0"),
        ("refs/tags/v1.0", "refs/tags/v1.0"),
        ("$WHICH", "origin/main"),
    ],
)
def test_a_branch_is_spelled_in_many_ways(runner: Runner, repo: Repo, spec: str, branch: str) -> None:
    repo.git("tag", "v1.0")
    repo.git("push", "-q", "origin", "v1.0")
    content = job(scm(remote(repo.url), (spec,)), script=SHOW, properties=parameter("WHICH", "main"))
    log = log_of(runner, content)
    assert f"GIT_BRANCH={branch}\n" in log and "built: one" in log


def test_a_commit_is_built_detached(runner: Runner, repo: Repo) -> None:
    first = repo.git("rev-parse", "HEAD")
    repo.commit("two")
    for number, spec in enumerate((first, first[:8])):
        log = log_of(runner, job(scm(remote(repo.url), (spec,)), script=SHOW), name=f"t{number}")
        assert "GIT_BRANCH=detached\n" in log and "built: one" in log


def test_a_branch_that_is_gone_is_not_built_from_what_an_earlier_build_has_left(runner: Runner, repo: Repo) -> None:
    repo.branch("doomed")
    repo.commit("doomed", to="doomed")
    options = extension("LocalBranch", localBranch="doomed") + extension("PruneStaleBranch")
    assert "built: doomed" in log_of(runner, job(scm(remote(repo.url), ("doomed",), options), script=SHOW))
    repo.git("push", "-q", "origin", ":doomed")
    assert "no branch matches doomed" in again(runner)


def test_all_wanted_branches_are_built_the_oldest_first_and_each_once(runner: Runner, repo: Repo) -> None:
    for name in ("release-1", "release-2", "wip/anna"):
        repo.branch(name)
        repo.commit(name, to=name)
    item = runner.items.create("", "t", job(scm(remote(repo.url), ("origin/release-*",)), script=SHOW))
    runner.trigger(item, ADMIN, {}, 0)
    logs = [wait_for(item, number).log.read_text() for number in (1, 2)]
    assert "built: release-1\n" in logs[0] and "Scheduling another build to catch up with t" in logs[0]
    assert "built: release-2\n" in logs[1] and "Scheduling" not in logs[1]
    assert wait_for(item, 2).causes[0].kind == "scm"
    assert "built: release-2\n" in again(runner)  # nothing is new: the last one again, and nothing is scheduled
    until(lambda: not runner.queue.items())
    assert item.history.next_number == 4


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\u2029"])
def test_a_branch_whose_name_has_an_end_of_line_is_one_branch(runner: Runner, repo: Repo, end: str) -> None:
    repo.commit("two", to=f"feature{end}x")
    assert "built: two\n" in log_of(runner, job(scm(remote(repo.url), ("origin/feature*",)), script=SHOW))


def test_a_commit_that_cannot_be_checked_out_starts_no_builds_for_ever(
    runner: Runner, repo: Repo, library: Repo
) -> None:
    repo.branch("release-1")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.url, "lib")
    repo.commit("broken", to="release-1")
    repo.branch("release-2")
    repo.commit("good", to="release-2")
    library.bare.rename(library.bare.with_name("gone"))
    content = job(scm(remote(repo.url), ("origin/release-*",), extension("SubmoduleOption")), script=SHOW)
    log = log_of(runner, content, expected="FAILURE")
    assert "git submodule failed" in log and "Scheduling" not in log and not runner.queue.items()
    assert "built: good" in again(runner)


def test_two_remotes_with_the_same_branch_start_no_builds_for_ever(runner: Runner, repo: Repo, library: Repo) -> None:
    both = remote(repo.url, name="origin") + remote(library.url, name="upstream")
    log = log_of(runner, job(scm(both, ("main",)), script=SHOW))
    assert f"GIT_URL_1={repo.url}\n" in log and f"GIT_URL_2={library.url}\n" in log
    assert "Multiple candidate revisions" in log and "Scheduling" not in log and not runner.queue.items()


def test_the_inverse_chooser_builds_the_branches_that_are_not_named(runner: Runner, repo: Repo) -> None:
    repo.branch("topic")
    repo.commit("topic", to="topic")
    inverse = "<buildChooser class='hudson.plugins.git.util.InverseBuildChooser'/>"
    option = extension("BuildChooserSetting", inverse)
    assert "built: topic" in log_of(runner, job(scm(remote(repo.url), ("*/main",), option), script=SHOW))


@pytest.mark.parametrize(
    ("option", "built"),
    [("maximumAgeInDays>10000", True), ("maximumAgeInDays>0", False), ("ancestorCommitSha1>ONE", True)],
)
def test_the_ancestry_chooser_leaves_out_what_is_old_or_has_another_ancestor(
    runner: Runner, repo: Repo, option: str, built: bool
) -> None:
    name, _, value = option.partition(">")
    value = repo.git("rev-parse", "HEAD") if value == "ONE" else value
    inside = f"<{name}>{value}</{name}>"
    chooser = f"<buildChooser class='hudson.plugins.git.util.AncestryBuildChooser'>{inside}</buildChooser>"
    setting = extension("BuildChooserSetting", chooser)
    log = log_of(
        runner, job(scm(remote(repo.url), ("main",), setting), script=SHOW), expected="SUCCESS" if built else "FAILURE"
    )
    assert ("built: one" in log) is built


@pytest.mark.parametrize("broken", ["empty", "config", "HEAD", "object", "lock"])
def test_a_broken_repository_in_the_workspace_is_mended(runner: Runner, repo: Repo, broken: str) -> None:
    log_of(runner, job(scm(remote(repo.url)), script=SHOW))
    repo.commit("two", files={"a.txt": "2\n"})
    git = runner.workspaces.root / "t" / ".git"
    if broken == "empty":
        subprocess.run(["rm", "-rf", str(git)], check=True)
        git.mkdir()
    elif broken == "object":
        for path in git.joinpath("objects").rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(b"")
    elif broken == "lock":
        (git / "index.lock").touch()
        (git / "refs" / "remotes" / "origin" / "main.lock").touch()
    else:
        (git / broken).write_text("rubbish [")
    assert "built: two" in again(runner)


@pytest.mark.parametrize("link", [".git/refs", ".git/refs/heads", ".git/objects/refs"])
def test_locks_behind_a_link_are_nobody_s_to_remove(runner: Runner, repo: Repo, link: str) -> None:
    log_of(runner, job(scm(remote(repo.url)), script=SHOW))
    precious = runner.home.path / "precious"
    (precious / "heads").mkdir(parents=True)
    for name in ("Cargo.lock", "heads/yarn.lock"):
        (precious / name).write_text("x")
    place = runner.workspaces.root / "t" / link
    subprocess.run(["rm", "-rf", str(place)], check=True)
    place.symlink_to(precious)
    again(runner)
    assert sorted(path.name for path in precious.rglob("*.lock")) == ["Cargo.lock", "yarn.lock"]


def test_a_workspace_is_no_part_of_a_repository_around_it(runner: Runner, repo: Repo) -> None:
    subprocess.run(["git", "init", "-q", str(runner.home.path)], check=True)
    log = log_of(runner, job(scm(remote(repo.url)), script="git rev-parse --show-toplevel"))
    assert f"{runner.workspaces.root / 't'}\n" in log


def test_settings_of_whoever_started_the_server_do_not_leak_in(
    runner: Runner, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_CONFIG_COUNT": "nonsense", "GIT_BRANCH": "outer"}
    for name, text in broken.items():
        monkeypatch.setenv(name, text)
    home = tmp_path / "broken-home"
    home.mkdir()
    (home / ".gitconfig").write_text("this is [ no configuration")
    monkeypatch.setenv("HOME", str(home))
    log = log_of(runner, job(scm(remote(repo.url)), script=SHOW))
    assert "WARNING: git cannot read the .gitconfig" in log and "built: one" in log


def test_a_build_tells_scripts_what_it_has_checked_out(runner: Runner, repo: Repo) -> None:
    people = extension("UserIdentity", name="Bea", email="bea@example.com")
    options = (
        people
        + extension("LocalBranch", localBranch="**")
        + extension("RelativeTargetDirectory", relativeTargetDir="src/$WHERE")
    )
    content = job(
        scm(remote(repo.url), ("main",), options), script="cd src/app\n" + SHOW, properties=parameter("WHERE", "app")
    )
    first, log = repo.git("rev-parse", "HEAD"), log_of(runner, content)
    for line in (
        f"GIT_COMMIT={first}",
        "GIT_BRANCH=origin/main",
        "GIT_LOCAL_BRANCH=main",
        f"GIT_URL={repo.url}",
        "GIT_CHECKOUT_DIR=src/app",
        "GIT_AUTHOR_NAME=Bea",
        "GIT_COMMITTER_EMAIL=bea@example.com",
    ):
        assert f"{line}\n" in log
    assert "GIT_PREVIOUS" not in log and "GIT_URL_1" not in log and "GIT_ASKPASS" not in log
    second = repo.commit("two")
    assert f"GIT_PREVIOUS_COMMIT={first}\nGIT_PREVIOUS_SUCCESSFUL_COMMIT={first}\n" in again(runner)
    item = runner.items.get("t")
    assert item is not None
    runner.items.update(item, content.replace(b"cd src/app", b"exit 1"))
    again(runner)
    runner.items.update(item, content)
    assert f"GIT_PREVIOUS_COMMIT={second}\nGIT_PREVIOUS_SUCCESSFUL_COMMIT={second}\n" in again(runner)


def test_the_committer_may_stand_in_the_job_as_old_plugins_wrote_it(runner: Runner, repo: Repo) -> None:
    old = "<gitConfigName>Bea</gitConfigName><gitConfigEmail>bea@example.com</gitConfigEmail><skipTag>true</skipTag>"
    content = job(
        scm(remote(repo.url), ("main",), more=old),
        script="git commit -q --allow-empty -m x; git log -1 --format=by:%ae",
    )
    assert "by:bea@example.com\n" in log_of(runner, content)


def test_a_failed_checkout_is_tried_again(runner: Runner, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "RETRY_PAUSE", 0.01)
    more = "<scmCheckoutRetryCount>2</scmCheckoutRetryCount>"
    log = log_of(runner, job(scm(remote(repo.url), ("missing",)), more=more), expected="FAILURE")
    assert log.count("Retrying after ") == 2 and log.count("Couldn't find any revision to build") == 3


def test_an_abort_does_not_wait_for_the_next_attempt(runner: Runner, repo: Repo) -> None:
    content = job(scm(remote(repo.url), ("missing",)), more="<scmCheckoutRetryCount>9</scmCheckoutRetryCount>")
    item = runner.items.create("", "t", content)
    runner.trigger(item, ADMIN, {}, 0)
    log = item.folder / "builds" / "1" / "log"
    until(lambda: log.exists() and "Retrying after 10 seconds" in log.read_text())
    assert runner.abort(item.history.running[1], "Aborted by anna")
    assert wait_for(item, seconds=5).result is not None


def test_several_repositories_are_checked_out_side_by_side(runner: Runner, repo: Repo, library: Repo) -> None:
    def placed(source: Repo, folder: str) -> str:
        option = extension("RelativeTargetDirectory", relativeTargetDir=folder)
        return f"<hudson.plugins.git.GitSCM>{scm(remote(source.url), ('main',), option)}</hudson.plugins.git.GitSCM>"

    both = placed(repo, "app") + placed(library, "lib")
    multi = f'<scm class="org.jenkinsci.plugins.multiplescms.MultiSCM"><scms>{both}</scms></scm>'
    log = log_of(runner, project(multi, script="cat app/a.txt lib/lib.txt; set +x; env | sort | grep ^GIT_"))
    assert f"GIT_COMMIT={repo.git('rev-parse', 'HEAD')}\n" in log and f"GIT_URL_1={library.url}\n" in log
    before = library.git("rev-parse", "HEAD")
    library.commit("more")
    assert f"GIT_PREVIOUS_COMMIT_1={before}\n" in again(runner)


def test_submodules_come_along_and_are_cleaned(runner: Runner, repo: Repo, library: Repo) -> None:
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.url, "lib")
    repo.commit("with a submodule")
    options = extension("SubmoduleOption", recursiveSubmodules="true", threads="2") + extension("CleanBeforeCheckout")
    content = job(scm(remote(repo.url), ("main",), options), script="cat lib/lib.txt; ls lib; touch lib/left")
    assert "+ cat lib/lib.txt\nlib\n" in log_of(runner, content)
    assert "\nleft\n" not in again(runner)


def test_submodules_stay_away_where_the_job_does_not_ask_for_them(runner: Runner, repo: Repo, library: Repo) -> None:
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.url, "lib")
    repo.commit("with a submodule")
    disabled = extension("SubmoduleOption", disableSubmodules="true")
    assert "left\n" not in log_of(
        runner, job(scm(remote(repo.url), ("main",), disabled), script="ls lib | wc -l | grep -x 0")
    )


def test_a_clone_may_be_shallow_without_tags_and_of_some_paths_only(runner: Runner, repo: Repo) -> None:
    repo.git("tag", "v1.0")
    repo.git("push", "-q", "origin", "v1.0")
    repo.commit("two", files={"docs/b.txt": "b\n", "src/c.txt": "c\n"})
    path = f"<{IMPL}SparseCheckoutPath><path>docs/</path></{IMPL}SparseCheckoutPath>"
    sparse = extension("SparseCheckoutPaths", f"<sparseCheckoutPaths>{path}</sparseCheckoutPaths>")
    options = extension("CloneOption", shallow="true", depth="1", noTags="true") + sparse
    script = "git rev-list --count HEAD; git tag | wc -l; ls"
    log = log_of(runner, job(scm(remote(repo.url), ("main",), options), script=script))
    assert (
        "+ git rev-list --count HEAD\n1\n" in log and "\n0\n" in log and log.endswith("+ ls\ndocs\nFinished: SUCCESS\n")
    )
    item = runner.items.get("t")
    assert item is not None
    runner.items.update(item, job(scm(remote(repo.url), ("main",)), script="ls"))
    assert "+ ls\na.txt\ndocs\nsrc\n" in again(runner)


def test_stale_branches_and_tags_go_away(runner: Runner, repo: Repo) -> None:
    repo.git("push", "-q", "origin", "main:old")
    options = extension("PruneStaleBranch") + extension("PruneStaleTag")
    script = "git branch -r; git tag; git tag local-tag"
    assert "origin/old" in log_of(runner, job(scm(remote(repo.url), ("main",), options), script=script))
    repo.git("push", "-q", "origin", ":old")
    log = again(runner)
    assert "origin/old" not in log and "tag -d local-tag" in log


def test_each_build_leaves_its_tag_in_the_workspace(runner: Runner, repo: Repo) -> None:
    log = log_of(
        runner, job(scm(remote(repo.url), ("main",), extension("PerBuildTag")), script="git tag"), name="a job"
    )
    assert "jenkins-a_job-1\n" in log


def test_a_branch_is_merged_before_it_is_built(runner: Runner, repo: Repo) -> None:
    repo.branch("topic")
    repo.commit("topic", to="topic", files={"topic.txt": "t\n"})
    repo.branch("main")
    repo.commit("main moved", files={"main.txt": "m\n"})
    fields = {"mergeRemote": "origin", "mergeTarget": "main", "mergeStrategy": "default", "fastForwardMode": "NO_FF"}
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    option = extension("PreBuildMerge", f"<options>{inside}</options>")
    content = job(scm(remote(repo.url), ("origin/topic",), option), script="ls; " + SHOW)
    log = log_of(runner, content)
    assert "main.txt" in log and "topic.txt" in log and "GIT_BRANCH=origin/topic\n" in log
    repo.commit("in the way", files={"topic.txt": "other\n"})
    assert "does not merge cleanly into origin/main" in again(runner)


def test_a_missing_credential_is_said_and_the_checkout_goes_on(runner: Runner, repo: Repo) -> None:
    source = remote(repo.url).replace("<url>", "<credentialsId>gone</credentialsId><url>")
    log = log_of(runner, job(scm(source), script=SHOW))
    assert 'CredentialId "gone" could not be found' in log


@pytest.mark.parametrize("url", ["--upload-pack=touch owned", "ext::sh -c touch% owned", "$NOBODY/x.git", ""])
def test_an_address_that_is_none_fails_the_build(runner: Runner, repo: Repo, url: str) -> None:
    log = log_of(
        runner, job(scm(remote(repo.url).replace(f"<url>{repo.url}</url>", f"<url>{url}</url>"))), expected="FAILURE"
    )
    assert "ERROR: " in log and not list(runner.home.path.rglob("owned"))
    if "NOBODY" in url:
        assert "names the variable NOBODY, which is not set" in log


def test_an_unknown_extension_and_an_unknown_child_are_reasons(runner: Runner, repo: Repo) -> None:
    options = extension("Invented") + extension("CloneOption", invented="1")
    log = log_of(runner, job(scm(remote(repo.url), extensions=options, more="<strange/>")), expected="FAILURE")
    for words in (
        "Git extension <hudson.plugins.git.extensions.impl.Invented>",
        "CloneOption/invented>",
        "its option <strange>",
    ):
        assert words in log


def test_every_cell_of_a_matrix_builds_the_commit_of_its_parent(runner: Runner, repo: Repo) -> None:
    move = f"cd {repo.bare} && git update-ref refs/heads/main $(git commit-tree -p main -m moved main^{{tree}})"
    person = "GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x"
    script = f"git log -1 --format='built: %s'; export {person}; {move}"
    axes = "<axes><hudson.matrix.TextAxis><name>A</name><values><string>1</string><string>2</string></values>"
    content = job(scm(remote(repo.url), ("main",)), script=script).decode()
    content = content.replace("<project>", "<matrix-project>").replace("</project>", "</matrix-project>")
    axes += "</hudson.matrix.TextAxis></axes>"
    inside = "<runSequentially>true</runSequentially>"
    name = "hudson.matrix.DefaultMatrixExecutionStrategyImpl"
    strategy = f'<executionStrategy class="{name}">{inside}</executionStrategy>'
    record = build(runner, "t", content.replace("<builders>", f"{axes}{strategy}<builders>").encode())
    assert record.result is not None and record.result.name == "SUCCESS", record.log.read_text()
    logs = [path.read_text() for path in runner.home.path.joinpath("jobs", "t").rglob("configurations/**/log")]
    assert len(logs) == 2 and all("built: one\n" in log for log in logs)


SSH = """#!/bin/sh
for word; do
    test "$before" != -i || { grep -q 'PRIVATE KEY' "$word" && stat -c 'key %a' "$word" >> "$SSH_LOG"; }
    before=$word
done
echo "$* $SSH_ASKPASS_REQUIRE" >> "$SSH_LOG"
test -z "$SSH_ASKPASS" || "$SSH_ASKPASS" 'Enter passphrase for key: ' >> "$SSH_LOG"
exec sh -c "$before"
"""


def test_an_ssh_key_of_the_job_is_used_by_ssh_alone(
    runner: Runner, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in, log = tmp_path / "bin" / "ssh", tmp_path / "ssh.log"
    stand_in.parent.mkdir()
    stand_in.write_text(SSH)
    stand_in.chmod(0o700)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    runner.shared_settings.replace(f"env: {{SSH_LOG: {log}}}\n")
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabcdef\n-----END OPENSSH PRIVATE KEY-----"
    runner.vault.store(Credential(id="deploy", kind="ssh", secret=key, user="git", passphrase="open sesame"))
    source = remote(f"ssh://host.example.com{repo.bare}").replace("<url>", "<credentialsId>deploy</credentialsId><url>")
    build_log = log_of(runner, job(scm(source, ("main",)), script=SHOW))
    ssh_log = log.read_text()
    assert "built: one" in build_log and "key 600\n" in ssh_log and "open sesame\n" in ssh_log
    assert "-o IdentitiesOnly=yes -o User=git" in ssh_log and " host.example.com " in ssh_log
    assert "sesame" not in build_log and "GIT_SSH_COMMAND" not in build_log


def test_a_credential_of_another_kind_is_said_and_not_used(runner: Runner, repo: Repo) -> None:
    runner.vault.store(Credential(id="text", kind="string", secret="s3cret-word"))
    source = remote(repo.url).replace("<url>", "<credentialsId>text</credentialsId><url>")
    log = log_of(runner, job(scm(source, ("main",)), script=SHOW))
    assert 'CredentialId "text" is neither a user with a password nor an ssh key' in log and "built: one" in log
