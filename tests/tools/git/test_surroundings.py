"""Whoever calls us may be a hook, a worktree or a broken account: Git works on the repository that was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate.delivery.book.setup import init_repo
from sluicegate.wiring import EntryPointDrivers
from tests.worlds import Shop

FOREIGN = ("GIT_DIR", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_INDEX_FILE", "GIT_WORK_TREE")


def sluicegate(shop: Shop, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sluicegate", "-C", str(shop.bare), *words],
        env={**os.environ, **env}, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


def git(*words: str | Path) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def published(shop: Shop) -> Shop:
    shop.publish("auth", "1.0.0")
    return shop


@pytest.mark.parametrize("name", FOREIGN)
def test_a_variable_that_names_another_repository_moves_no_pin_there(
    published: Shop, tmp_path: Path, name: str
) -> None:
    other_repository = tmp_path / "other.git"
    git("clone", "--quiet", "--bare", published.bare, other_repository)
    before = git("-C", other_repository, "for-each-ref")
    value = {"GIT_NAMESPACE": "elsewhere", "GIT_OBJECT_DIRECTORY": str(other_repository / "objects")}.get(
        name, str(other_repository)
    )
    done = sluicegate(published, "pin", "auth=1.0.0", "--in", "integration", **{name: value})
    assert done.returncode == 0, done.stderr
    assert git("-C", other_repository, "for-each-ref") == before
    assert "auth: 1.0.0" in git("-C", published.bare, "show", "main:environments/integration.yaml")


def test_a_hook_of_a_work_tree_may_check_the_delivery_repo(tmp_path: Path) -> None:
    clone, tree = tmp_path / "clone", tmp_path / "tree"
    init_repo(tmp_path / "delivery.git", EntryPointDrivers(), bare=True)
    git("clone", "--quiet", tmp_path / "delivery.git", clone)
    git("-C", clone, "worktree", "add", "--quiet", tree)
    hook = clone / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\nexec {sys.executable} -m sluicegate check >&2\n")
    hook.chmod(0o755)
    (tree / "note").write_text("x")
    git("-C", tree, "add", "note")
    git("-C", tree, "commit", "--quiet", "-m", "A note")
    (tree / "sluicegate.yaml").write_text("nonsense: true\n")
    git("-C", tree, "add", "sluicegate.yaml")
    refused = subprocess.run(["git", "-C", tree, "commit", "-m", "x"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "nonsense" in refused.stderr


def test_a_receiving_hook_reads_what_is_being_pushed(published: Shop, tmp_path: Path) -> None:
    clone, hook = tmp_path / "clone", Path(published.bare) / "hooks" / "pre-receive"
    git("clone", "--quiet", published.bare, clone)
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nread old new ref\n"
        f"{sys.executable} -c 'import sys\n"
        "from sluicegate.tools.git import Store\n"
        'with Store(".", ("main", "ledger")) as store:\n'
        '    print(store.read(sys.argv[1], "pushed").decode())\' "$new" >&2\n'
    )
    hook.chmod(0o755)
    (clone / "pushed").write_text("read in quarantine")
    git("-C", clone, "add", "pushed")
    git("-C", clone, "commit", "--quiet", "-m", "A push")
    done = subprocess.run(["git", "-C", clone, "push"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "read in quarantine" in done.stderr


@pytest.mark.parametrize("words", [("status",), ("check",), ("pin", "auth=1.0.0", "--in", "integration")])
def test_a_broken_configuration_of_git_is_told_in_its_words(
    published: Shop, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "gitconfig").write_text("[user\nname = x\n")
    done = sluicegate(published, *words, GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig"))
    assert done.returncode == 2
    assert "bad config line 1 in file" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[core]\ncompression = 99\n", "bad zlib compression level 99"),
        ("[include]\npath = gitconfig\n", "exceeded maximum include depth"),
        (None, "unknown error occurred while reading the configuration files"),
    ],
)
def test_a_mistake_in_the_settings_is_no_damage_of_the_repository(
    published: Shop, tmp_path: Path, text: str | None, words: str
) -> None:
    if text is None:
        (tmp_path / "gitconfig").mkdir()
    else:
        (tmp_path / "gitconfig").write_text(text)
    for location in (str(published.bare), f"file://{published.bare}"):
        done = sluicegate(published, "-C", location, "status", GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig"))
        assert done.returncode == 2, done.stderr
        assert "Git cannot read its configuration" in done.stderr and words in done.stderr


def test_settings_that_ci_gives_in_variables_are_kept(published: Shop) -> None:
    variables = {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "ci-bot"}
    variables |= {"GIT_CONFIG_KEY_1": "user.email", "GIT_CONFIG_VALUE_1": "ci@example.com"}
    done = sluicegate(published, "pin", "auth=1.0.0", "--in", "integration", **variables)
    assert done.returncode == 0, done.stderr
    assert git("-C", published.bare, "log", "-1", "--format=%cn", "main") == "ci-bot"


def test_a_clone_whose_origin_leads_back_to_itself_is_a_usage_error(tmp_path: Path) -> None:
    for name, origin in (("one", "two"), ("two", "one")):
        git("init", "--quiet", tmp_path / name)
        git("-C", tmp_path / name, "remote", "add", "origin", tmp_path / origin)
    done = subprocess.run(
        [sys.executable, "-m", "sluicegate", "-C", str(tmp_path / "one"), "status"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "leads back to itself" in done.stderr


@pytest.fixture
def hooked(published: Shop) -> Shop:
    """A delivery repo that is pushed to, for a hook looks at what comes."""
    hook(published.bare / "hooks", "post-receive", "true")
    return published


def hook(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def settings(folder: Path, text: str) -> dict[str, str]:
    """The user's settings of Git, added to who the user is."""
    (folder / "gitconfig").write_text(f"[user]\nname = x\nemail = x@example.com\n{text}")
    return {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "XDG_CACHE_HOME": str(folder / "cache")}


@pytest.mark.parametrize("key", ["insteadOf", "pushInsteadOf"])
def test_a_setting_that_leads_the_push_elsewhere_is_no_pinned(hooked: Shop, tmp_path: Path, key: str) -> None:
    other_repository = tmp_path / "other.git"
    git("clone", "--quiet", "--bare", hooked.bare, other_repository)
    env = settings(tmp_path, f'[url "{other_repository}"]\n{key} = {hooked.bare}\n')
    done = sluicegate(hooked, "pin", "auth=1.0.0", "--in", "integration", **env)
    assert done.returncode == 2
    assert f"another repository than {hooked.bare}" in done.stderr


def test_a_push_that_settings_lead_away_from_a_fetched_repository_is_no_pinned(published: Shop, tmp_path: Path) -> None:
    other_repository = tmp_path / "other.git"
    git("clone", "--quiet", "--bare", published.bare, other_repository)
    address = f"file://{published.bare}"
    env = settings(tmp_path, f'[url "{other_repository}"]\npushInsteadOf = {address}\n')
    done = sluicegate(published, "-C", address, "pin", "auth=1.0.0", "--in", "integration", **env)
    assert done.returncode == 2
    assert f"another repository than {address}" in done.stderr
    env = settings(tmp_path, f'[url "{published.bare}"]\npushInsteadOf = {address}\n')
    done = sluicegate(published, "-C", address, "pin", "auth=1.0.0", "--in", "integration", **env)
    assert (done.returncode, published.pins("integration")) == (0, {"auth": "1.0.0"}), done.stderr


@pytest.mark.parametrize("key", ["recurseSubmodules = only", "recurseSubmodules = on-demand", "followTags = true"])
def test_settings_of_the_users_own_pushes_lose_no_pin(published: Shop, tmp_path: Path, key: str) -> None:
    env = settings(tmp_path, f"[push]\n{key}\n")
    done = sluicegate(published, "-C", f"file://{published.bare}", "pin", "auth=1.0.0", "--in", "integration", **env)
    assert (done.returncode, published.pins("integration")) == (0, {"auth": "1.0.0"}), done.stderr


@pytest.mark.parametrize("setting", ["gpgSign = true", "pushOption = ci.skip"])
def test_a_setting_that_the_receiving_side_does_not_take_is_named(
    published: Shop, tmp_path: Path, setting: str
) -> None:
    env = settings(tmp_path, f"[push]\n{setting}\n")
    done = sluicegate(published, "-C", f"file://{published.bare}", "pin", "auth=1.0.0", "--in", "integration", **env)
    assert done.returncode == 2, done.stderr
    assert f"Git's setting push.{setting.split()[0]}" in done.stderr


@pytest.mark.parametrize("url", ["", "file://"])
def test_a_server_that_moves_no_two_branches_at_once_is_no_failure_to_try_again(
    published: Shop, tmp_path: Path, url: str
) -> None:
    env = settings(tmp_path, "[receive]\nadvertiseAtomic = false\n")
    done = sluicegate(published, "-C", f"{url}{published.bare}", "pin", "auth=1.0.0", "--in", "integration", **env)
    assert (done.returncode, published.pins("integration")) == (2, {}), done.stderr
    assert "several branches in one step" in done.stderr


@pytest.mark.parametrize("key", ["transfer", "receive"])
def test_a_branch_that_is_hidden_from_pushes_is_named(published: Shop, tmp_path: Path, key: str) -> None:
    """It looked as if others were ever first: after a minute of tries the command ended with a number too large."""
    env = settings(tmp_path, f"[{key}]\nhideRefs = refs/heads/ledger\n")
    done = sluicegate(published, "pin", "auth=1.0.0", "--in", "integration", **env)
    assert done.returncode == 2, done.stderr
    assert "hideRefs" in done.stderr


def test_a_date_that_git_does_not_read_is_said_in_its_words(published: Shop) -> None:
    done = sluicegate(published, "pin", "auth=1.0.0", "--in", "integration", GIT_COMMITTER_DATE="garbage")
    assert done.returncode == 2
    assert "invalid date format: garbage" in done.stderr


@pytest.mark.parametrize("way", ["", "file://"])
def test_a_repository_that_may_not_be_written_is_told_as_that(published: Shop, way: str) -> None:
    """It was taken for one that others are ever first in. Root may write there all the same."""
    published.bare.chmod(0o555)
    try:
        done = sluicegate(published, "-C", f"{way}{published.bare}", "pin", "auth=1.0.0", "--in", "integration")
    finally:
        published.bare.chmod(0o755)
    assert done.returncode == (5 if os.geteuid() else 0), done.stderr
    if os.geteuid():
        assert "Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("where", "name"),
    [("~/hooks", "pre-push"), ("~/hooks", "pre-receive"), ("{bare}/given", "pre-push"), ("given", "pre-receive")],
)
def test_hooks_are_heeded_wherever_the_settings_say_that_they_are(
    published: Shop, tmp_path: Path, where: str, name: str
) -> None:
    home = tmp_path / "home"
    folder = home / "hooks" if where.startswith("~") else published.bare / "given"
    hook(folder, name, "echo not today >&2; exit 1")
    env = settings(tmp_path, f"[core]\nhooksPath = {where.format(bare=published.bare)}\n") | {"HOME": str(home)}
    done = sluicegate(published, "pin", "auth=1.0.0", "--in", "integration", **env)
    assert done.returncode != 0
    assert "not today" in done.stderr
    assert published.pins("integration") == {}


@pytest.mark.parametrize("of", ["blob", "tree", "commit"])
def test_who_pushes_a_replacement_of_an_object_changes_no_record(published: Shop, tmp_path: Path, of: str) -> None:
    """Anybody who may push any ref could push refs/replace/ID; the branches stay as they are."""
    told = sluicegate(published, "history").stdout
    assert "auth=1.0.0" in told
    story = next(path for path in git("-C", published.bare, "ls-tree", "-r", "--name-only", "ledger").splitlines()
                 if "1.0.0" in path)  # fmt: skip
    names = {"blob": f"origin/ledger:{story}", "tree": "origin/ledger^{tree}", "commit": "origin/ledger"}
    mallory = tmp_path / "mallory"
    git("clone", "--quiet", published.bare, mallory)
    victim = git("-C", mallory, "rev-parse", names[of])
    empty = {kind: git("-C", mallory, "hash-object", "-w", "-t", kind, "/dev/null") for kind in ("blob", "tree")}
    forged = empty.get(of) or git("-C", mallory, "commit-tree", empty["tree"], "-m", "x")
    git("-C", mallory, "push", "--quiet", "origin", f"{forged}:refs/replace/{victim}")
    assert sluicegate(published, "history").stdout == told


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("usual", ["sha1", "sha256"])
def test_a_repository_is_read_by_url_however_its_ids_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, usual: str
) -> None:
    monkeypatch.setenv("GIT_DEFAULT_HASH", form)
    init_repo(tmp_path / "delivery.git", EntryPointDrivers(), bare=True)
    monkeypatch.setenv("GIT_DEFAULT_HASH", usual)
    done = subprocess.run(
        [sys.executable, "-m", "sluicegate", "-C", f"file://{tmp_path}/delivery.git", "status"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.root
@pytest.mark.parametrize("way", ["{}", "file://{}"])
def test_a_repository_of_somebody_else_is_a_usage_error_that_says_how_to_trust_it(
    published: Shop, tmp_path: Path, way: str
) -> None:
    subprocess.run(["chown", "-R", "65534:65534", published.bare], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "sluicegate", "-C", way.format(published.bare), "status"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"--add safe.directory {published.bare}" in done.stderr


@pytest.mark.parametrize("branch", ["main", "ledger"])
@pytest.mark.parametrize("way", ["{}", "file://{}"])
def test_a_tag_or_another_ref_of_a_branchs_name_is_not_taken_for_it(
    hooked: Shop, tmp_path: Path, branch: str, way: str
) -> None:
    first = git("-C", hooked.bare, "rev-list", "--max-parents=0", branch)
    for ref in (f"refs/tags/{branch}", f"refs/{branch}", f"refs/remotes/origin/{branch}"):
        git("-C", hooked.bare, "update-ref", ref, first)
    done = subprocess.run(
        [sys.executable, "-m", "sluicegate", "-C", way.format(hooked.bare), "pin", "auth=1.0.0", "--in", "integration"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert hooked.pins("integration") == {"auth": "1.0.0"}


def test_a_branch_that_keeps_git_from_pushing_is_named(hooked: Shop) -> None:
    """Git finds two branches for the whole name of one, and pushes to none."""
    git("-C", hooked.bare, "update-ref", "refs/heads/refs/heads/main", "main")
    done = sluicegate(hooked, "pin", "auth=1.0.0", "--in", "integration")
    assert done.returncode == 4
    assert "update-ref -d refs/heads/refs/heads/main" in done.stderr


def test_no_program_is_run_that_a_delivery_repo_names(published: Shop, tmp_path: Path) -> None:
    """A partial clone fetches what it lacks by a program of its settings: whoever may write these is not who reads."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    program.chmod(0o755)
    settings = {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "x",
        "remote.x.url": str(published.bare),
        "remote.x.promisor": "true",
        "remote.x.uploadpack": str(program),
    }
    for name, value in settings.items():
        git("-C", published.bare, "config", name, value)
    tree = git("-C", published.bare, "ls-tree", "main")
    missing = subprocess.run(
        ["git", "-C", published.bare, "mktree", "--missing"],
        input=tree.replace(tree.split()[2], "1" * 40), text=True, capture_output=True, check=True,
    ).stdout.strip()  # fmt: skip
    commit = git("-C", published.bare, "commit-tree", "-p", "main", "-m", "x", missing)
    git("-C", published.bare, "update-ref", "refs/heads/main", commit)
    for words in (["status"], ["check"], ["history"]):
        sluicegate(published, *words)
        assert not (tmp_path / "was-run").exists(), words
