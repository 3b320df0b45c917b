"""Which of the fetched commits is built: the git plugin's build choosers, for builds and for polling alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluicegate.errors import SluicegateError
from sluicegate.runner.scm import branches
from sluicegate.runner.scm.history import BuildData
from sluicegate.runner.scm.model import Chooser
from sluicegate.runner.scm.work import Repository

ABBREVIATED = re.compile(r"[0-9a-f]{6,64}")
DETACHED = "detached"
FIELDS = "%(refname)%00%(objectname)%00%(*objectname)%00%(committerdate:unix)%00%(*committerdate:unix)%00%(symref)"
EVENT = "GERRIT_PATCHSET_REVISION"
Keep = Callable[[str], bool]
"""Whether a branch of this name is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit that may be built, the branches that lead to it, and when it was made (seconds since 1970)."""

    commit: str
    branches: tuple[str, ...]
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is wanted: specifiers and refspecs with their variables replaced, the job's past, and a Gerrit event."""

    specs: tuple[str, ...]
    remotes: tuple[str, ...]
    refspecs: tuple[str, ...]
    chooser: Chooser
    past: BuildData
    now: datetime
    polling: bool = False
    event: str = ""


def candidates(repository: Repository, question: Question) -> list[Candidate]:
    """The commits to build, the first one first; empty when nothing fits. For polling only what was not built yet."""
    match question.chooser.kind:
        case "gerrit":
            return _gerrit(repository, question)
        case "inverse":
            return _unbuilt(repository, question, lambda name: not _wanted(question.specs, name))
        case "ancestry":
            return [
                candidate for candidate in _default(repository, question) if _young(repository, question, candidate)
            ]
        case "default":
            return _default(repository, question)


def forced(repository: Repository, commit: str) -> list[Candidate]:
    """The commit that a build has to take, with the remote branches that have it; none where it is not there."""
    if not repository.commit(commit):
        return []
    listed = repository.answer("for-each-ref", "--format=%(refname)", f"--contains={commit}", "refs/remotes/")
    names = [name.removeprefix("refs/remotes/") for name in listed.split() if not name.endswith("/HEAD")]
    return [Candidate(commit=commit, branches=tuple(names) or (DETACHED,))]


def _wanted(specs: Sequence[str], name: str) -> bool:
    return any(branches.matches(spec, name) for spec in specs)


def _gerrit(repository: Repository, question: Question) -> list[Candidate]:
    """The event's revision, else what the refspec fetched (GerritTriggerBuildChooser).

    Started by hand with a refspec of branches, FETCH_HEAD would be any of them: then it is the specifier's branch.
    """
    changes = [spec for spec in question.refspecs if not spec.lstrip("+").startswith("refs/heads/")]
    name = question.specs[0]
    if question.event and (commit := repository.commit(question.event)):
        return [Candidate(commit=commit, branches=(name,))]
    if changes and (commit := repository.commit("FETCH_HEAD")):
        return [Candidate(commit=commit, branches=(name,))]
    return _default(repository, question)


def _default(repository: Repository, question: Question) -> list[Candidate]:
    spec = branches.single(question.specs, question.remotes)
    if spec is None:
        return _unbuilt(repository, question, lambda name: _wanted(question.specs, name))
    if not question.polling and ABBREVIATED.fullmatch(spec) and (commit := repository.commit(spec)):
        return [Candidate(commit=commit, branches=(DETACHED,))]
    by_commit: dict[str, Candidate] = {}
    for name, commit in _spelled(repository, spec, question.remotes):
        if not (question.polling and question.past.has_built(commit)):
            by_commit.setdefault(commit, Candidate(commit=commit, branches=(name,)))
    return list(by_commit.values())


def _spelled(repository: Repository, spec: str, remotes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The branches that a specifier may mean; only when there are none, a tag or another reference."""
    remote_branches = False
    for name in branches.spellings(spec, remotes):
        if name == spec and remote_branches:
            return
        if any(name.startswith(f"{remote}/") for remote in remotes):
            commit = repository.commit(f"refs/remotes/{name}")
        else:
            commit = _other(repository, name)
        if commit:
            remote_branches = True
            yield name, commit


def _other(repository: Repository, name: str) -> str:
    """The commit of a tag, of FETCH_HEAD and the like; a local branch is what an earlier build has left."""
    if not (commit := repository.commit(name)):
        return ""
    full = repository.answer("rev-parse", "--symbolic-full-name", "--end-of-options", name).split("\n")
    return "" if full and full[-1].startswith("refs/heads/") else commit


def _unbuilt(repository: Repository, question: Question, keep: Keep) -> list[Candidate]:
    """All tips of the wanted branches that were not built yet, oldest first; else the last built one again."""
    tips = _tips(
        repository,
        [candidate for candidate in _all(repository) if any(keep(name) for name in candidate.branches)],
        keep,
    )
    fresh = [candidate for candidate in tips if not question.past.has_built(candidate.commit)]
    last = question.past.last
    if not fresh and not question.polling and last is not None and repository.commit(last.marked):
        again = next((candidate.branches for candidate in tips if candidate.commit == last.marked), last.branches)
        return [Candidate(commit=last.marked, branches=_in_order(again, question.specs))]
    return sorted(fresh, key=lambda candidate: candidate.at)


def _in_order(names: tuple[str, ...], specs: tuple[str, ...]) -> tuple[str, ...]:
    """The branches in the order in which the job lists their specifiers."""
    order = {name: next((n for n, s in enumerate(specs) if branches.matches(s, name)), len(specs)) for name in names}
    return tuple(sorted(names, key=lambda name: order[name]))


def _all(repository: Repository) -> list[Candidate]:
    """Every commit that a remote branch or a tag leads to."""
    done = repository.ask("for-each-ref", f"--format={FIELDS}", "refs/remotes/", "refs/tags/")
    if done.status != 0:
        raise SluicegateError(f"git cannot list the branches: {done.error_text}")
    by_commit: dict[str, Candidate] = {}
    for line in done.lines:
        name, commit, peeled, at, peeled_at, symbolic = line.split("\0")
        at = peeled_at or at
        if symbolic or not at:  # HEAD of a remote, or a tag of a file
            continue
        known = by_commit.get(peeled or commit)
        names = (*(known.branches if known else ()), name.removeprefix("refs/remotes/"))
        by_commit[peeled or commit] = Candidate(commit=peeled or commit, branches=names, at=int(at))
    return list(by_commit.values())


def _tips(repository: Repository, candidates: list[Candidate], keep: Keep) -> list[Candidate]:
    """Those that no other one contains, each with its wanted branches only (GitUtils.filterTipBranches)."""
    wanted = [
        Candidate(
            commit=candidate.commit, branches=tuple(name for name in candidate.branches if keep(name)), at=candidate.at
        )
        for candidate in candidates
    ]
    if len(wanted) < 2:
        return wanted
    # All without the parents of all: one walk, where `merge-base --independent` compares each with each.
    commits = "".join(f"{candidate.commit}\n^{candidate.commit}^@\n" for candidate in wanted)
    done = repository.ask("rev-list", "--stdin", stdin=commits.encode())
    if done.status != 0:
        raise SluicegateError(f"git cannot compare the branches: {done.error_text}")
    tips = set(done.text.split())
    return [candidate for candidate in wanted if candidate.commit in tips]


def _young(repository: Repository, question: Question, candidate: Candidate) -> bool:
    """Whether AncestryBuildChooser takes it: no older than so many days, and a descendant of the ancestor."""
    chooser = question.chooser
    if chooser.days >= 0:
        midnight = question.now.replace(hour=0, minute=0, second=0, microsecond=0)
        committed_at = repository.answer("log", "-1", "--format=%ct", candidate.commit)
        if not committed_at or int(committed_at) <= (midnight - timedelta(days=chooser.days)).timestamp():
            return False
    if not chooser.ancestor:
        return True
    return repository.ask("merge-base", "--is-ancestor", chooser.ancestor, candidate.commit).status == 0
