"""Builds are kept from what is the server's: in a sandbox, as another user, in a cgroup."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluicegate.errors import UsageError
from sluicegate.runner.confinement import cgroups, choosing, sandbox
from sluicegate.runner.confinement.account import OtherUsers
from sluicegate.runner.confinement.pen import Confinement
from sluicegate.runner.item import Item
from sluicegate.runner.service import Runner
from sluicegate.runner.settings import Settings
from sluicegate.runner.triggers import Triggers
from sluicegate.runner.vault import Credential
from tests import forked
from tests.runner.conftest import ADMIN, build, shell, until, wait_for

AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.com")


@pytest.fixture
def runner() -> Iterator[Runner]:
    """A runner in a home that other users may pass: pytest closes its own folders whenever a session begins."""
    with tempfile.TemporaryDirectory(prefix="sg-") as folder:
        Path(folder).chmod(0o711)
        started = Runner(Path(folder) / "home", url="http://127.0.0.1:1/")
        started.start()
        yield started
        started.stop()


def in_a_sandbox(runner: Runner) -> Confinement:
    reason = sandbox.hindrance()
    if reason and os.environ.get("CI") != "true":
        pytest.skip(reason)
    return choosing.choose(runner.home.path, "sandbox", run_as="", user_of=lambda job: "")


def as_another_user(runner: Runner) -> Confinement:
    return choosing.choose(runner.home.path, "user", run_as="nobody", user_of=lambda job: runner.settings.user_of(job))


PENS = [in_a_sandbox, pytest.param(as_another_user, marks=pytest.mark.root)]


@pytest.fixture(params=PENS)
def confined(runner: Runner, request: pytest.FixtureRequest) -> Runner:
    runner.confinement = request.param(runner)
    return runner


def log(runner: Runner, name: str, content: bytes) -> str:
    return build(runner, name, content).log.read_text()


def test_a_build_reads_nothing_of_the_server(confined: Runner) -> None:
    secrets = confined.home.path / "secrets"
    confined.users.create("erik")
    confined.shared_settings.replace("run-as: {other: daemon}\n")  # of the same user's jobs one may read the other's
    build(confined, "other", shell("echo private > file"))
    output = log(
        confined,
        "thief",
        shell(
            "set +e\n"
            f"ls {secrets} {confined.home.path}/jobs {confined.home.path}/users\n"
            f"cat {secrets}/passwords/* {secrets}/* {secrets}/passwords/erik {confined.home.path}/rights.yaml\n"
            f"cat {confined.home.path}/workspace/other/file {confined.home.path}/jobs/other/config.xml\n"
            f"cat /proc/{os.getpid()}/environ | tr '\\0' '\\n'\n"
            f"ls -l /proc/{os.getpid()}/fd /proc/{os.getpid()}/root/\n"
            "ls -l /proc/self/fd; echo end of it\n"
        ),
    )
    password = (secrets / "passwords" / "erik").read_text().strip()
    assert "end of it" in output
    assert password not in output and "private" not in output.replace("echo private", "") and "<project>" not in output
    assert "administer" not in output and "PYTEST_CURRENT_TEST" not in output
    assert all(str(confined.home.path / "queue") not in line for line in output.splitlines())


def everything(home: Path) -> list[Path]:
    """All that lies in a home, but for workspaces and builds."""
    paths: list[Path] = []
    for place, folders, names in os.walk(home):
        folders[:] = [name for name in folders if name not in ("workspace", "builds")]
        paths += [Path(place, name) for name in (*folders, *names)]
    return sorted(paths)


def test_a_build_changes_nothing_of_the_server(confined: Runner) -> None:
    home = confined.home.path
    before = everything(home)
    output = log(
        confined,
        "vandal",
        shell(
            "set +e\n"
            f"echo x > {home}/secrets/planted; echo x > {home}/planted; rm -rf {home}/jobs/* {home}/users\n"
            f"kill -9 {os.getpid()}; mkdir {home}/workspace/planted\n"
            f"echo x >> {Path(shutil.__file__)}; echo end of it\n"
        ),
    )
    assert "end of it" in output
    after = everything(home)
    assert {path for path in after if "vandal" not in path.parts and path.name != "queue.journal"} >= {
        path for path in before if path.name != "queue.journal"
    }
    assert not (home / "planted").exists() and not (home / "workspace" / "planted").exists()
    assert Path(shutil.__file__).read_text().splitlines()[-1] != "x"


def test_a_build_works_in_its_workspace_with_its_credentials_only(confined: Runner) -> None:
    confined.vault.store(Credential(id="mine", kind="string", secret="open sesame"))
    confined.vault.store(Credential(id="other", kind="file", secret="Y2xvc2Vk", file_name="other.txt"))
    binding = (
        "<buildWrappers><org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper><bindings>"
        "<org.jenkinsci.plugins.credentialsbinding.impl.FileBinding><credentialsId>other</credentialsId>"
        "<variable>FILE</variable></org.jenkinsci.plugins.credentialsbinding.impl.FileBinding>"
        "</bindings></org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper></buildWrappers>"
    )
    record = build(
        confined,
        "honest",
        shell(
            'test "$(cat "$FILE")" = closed\n'
            'mkdir -p "$WORKSPACE_TMP/x" deep/er; date > deep/er/file; echo ok > "$WORKSPACE_TMP/x/y"\n'
            'test -w "$HOME" || test "$(id -un)" = nobody; t=$(mktemp); echo t > "$t"; id -u > uid\n'
            "env | sort; true\n",
            more=binding,
            publishers="<hudson.tasks.ArtifactArchiver><artifacts>deep/**,uid</artifacts></hudson.tasks.ArtifactArchiver>",
        ),
    )
    output = record.log.read_text()
    assert record.result is not None and record.result.name == "SUCCESS", output
    assert (record.archive / "deep/er/file").is_file()


def test_what_a_step_leaves_behind_serves_the_next_step_and_ends_with_the_build(confined: Runner) -> None:
    if confined.confinement.words().startswith("Builds run as the user"):
        need_a_cgroup()
    two = shell("env -i setsid sh -c 'echo $$ > pid; exec sleep 300' > /dev/null 2>&1 &\nsleep 0.3").replace(
        b"</builders>",
        b"<hudson.tasks.Shell><command>grep -l sleep /proc/*/cmdline; true</command></hudson.tasks.Shell></builders>",
    )
    marker = f"{time.time()}"
    content = two.replace(b"exec sleep 300", f"exec sleep 300 {marker}".encode())
    record = build(confined, "escaping", content)
    output = record.log.read_text()
    assert "Killed" in output and "left behind" in output, output
    assert not running(marker)


def test_a_service_that_leaves_on_purpose_lives_on(confined: Runner) -> None:
    marker = f"{time.time()}"
    started = f"exec env -i /bin/sleep 300 {marker}"  # what a supervisor starts has an environment of its own
    command = f"BUILD_ID=dontKillMe setsid sh -c 'sh -c \"{started}\" & wait' > /dev/null 2>&1 &\nsleep 0.3"
    record = build(confined, "starting", shell(command))
    left = running(marker)
    assert "Killed" not in record.log.read_text()
    assert len(left) == 1
    os.kill(left[0], 9)
    until(lambda: not running(marker))


def test_an_abort_lets_a_script_clean_up_and_ends_all_of_it(confined: Runner) -> None:
    marker = f"{time.time()}"
    command = (
        "set +x\n"  # what several shells trace at once they print in pieces, on one line
        "trap 'echo cleaning up; exit 1' TERM\n"
        f"(trap '' TERM; while :; do sleep 300 {marker}; done) &\n"
        f"env -i setsid sh -c 'trap \"\" TERM; while :; do sleep 299 {marker}; done' > /dev/null 2>&1 &\n"
        "echo ready; while :; do sleep 0.05 || true; done\n"
    )
    item = confined.items.create("", "stopped", shell(command))
    confined.trigger(item, ADMIN, {}, 0)
    log = item.history.builds / "1" / "log"
    until(lambda: log.exists() and "\nready\n" in log.read_text())
    begun = time.monotonic()
    confined.abort(item.history.running[1], "enough")
    record = wait_for(item)
    assert time.monotonic() - begun < 10
    assert record.result is not None and record.result.name == "ABORTED"
    assert "cleaning up\n" in record.log.read_text()
    if confined.confinement.words().startswith("Builds run as the user"):
        need_a_cgroup()
    assert not running(marker)


def test_links_in_a_workspace_lead_the_server_nowhere(confined: Runner) -> None:
    secret = confined.home.path / "secrets" / "word"
    secret.write_text("open sesame\n")
    elements = (
        "<org.jenkinsci.plugins.textfinder.TextFinderPublisher><textFinders>"
        "<org.jenkinsci.plugins.textfinder.TextFinder><fileSet>link</fileSet><regexp>.*</regexp></org.jenkinsci.plugins.textfinder.TextFinder>"
        "</textFinders></org.jenkinsci.plugins.textfinder.TextFinderPublisher>"
        "<hudson.tasks.ArtifactArchiver><artifacts>link,folder/**</artifacts><allowEmptyArchive>true</allowEmptyArchive></hudson.tasks.ArtifactArchiver>"
    )
    command = f"ln -s {secret} link; ln -s {secret.parent} folder"
    record = build(confined, "linking", shell(command, publishers=elements))
    assert "open sesame" not in record.log.read_text()
    assert not (record.archive / "link").exists() and not (record.archive / "folder").exists()


def test_hard_links_that_a_build_makes_are_archived(confined: Runner) -> None:
    archiving = "<hudson.tasks.ArtifactArchiver><artifacts>store/**,out/*</artifacts></hudson.tasks.ArtifactArchiver>"
    command = "mkdir -p store out; echo once > store/file; ln store/file out/file"  # as pnpm, uv and ccache do
    record = build(confined, "thrifty", shell(command, publishers=archiving))
    assert [(record.archive / name).read_text() for name in ("store/file", "out/file")] == ["once\n"] * 2
    assert "WARNING" not in record.log.read_text()


@pytest.mark.root
def test_a_hard_link_to_a_file_of_the_server_is_none_of_the_build(runner: Runner) -> None:
    runner.confinement = as_another_user(runner)
    secret = runner.home.path / "secrets" / "word"
    secret.write_text("open sesame\n")
    archiving = "<hudson.tasks.ArtifactArchiver><artifacts>kept,word</artifacts></hudson.tasks.ArtifactArchiver>"
    build(runner, "linking", shell("echo kept > kept", publishers=archiving))
    os.link(secret, runner.workspaces.root / "linking" / "word")  # as a build may where links are not protected
    runner.trigger(runner.items.needed("linking"), ADMIN, None, 0)
    record = wait_for(runner.items.needed("linking"), 2)
    assert (record.archive / "kept").is_file() and not (record.archive / "word").exists()
    assert "'word' is a hard link to a file of another user and is left out" in record.log.read_text()


@pytest.mark.parametrize(
    "place", ["secrets", ".", "..", "/", "jobs/a", "workspace", "workspace/other", "workspace/other/sub"]
)
def test_a_workspace_of_ones_own_is_not_the_servers_and_no_other_jobs(confined: Runner, place: str) -> None:
    build(confined, "other", shell("true"))
    content = shell("ls").replace(b"<builders>", f"<customWorkspace>{place}</customWorkspace><builders>".encode())
    record = build(confined, "greedy", content)
    assert record.result is not None and record.result.name == "FAILURE"
    assert "ERROR: the workspace" in record.log.read_text()


def test_a_program_that_is_missing_is_named(confined: Runner) -> None:
    record = build(confined, "missing", shell("#!/no/such/program\ntrue"))
    assert "/no/such/program" in record.log.read_text()
    assert record.result is not None and record.result.name == "FAILURE"


def test_what_a_build_loads_into_programs_acts_in_its_pen_only(confined: Runner, tmp_path: Path) -> None:
    """A library of the build in LD_PRELOAD must not run outside, in what makes the pen."""
    parameter = (
        "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions/>"
        "</hudson.model.ParametersDefinitionProperty></properties>"
    )
    item = confined.items.create("", "preloading", shell("env | grep -c '^LD_' || true", more=parameter))
    confined.trigger(item, ADMIN, {"LD_PRELOAD": "x.so"}, 0)
    assert wait_for(item).result is not None


@pytest.mark.root
def test_the_jobs_of_a_folder_run_as_its_own_user(runner: Runner) -> None:
    runner.shared_settings.replace("run-as: {team: daemon}\n")
    runner.confinement = as_another_user(runner)
    runner.items.create("", "team", b"<com.cloudbees.hudson.plugins.folder.Folder/>")
    names = {}
    for folder, name in (("", "top"), ("team", "inside")):
        item = runner.items.create(folder, name, shell("id -un > who"))
        runner.trigger(item, ADMIN, {}, 0)
        assert wait_for(item).result is not None
        names[name] = (runner.workspaces.root / item.full_name / "who").read_text().strip()
    assert names == {"top": "nobody", "inside": "daemon"}


@pytest.mark.root
def test_a_user_who_is_missing_fails_the_build_and_not_the_server(runner: Runner) -> None:
    runner.confinement = as_another_user(runner)
    runner.shared_settings.replace("run-as: {lost: nobody-of-this-name}\n")
    record = build(runner, "lost", shell("true"))
    assert "this machine has no user 'nobody-of-this-name'" in record.log.read_text()
    assert build(runner, "well", shell("true")).result.name == "SUCCESS"  # type: ignore[union-attr]


@pytest.mark.root
def test_a_cgroup_ends_what_hides_from_us(runner: Runner) -> None:
    need_a_cgroup()
    runner.confinement = choosing.choose(runner.home.path, "none", run_as="", user_of=lambda job: "")
    marker = f"{time.time()}"
    record = build(runner, "hiding", shell(f"env -i setsid sleep 300 {marker} > /dev/null 2>&1 &\nsleep 0.2"))
    assert "Killed 1 process that the build left behind" in record.log.read_text()
    assert not running(marker)


def test_a_hook_of_git_that_a_build_has_planted_reads_nothing(runner: Runner, tmp_path: Path) -> None:
    in_a_sandbox(runner)
    upstream = tmp_path / "upstream"
    for words in (["init", "-q", str(upstream)], ["-C", str(upstream), *AUTHOR, "commit", "-qm", "x", "--allow-empty"]):
        subprocess.run(["git", *words], check=True)
    runner.confinement = sandbox.Sandbox(runner.home.path, [upstream])
    runner.users.create("erik")
    secret = runner.home.path / "secrets" / "passwords" / "erik"
    source = (
        "<scm class='hudson.plugins.git.GitSCM'><userRemoteConfigs><hudson.plugins.git.UserRemoteConfig>"
        f"<url>{upstream}</url></hudson.plugins.git.UserRemoteConfig></userRemoteConfigs></scm>"
    )
    script = f"#!/bin/sh\\ncat {secret} >stolen; echo ran >>ran\\n"
    command = (
        f"printf '{script}' >.git/hooks/post-checkout\nchmod +x .git/hooks/*\n"
        "git config core.hooksPath .git/hooks"  # whatever this machine says of hooks
    )
    record = build(runner, "hooked", shell(command, more=source))
    assert record.result is not None and record.result.name == "SUCCESS", record.log.read_text()
    until(lambda: not runner.busy)  # else the next build takes another workspace
    runner.trigger(runner.items.needed("hooked"), ADMIN, {}, 0)
    record = wait_for(runner.items.needed("hooked"), 2)
    workspace = runner.workspaces.root / "hooked"
    assert (workspace / "ran").read_text() == "ran\n", record.log.read_text()
    assert (workspace / "stolen").read_text() == ""


def polled(runner: Runner, item: Item) -> str:
    """What one round of polling writes into the job's log of it."""
    log = item.folder / "scm-polling.log"
    log.unlink(missing_ok=True)
    triggers = Triggers(runner)
    triggers.start()
    try:
        triggers.poll(item)
        until(log.exists)
        return log.read_text()
    finally:
        triggers.stop()


def polling(url: str, spec: str) -> bytes:
    source = (
        "<scm class='hudson.plugins.git.GitSCM'><userRemoteConfigs><hudson.plugins.git.UserRemoteConfig>"
        f"<url>{url}</url></hudson.plugins.git.UserRemoteConfig></userRemoteConfigs>"
        f"<branches><hudson.plugins.git.BranchSpec><name>{spec}</name></hudson.plugins.git.BranchSpec></branches></scm>"
    )
    return shell(
        "true", more=f"{source}<triggers><hudson.triggers.SCMTrigger><spec/></hudson.triggers.SCMTrigger></triggers>"
    )


@pytest.mark.parametrize("spec", ["main", "**"])
def test_polling_is_kept_from_the_server_as_builds_are(
    confined: Runner, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "of-the-server-alone")
    confined.users.create("erik")
    secret = confined.home.path / "secrets" / "passwords" / "erik"
    marker = f"{time.time()}"
    programs = confined.home.path / "tools"
    programs.mkdir(mode=0o755)
    git = programs / "git"
    git.write_text(
        f"#!/bin/sh\n/usr/bin/setsid sleep 300 {marker} >/dev/null 2>&1 &\n"
        f"exec >&2\ncat {secret} /proc/{os.getpid()}/environ\nenv\necho I am $(id -u), I poll\nexit 9\n"
    )
    git.chmod(0o755)
    confined._given_settings = Settings(env={"PATH": f"{programs}:{os.environ['PATH']}"})
    item = confined.items.create("", "polled", polling("https://git.example.com/app.git", spec))
    output = polled(confined, item)
    assert ("https://git.example.com/app.git does not answer" in output) == (spec == "main") and "I poll" in output
    assert secret.read_text().strip() not in output and "of-the-server-alone" not in output
    if isinstance(confined.confinement, sandbox.Sandbox):
        until(lambda: not running(marker))
    else:
        assert f"I am {pwd.getpwnam('nobody').pw_uid}," in output
        for pid in running(marker):  # without a cgroup nobody can tell who began it
            os.kill(pid, 9)


@pytest.mark.parametrize("spec", ["main", "**"])
def test_polling_from_within_a_pen_sees_a_new_commit_once(confined: Runner, spec: str) -> None:
    upstream = confined.home.path.parent / "upstream"
    upstream.mkdir(mode=0o755)
    for words in (["init", "-q", "-b", "main", "."], [*AUTHOR, "commit", "-qm", "x", "--allow-empty"]):
        subprocess.run(["git", *words], cwd=upstream, check=True)
    if isinstance(confined.confinement, sandbox.Sandbox):
        confined.confinement = sandbox.Sandbox(confined.home.path, [upstream])
    else:  # git reads no repository of another user
        subprocess.run(["chown", "-R", "nobody", str(upstream)], check=True)
    item = confined.items.create("", "polled", polling(f"file://{upstream}", spec))
    assert "Changes found" in polled(confined, item)
    assert wait_for(item).causes[0].kind == "scm"
    assert "No changes" in polled(confined, item)


def test_an_agent_of_keys(confined: Runner, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    confined.vault.store(Credential(id="key", kind="ssh", user="git", secret=(tmp_path / "key").read_text()))
    wrapper = (
        "<buildWrappers><com.cloudbees.jenkins.plugins.sshagent.SSHAgentBuildWrapper><credentialIds><string>key</string>"
        "</credentialIds></com.cloudbees.jenkins.plugins.sshagent.SSHAgentBuildWrapper></buildWrappers>"
    )
    record = build(confined, "signing", shell("ssh-add -l; echo $SSH_AUTH_SOCK > socket", more=wrapper))
    output = record.log.read_text()
    assert record.result is not None and record.result.name == "SUCCESS", output
    assert "(ED25519)" in output and "Killed" not in output
    socket = (confined.workspaces.root / "signing" / "socket").read_text().strip()
    assert not subprocess.run(["pgrep", "-f", f"ssh-agent .*{socket}"], capture_output=True).stdout


def need_a_cgroup() -> None:
    base = cgroups.own()
    if base is None:
        pytest.xfail("no cgroup may be written here: what hides by `env -i setsid` stays")
    base.close()


def running(marker: str) -> list[int]:
    """The processes that have `marker` in their command line, but for the test's own."""
    pids = subprocess.run(["pgrep", "-f", f"^(/bin/)?sleep .*{marker}"], capture_output=True, text=True).stdout
    return [int(word) for word in pids.split()]


def test_who_may_not_change_user_is_told_so(tmp_path: Path) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    for run_as, way, words in (
        ("nobody-of-this-name", "auto", "no user|only root"),
        (own, "auto", "could read all|only root"),
        ("", "user", "--run-as USER"),
        ("nobody", "sandbox", "not with sandbox"),
    ):
        with pytest.raises(UsageError, match=words):
            choosing.choose(tmp_path, way, run_as=run_as, user_of=lambda job: "")


def test_without_a_sandbox_the_server_says_that_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    confinement = choosing.choose(tmp_path, "auto", run_as="", user_of=lambda job: "")
    assert not confinement.holds
    assert "bubblewrap is not installed" in confinement.words() and "whoever may change a job" in confinement.words()
    confinement.close()
    with pytest.raises(UsageError, match="bubblewrap is not installed"):
        choosing.choose(tmp_path, "sandbox", run_as="", user_of=lambda job: "")


def test_a_workspace_elsewhere_opens_nothing_that_is_private(confined: Runner) -> None:
    """The server reads there too, as root or as its own user, and would archive what it finds."""
    private = confined.home.path.parent / "private"
    private.mkdir(mode=0o700)
    (private / "key.pem").write_text("private words\n")
    archiving = (
        "<hudson.tasks.ArtifactArchiver><artifacts>**</artifacts>"
        "<allowEmptyArchive>true</allowEmptyArchive></hudson.tasks.ArtifactArchiver>"
    )
    content = shell("cat key.pem || true", publishers=archiving)
    record = build(
        confined,
        "greedy",
        content.replace(b"<builders>", f"<customWorkspace>{private}</customWorkspace><builders>".encode()),
    )
    assert f"ERROR: the workspace {private} cannot be: " in record.log.read_text()
    assert "private words" not in record.log.read_text() and not record.archive.exists()


def test_a_workspace_elsewhere_is_used_where_builds_may_write(runner: Runner) -> None:
    place = runner.home.path.parent / "elsewhere"
    place.mkdir(mode=0o755)
    reason = sandbox.hindrance()
    if reason and os.environ.get("CI") != "true":
        pytest.skip(reason)
    runner.confinement = choosing.choose(
        runner.home.path, "sandbox", run_as="", user_of=lambda job: "", writable=[place]
    )
    content = shell("echo made > file").replace(
        b"<builders>", f"<customWorkspace>{place}</customWorkspace><builders>".encode()
    )
    record = build(runner, "elsewhere", content)
    assert record.result is not None and record.result.name == "SUCCESS", record.log.read_text()
    assert (place / "file").read_text() == "made\n"
    (place / "inner").mkdir()
    content = content.replace(str(place).encode(), str(place / "inner").encode())
    assert "cannot be: --builds-write does not name it" in build(runner, "within", content).log.read_text()


@pytest.mark.root
def test_a_workspace_elsewhere_is_used_where_it_is_the_users_and_nobody_may_exchange_it(tmp_path: Path) -> None:
    pens = OtherUsers(Path(tempfile.mkdtemp(prefix="sg-", dir="/var")), "nobody", lambda job: "", None)
    try:
        place = pens.home / "place"
        place.mkdir()
        user = pwd.getpwnam("nobody")
        assert pens.objection("job", place) == "it is not the user nobody's"
        os.chown(place, user.pw_uid, user.pw_gid)
        assert pens.objection("job", place) == ""
        (place / "inner").mkdir()
        os.chown(place / "inner", user.pw_uid, user.pw_gid)
        assert pens.objection("job", place / "inner") == f"others than the server may change {place}"
    finally:
        shutil.rmtree(pens.home)


MATRIX = (
    "<matrix-project><axes><hudson.matrix.TextAxis><name>A</name><values><string>x</string><string>y</string></values>"
    "</hudson.matrix.TextAxis></axes>{place}<builders><hudson.tasks.Shell><command>pwd; {first}</command>"
    "</hudson.tasks.Shell><hudson.tasks.Shell><command>cat word || true</command></hudson.tasks.Shell></builders>"
    "<publishers/><buildWrappers/></matrix-project>"
)


@pytest.mark.parametrize(
    "place",
    ["", "<childCustomWorkspace>in/$A</childCustomWorkspace>", "<childCustomWorkspace>.</childCustomWorkspace>"],
)
def test_no_build_can_exchange_the_workspace_of_a_cell(confined: Runner, place: str) -> None:
    """What stands above a workspace decides what is shown to a build: it is no workspace itself."""
    (confined.home.path / "secrets" / "word").write_text("open sesame\n")
    build(confined, "matrix", MATRIX.format(place=place, first="touch mine").encode())
    places = [Path(cell.history.last().workspace) for cell in confined.items.cells(confined.items.get("matrix"))]  # type: ignore[union-attr, arg-type]
    assert len(set(places)) == 2
    for one in places:
        assert (one / "mine").exists()
        above = [folder for folder in one.parents if folder != confined.workspaces.root]
        assert not {confined.workspaces.root / "matrix", *places} & set(above)


@pytest.mark.parametrize(
    "place", ["workspace/matrix/A", "workspace/matrix@2", "workspace/matrix@cells", "workspace/a/b", "workspace/team"]
)
def test_a_workspace_lies_in_no_folder_that_builds_may_change(confined: Runner, place: str) -> None:
    confined.items.create("", "matrix", MATRIX.format(place="", first="true").encode())
    confined.items.create("", "team", b"<com.cloudbees.hudson.plugins.folder.Folder/>")
    content = shell("ls").replace(b"<builders>", f"<customWorkspace>{place}</customWorkspace><builders>".encode())
    assert "ERROR: the workspace" in build(confined, "greedy", content).log.read_text()


def test_a_link_that_was_left_where_a_folder_comes_later_is_not_followed(confined: Runner) -> None:
    content = shell(f"ln -s {confined.home.path}/secrets inner").replace(
        b"<builders>", b"<customWorkspace>workspace/team</customWorkspace><builders>"
    )
    build(confined, "early", content)
    confined.items.create("", "team", b"<com.cloudbees.hudson.plugins.folder.Folder/>")
    item = confined.items.create("team", "inner", shell("ls"))
    confined.trigger(item, ADMIN, {}, 0)
    record = wait_for(item)
    assert record.result is not None and record.result.name == "FAILURE"
    assert "is a link" in record.log.read_text() and "session.key" not in record.log.read_text()


def test_a_sandbox_has_no_file_that_the_server_alone_reads(runner: Runner) -> None:
    """The key of its certificate, the password for its directory: files of its own user, outside its home."""
    key = runner.home.path.parent / "key.pem"
    key.write_text("private words\n")
    link = key.with_name("live.pem")
    link.symlink_to("key.pem")
    reason = sandbox.hindrance()
    if reason and os.environ.get("CI") != "true":
        pytest.skip(reason)
    runner.confinement = choosing.choose(runner.home.path, "sandbox", run_as="", user_of=lambda job: "", private=[link])
    output = log(runner, "thief", shell(f"cat {key} {link} || true; echo end of it"))
    assert "private words" not in output and "end of it" in output
    assert ("root alone may read" in runner.confinement.words()) == (os.geteuid() == 0)


def ask_at_a_terminal(confine: Callable[[Runner], Confinement]) -> None:
    """The server has a terminal, as where a person types `sluicegate serve`; who is asked in a pen has none."""
    _, ours = os.openpty()
    os.close(os.open(os.ttyname(ours), os.O_RDWR))  # the first that a leader of a session opens is the session's
    with open("/dev/tty"), tempfile.TemporaryDirectory(prefix="sg-") as folder:
        Path(folder).chmod(0o711)
        runner = Runner(Path(folder) / "home", url="http://127.0.0.1:1/")
        runner.confinement = confine(runner)
        with runner.errand(runner.items.create("", "asking", shell("true"))) as errand:
            opens = ["sh", "-c", "echo asked; echo uname > /dev/tty && echo shared"]
            answer = errand.ask(opens, cwd=Path("/"), env={"PATH": os.environ["PATH"]}, timeout=20)
        assert answer.text == "asked\n", answer


@pytest.mark.parametrize("confine", PENS)
def test_nothing_in_a_pen_shares_the_terminal_of_the_server(confine: Callable[[Runner], Confinement]) -> None:
    """On older kernels it could type into it."""
    server = forked.begin(ask_at_a_terminal, confine)
    server.join(60)
    assert server.exitcode == 0


PHASES = (
    "<com.tikal.jenkins.plugins.multijob.MultiJobProject><builders><hudson.tasks.Shell><command>ln -s {secret} rules"
    "</command></hudson.tasks.Shell><com.tikal.jenkins.plugins.multijob.MultiJobBuilder><phaseName>p</phaseName>"
    "<phaseJobs><com.tikal.jenkins.plugins.multijob.PhaseJobsConfig><jobName>failing</jobName>"
    "<enableRetryStrategy>true</enableRetryStrategy><parsingRulesPath>{rules}</parsingRulesPath><maxRetries>1</maxRetries>"
    "</com.tikal.jenkins.plugins.multijob.PhaseJobsConfig></phaseJobs><continuationCondition>ALWAYS</continuationCondition>"
    "</com.tikal.jenkins.plugins.multijob.MultiJobBuilder></builders><publishers/><buildWrappers/>"
    "</com.tikal.jenkins.plugins.multijob.MultiJobProject>"
)


@pytest.mark.parametrize("rules", ["rules", "{secret}"], ids=["a link", "a path"])
def test_rules_for_known_faults_are_read_with_the_rights_of_a_build(confined: Runner, rules: str) -> None:
    """A rule that is no pattern is told, and one that fits is heeded: both tell what a file holds."""
    secret = confined.home.path / "secrets" / "word"
    secret.write_text("open (sesame\n")
    confined.items.create("", "failing", shell("exit 1"))
    content = PHASES.format(secret=secret, rules=rules.format(secret=secret))
    printed = build(confined, "phases", content.encode()).log.read_text()
    assert "Parser rules file not found" in printed and "sesame" not in printed, printed


def test_of_what_lies_behind_a_link_out_of_the_workspace_no_name_is_told(confined: Runner) -> None:
    """Not even of what everybody may read outside of a sandbox."""
    outside = confined.home.path.parent / "public"
    outside.mkdir(mode=0o755)
    (outside / "hush.txt").write_text("x")
    archiving = "<hudson.tasks.ArtifactArchiver><artifacts>**/*.txt,link/*</artifacts></hudson.tasks.ArtifactArchiver>"
    content = shell(f"echo x > a.txt; ln -s {outside} link; ln -s {outside}/hush.txt b.txt", publishers=archiving)
    record = build(confined, "linking", content)
    printed = record.log.read_text().partition("Archiving artifacts")[2]
    assert "WARNING: 'link' is a link out of the workspace and is left out" in printed
    assert "hush" not in printed and [path.name for path in record.archive.iterdir()] == ["a.txt"]


CONDITION = (
    "<org.jenkinsci.plugins.conditionalbuildstep.singlestep.SingleConditionalBuilder><condition class={cls}>{inside}"
    "<baseDir class='org.jenkins_ci.plugins.run_condition.common.BaseDirectory$JenkinsHome'/></condition>"
    "<buildStep class='hudson.tasks.Shell'><command>echo it is there</command></buildStep>"
    "<runner class='org.jenkins_ci.plugins.run_condition.BuildStepRunner$DontRun'/>"
    "</org.jenkinsci.plugins.conditionalbuildstep.singlestep.SingleConditionalBuilder>"
)


@pytest.mark.parametrize(
    ("cls", "inside"),
    [
        ("org.jenkins_ci.plugins.run_condition.core.FileExistsCondition", "<file>secrets/session.key</file>"),
        ("org.jenkins_ci.plugins.run_condition.core.FileExistsCondition", "<file>{home}/secrets/session.key</file>"),
        ("org.jenkins_ci.plugins.run_condition.core.FilesMatchCondition", "<includes>secrets/s*</includes>"),
    ],
    ids=["below the home", "by its path", "by a pattern"],
)
def test_no_condition_tells_what_is_in_the_home(confined: Runner, cls: str, inside: str) -> None:
    """Yes or no is enough to find out a name, letter by letter."""
    step = CONDITION.format(cls=f"'{cls}'", inside=inside.format(home=confined.home.path))
    content = shell("true").replace(b"</builders>", f"{step}</builders>".encode())
    printed = build(confined, "asking", content).log.read_text()
    assert "it is there" not in printed and "does not know" not in printed, printed


INJECTING = (
    "<EnvInjectBuilder><info><propertiesFilePath>values</propertiesFilePath></info></EnvInjectBuilder>"
    "<hudson.tasks.Shell><command>cat {secret}</command></hudson.tasks.Shell></builders>"
)


def test_no_variable_that_a_build_makes_up_opens_its_sandbox(confined: Runner) -> None:
    """A NUL ends a word of bubblewrap's options: the next ones were the build's own."""
    secret = confined.home.path / "secrets" / "word"
    secret.write_text("sesame")
    options = "\\0".join(["A=x", "--ro-bind", "/", "/", ""])
    content = shell(f"printf '{options}' > values").replace(b"</builders>", INJECTING.format(secret=secret).encode())
    record = build(confined, "injecting", content)
    printed = record.log.read_text()
    assert "sesame" not in printed and "cannot start '/bin/sh': embedded null byte" in printed, printed
