"""The work tree at the chosen commit: cleaning, merge before the build, sparse paths, submodules, large files, tag."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.runner.build import StepFailed
from sluicegate.runner.scm.choosing import Candidate
from sluicegate.runner.scm.model import Clean, Git, Merge, Submodules
from sluicegate.runner.scm.work import LOGIN, WorkTree

NOBODY = {"GIT_AUTHOR_NAME": "Jenkins", "GIT_AUTHOR_EMAIL": "jenkins@localhost"}
"""Who merges and tags where neither the job nor git's settings name a person."""
NOBODY |= {name.replace("AUTHOR", "COMMITTER"): text for name, text in NOBODY.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """Where the work tree is now. `local_branch` is empty for a detached HEAD."""

    commit: str
    local_branch: str


def clean_before(tree: WorkTree, git: Git) -> None:
    """CleanBeforeCheckout: done before the fetch."""
    if git.clean_before is not None:
        _clean(tree, git.clean_before, git.submodules)


def _clean(tree: WorkTree, clean: Clean, submodules: Submodules | None) -> None:
    tree.build.say("Cleaning workspace")
    words = ["clean", "-ffdx" if clean.nested else "-fdx", "--quiet"]
    if tree.commit("HEAD"):
        tree.git("reset", "--quiet", "--hard")
    tree.git(*words)
    if submodules is not None and (tree.folder / ".gitmodules").is_file():
        each = ["submodule", "--quiet", "foreach", *(["--recursive"] if submodules.recursive else [])]
        tree.git(*each, "git reset --quiet --hard")
        tree.git(*each, f"git {' '.join(words)}")


def switch(tree: WorkTree, git: Git, chosen: Candidate) -> Switched:
    """Check the candidate out, merged where the job says so."""
    branch = chosen.branches[0]
    local = _local_branch(tree, git, branch)
    _set_sparse(tree, git)
    if git.merge is not None:
        commit = _merge(tree, git, git.merge, chosen, local)
    else:
        tree.build.say(f"Checking out Revision {chosen.commit} ({branch})")
        _check_out(tree, git, chosen.commit, local)
        commit = chosen.commit
    subject = tree.answer("log", "-1", "--format=%s", commit)
    tree.build.say(f'Commit message: "{subject}"')
    if git.large_files:
        tree.git("lfs", "pull", git.remotes[0].name, minutes=git.clone.minutes)
    if git.submodules is not None and (tree.folder / ".gitmodules").is_file():
        _update_submodules(tree, git.submodules)
    if git.clean_after is not None:
        _clean(tree, git.clean_after, git.submodules)
    if git.tag_builds:
        _tag(tree)
    return Switched(commit=commit, local_branch=local)


def _local_branch(tree: WorkTree, git: Git, branch: str) -> str:
    """The name that the job wants to be on; `**` and an empty one mean the remote branch's (LocalBranch)."""
    if git.local_branch is None:
        return ""
    wanted = tree.build.expand(git.local_branch)
    if wanted not in ("", "**"):
        return wanted
    plain = branch.removeprefix("refs/remotes/")
    return next((plain.removeprefix(f"{r.name}/") for r in git.remotes if plain.startswith(f"{r.name}/")), plain)


def _check_out(tree: WorkTree, git: Git, commit: str, local: str) -> None:
    where = ["-B", local] if local else ["--detach"]
    tree.git("checkout", "--quiet", "--force", *where, commit, minutes=git.checkout_minutes)


def _set_sparse(tree: WorkTree, git: Git) -> None:
    """Check out only the paths that the job lists; all of them again when it lists none any more."""
    listed = tree.folder / ".git" / "info" / "sparse-checkout"
    if not git.sparse and tree.answer("config", "--bool", "core.sparseCheckout") != "true":
        return
    tree.git("config", "core.sparseCheckout", "true")
    paths = [tree.build.expand(path) for path in git.sparse] or ["/*"]
    tree.build.ground.write(listed, "".join(f"{path}\n" for path in paths).encode("utf-8", "surrogateescape"))
    if tree.commit("HEAD"):
        tree.git("read-tree", "--reset", "-u", "HEAD")
    if not git.sparse:
        tree.git("config", "core.sparseCheckout", "false")


def _merge(tree: WorkTree, git: Git, merge: Merge, chosen: Candidate, local: str) -> str:
    """Build what would come of merging the candidate into the target (PreBuildMerge)."""
    target = tree.build.expand(merge.target)
    onto = tree.commit(f"refs/remotes/{target}")
    if not onto:
        raise StepFailed(f"there is no branch {target} to merge into")
    if onto == chosen.commit:
        tree.build.say(f"Checking out Revision {chosen.commit} ({chosen.branches[0]})")
        _check_out(tree, git, chosen.commit, local)
        return chosen.commit
    tree.build.say(f"Merging Revision {chosen.commit} ({chosen.branches[0]}) to {target}")
    _check_out(tree, git, onto, local)
    _somebody(tree)
    strategy = [f"--strategy={merge.strategy}"] if merge.strategy else []
    try:
        tree.git("merge", "--quiet", merge.fast_forward, *strategy, "-m", f"Merge {chosen.commit}", chosen.commit)
    except StepFailed as problem:
        _check_out(tree, git, chosen.commit, local)  # No conflict markers are left behind.
        raise StepFailed(f"Branch not suitable for integration as it does not merge cleanly into {target}") from problem
    return tree.commit("HEAD")


def _somebody(tree: WorkTree) -> None:
    """Git refuses to commit for nobody."""
    if tree.ask("var", "GIT_COMMITTER_IDENT").status != 0 or tree.ask("var", "GIT_AUTHOR_IDENT").status != 0:
        tree.env = {**NOBODY, **tree.env}


def _update_submodules(tree: WorkTree, options: Submodules) -> None:
    recursive = ["--recursive"] if options.recursive else []
    tree.git("submodule", "--quiet", "sync", *recursive)
    words = ["submodule", "--quiet", "update", "--init", "--force", *recursive]
    words += ["--remote"] if options.tracking else []
    words += [f"--depth={options.depth}"] if options.shallow else []
    words += [f"--jobs={options.threads}"] if options.threads > 1 else []
    if reference := tree.build.expand(options.reference):
        words += ["--reference", reference]
    own = tree.env
    if not options.parent_credentials:
        tree.env = {name: text for name, text in own.items() if name not in LOGIN}
    try:
        tree.git(*words, minutes=options.minutes)
    finally:
        tree.env = own


def _tag(tree: WorkTree) -> None:
    """PerBuildTag: `jenkins-NAME-NUMBER` in the workspace."""
    _somebody(tree)
    record = tree.build.record
    name = record.job.rpartition("/")[2].replace(" ", "_")
    tree.git("tag", "-a", "-f", "-m", f"Jenkins Build #{record.number}", f"jenkins-{name}-{record.number}")
