"""Completes a change of both branches of which only one arrived, because the push was killed between the two.

Each commit of the ledger names the commit of main that it belongs to, and each commit of main that changed the ledger
too names the tree that the ledger got with it. So whoever comes next sees which of the two is ahead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from sluicegate.errors import IntegrityError
from sluicegate.tools.git.commits import (
    LEDGER_BASE,
    LEDGER_BEFORE,
    LEDGER_TREE,
    MAIN_COMMIT,
    Commit,
    Edit,
    Signature,
    without_trailers,
)
from sluicegate.tools.git.store import Store

REVERTED = re.compile(r"^This reverts commit ([0-9a-f]{40,64})\b", re.MULTILINE)
"""What `git revert` writes."""


def complete(store: Store, tips: Mapping[str, str], adds: Callable[[str, str], bool]) -> str:
    """Bring the branch that is behind to where the other one is; a sentence on what was done, '' when nothing was.

    `adds` says whether a ledger is an earlier one and more. One that is not is no half of a change, whatever a commit
    of main names: who may push there alone would write the ledger.

    Raises Beaten when somebody else moves the branch meanwhile, IntegrityError when the missing half cannot be had.
    """
    main, ledger = store.branches
    if not tips.get(main) or not tips.get(ledger):
        return ""
    named = store.commit(tips[ledger]).trailers.get(MAIN_COMMIT, "")
    if not named or named == tips[main]:  # a ledger of before has no names
        return ""
    if store.descends(tips[main], named):
        return _complete_ledger(store, tips, adds, since=named)
    return _complete_main(store, tips, named)


def _complete_ledger(store: Store, tips: Mapping[str, str], adds: Callable[[str, str], bool], *, since: str) -> str:
    """Commits of main after `since` are made by hand, but for one whose half of the ledger did not arrive.

    One that was reverted needs no half where nobody has it: that is the way out.
    """
    main, ledger = store.branches
    listed = store.git("rev-list", "--first-parent", "--reverse", f"{since}..{tips[main]}").text.split()
    commits = {commit_id: store.commit(commit_id) for commit_id in listed}
    reverted = {taken for commit in commits.values() for taken in REVERTED.findall(commit.message)}
    together = [commit_id for commit_id in listed if commits[commit_id].trailers.get(LEDGER_BEFORE, "") == tips[ledger]]
    for last in reversed(together):  # changes that went out in one push: all before the last of them are one chain
        chain = commits[last].trailers.get(LEDGER_BASE, "")
        if not chain or not _is_had(store, last, "commit", chain, reverted):
            continue
        if store.descends(chain, tips[ledger]) and adds(tips[ledger], chain):
            store.advance(ledger, tips[ledger], chain)
            return f"'{ledger}' got what was pushed before {last[:12]}, whose push was cut off"
    for commit_id, commit in commits.items():
        tree = commit.trailers.get(LEDGER_TREE, "")
        if not tree or commit.trailers.get(LEDGER_BASE, "") != tips[ledger]:
            continue
        if not _is_had(store, commit_id, "tree", tree, reverted) or not adds(tips[ledger], tree):
            continue
        by, at = _person(commit)
        message = f"{without_trailers(commit.message).rstrip()}\n\n{MAIN_COMMIT}: {commit_id}\n"
        half = store.commit_of_tree(tree, parent=tips[ledger], message=message, by=by, at=at)
        store.advance(ledger, tips[ledger], half)
        return f"'{ledger}' got its half of {commit_id[:12]}, whose push was cut off"
    return ""


def _is_had(store: Store, commit_id: str, kind: str, half: str, reverted: Collection[str]) -> bool:
    """Whether the half of a commit is there. Raises IntegrityError where it is not, and the commit still counts."""
    main, ledger = store.branches
    if (there := store.has(half)) or commit_id in reverted:
        return there
    raise IntegrityError(
        f"the commit {commit_id} of '{main}' was pushed without its half on '{ledger}', whose {kind} {half} "
        f"is not in {store.shown}",
        hint=f"take the change back, then make it again: git revert {commit_id}",
    )


def _complete_main(store: Store, tips: Mapping[str, str], named: str) -> str:
    """The ledger has its half of a push; main gets its own, on top of what was committed there meanwhile."""
    main, ledger = store.branches
    if not store.has(named):
        raise IntegrityError(
            f"'{ledger}' of {store.shown} belongs to the commit {named} of '{main}', which is not there",
            hint=f"push it from a clone that has it: git push {store.shown} {named}:refs/heads/{main}",
        )
    half = store.commit(named)
    # Where several changes went out in one push, main had what stands before the first of them.
    parent = store.fork(tips[main], named)
    if parent == tips[main]:
        store.advance(main, tips[main], named)
        return f"'{main}' got the commit {named[:12]}, whose push was cut off"
    paths = store.git("diff-tree", "-r", "--name-only", "-z", parent, named).text.split("\0") if parent else []
    files = {
        path: store.read(named, path)
        for path in paths
        if path and store.read(tips[main], path) == store.read(parent, path)  # what was edited since stays
    }
    by, at = _person(half)
    note = f"{without_trailers(half.message).rstrip()}\n\nThe push of {named} was cut off; this is its half.\n"
    # The ledger's new commit changes nothing: it names the commit of main that the ledger belongs to from now on.
    pair = (
        Edit(branch=main, base=tips[main], files=files),
        Edit(branch=ledger, base=tips[ledger], files={}, marking=True),
    )
    store.push(pair, note, by=by, at=at)
    return f"'{main}' got the change of {named[:12]}, whose push was cut off"


def _person(commit: Commit) -> tuple[Signature, datetime]:
    """Who made a commit, and when."""
    written = re.fullmatch(r"(.*) <(.*)> ([0-9]{1,11}) [-+][0-9]{4}", commit.committer)
    if written is None:
        raise IntegrityError(f"a commit's committer cannot be read: '{commit.committer}'")
    return Signature(name=written[1], email=written[2]), datetime.fromtimestamp(int(written[3]), UTC)
