"""The repository in the workspace: made anew where it is missing or broken, its remotes set, their branches fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sluicegate.runner.scm.model import Clone, Git, Remote
from sluicegate.runner.scm.work import WorkTree
from sluicegate.tools import beneath
from sluicegate.tools.process import lines_of


def healthy(tree: WorkTree) -> bool:
    """Whether there is a repository that git can use (CliGitAPIImpl.hasGitRepo). Says so when there is a broken one."""
    if not (tree.folder / ".git").exists():
        return False
    if tree.ask("rev-parse", "--is-inside-work-tree").text.strip() == "true":
        return True
    tree.build.say("[WARNING] Workspace has a .git repository, but it appears to be corrupt.")
    return False


def intact(tree: WorkTree) -> bool:
    """Whether all that the references lead to is there: asked when a command has failed, for it takes its time."""
    return tree.ask("fsck", "--connectivity-only", "--no-dangling", "--no-progress").status == 0


def unlock(tree: WorkTree) -> None:
    """Remove the locks of a git that was killed: nobody else works in a workspace while its build runs."""
    for name in _locks(os.path.realpath(tree.folder)):
        tree.build.say(f"Removing the lock {name} that an earlier build has left")
        tree.build.ground.remove(tree.folder / name)


def _locks(place: str) -> Iterator[str]:
    """The names of the locks in a repository, where no part of it is a link: a build may have put one anywhere."""
    with suppress(OSError):
        git = beneath.open_real(f"{place}/.git")
        try:
            yield from [f".git/{name}" for name in sorted(os.listdir(git)) if name.endswith(".lock")]
        finally:
            os.close(git)
    for prefix, entries in beneath.folders(Path(place, ".git", "refs")):
        yield from [f".git/refs/{prefix}{entry.name}" for entry in entries if entry.name.endswith(".lock")]


def create(tree: WorkTree, clone: Clone) -> None:
    """An empty repository, as the plugin's clone makes it: whatever else is in the folder goes away."""
    tree.build.say("Cloning the remote Git repository")
    beneath.empty(tree.folder)
    tree.git("init", "--quiet", ".")
    if clone.reference:
        _refer(tree, tree.build.expand(clone.reference))


def _refer(tree: WorkTree, reference: str) -> None:
    """Take objects from another repository of this machine (CloneOption's reference)."""
    place = Path(reference)
    objects = next((folder for folder in (place / ".git" / "objects", place / "objects") if folder.is_dir()), None)
    if objects is None:
        tree.build.say(f"[WARNING] The reference path {reference} is no Git repository; going on without it")
        return
    tree.build.say(f"Using reference repository: {reference}")
    tree.build.ground.write(tree.folder / ".git/objects/info/alternates", f"{objects.resolve()}\n".encode())


def refspecs(remote: Remote, text: str) -> list[str]:
    """The refspecs of a remote, with their variables replaced; the plugin's default where there is none."""
    return text.split() or [remote.heads]


def covered(spec: str, remote: Remote) -> bool:
    """Whether fetching all branches brings what this refspec asks for, to the same place."""
    both_sides = re.fullmatch(r"\+?refs/heads/(.+):refs/remotes/(.+)", spec)
    return both_sides is not None and both_sides[2] == f"{remote.name}/{both_sides[1]}"


def fetch(tree: WorkTree, git: Git, remote: Remote, url: str, specs: list[str]) -> None:
    """Bring a remote's branches, then what its refspec names beyond them.

    The branches come each time unless `honorRefspec`: without them a refspec that has no destination would build the
    commit of the first build for ever, as it does on a Jenkins.
    """
    tree.build.say(f"Fetching upstream changes from {url}")
    heads = [remote.heads]
    _configure(tree, remote, url, specs if git.clone.honor_refspec else heads)
    if git.prune_tags:
        _prune_tags(tree, url)
    words = ["fetch", "--quiet", "--force", "--tags" if git.clone.tags else "--no-tags"]
    words += ["--prune"] if git.prune_branches else []
    words += [f"--depth={git.clone.depth}"] if git.clone.shallow else []
    rest = [spec for spec in specs if not covered(spec, remote)]
    rounds = [specs] if git.clone.honor_refspec else [heads, rest]
    for wanted in filter(None, rounds):
        tree.git(*words, "--", url, *wanted, minutes=git.clone.minutes)


def _configure(tree: WorkTree, remote: Remote, url: str, specs: list[str]) -> None:
    """Scripts fetch from and push to the remote by its name."""
    key = f"remote.{remote.name}"
    tree.git("config", f"{key}.url", url)
    mapped = [spec for spec in specs if ":" in spec] or [remote.heads]
    if lines_of(tree.answer("config", "--get-all", f"{key}.fetch")) != mapped:
        tree.ask("config", "--unset-all", f"{key}.fetch")
        for spec in mapped:
            tree.git("config", "--add", f"{key}.fetch", spec)


def _prune_tags(tree: WorkTree, url: str) -> None:
    """Delete the tags that the remote does not have (PruneStaleTag)."""
    own = dict(line.split(" ", 1)[::-1] for line in lines_of(tree.answer("show-ref", "--tags")))
    done = tree.ask("ls-remote", "--tags", "--refs", "--", url)
    if done.status != 0 or not own:
        return  # The fetch that follows says what is the matter with the remote.
    theirs = {line.partition("\t")[2]: line.partition("\t")[0] for line in done.lines}
    for name, commit in own.items():
        if theirs.get(name) != commit:
            tree.git("tag", "-d", name.removeprefix("refs/tags/"))
