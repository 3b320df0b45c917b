"""What a version brings: subjects and issues of the commits since the version before, as its checkout knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sluicegate.delivery.book.state import State
from sluicegate.delivery.book.versions import lower
from sluicegate.model.config import Component
from sluicegate.model.evidence import Built
from sluicegate.model.printable import printable
from sluicegate.tools.git.command import AS_IT_IS, git

MOST = 200
LONGEST, LONGEST_MESSAGE = 200, 20_000
"""Characters of a subject that are kept, and of a message that are searched for issues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commits:
    """Subjects, newest first, and issues in the order in which they are named; `notes` say what cannot be known."""

    subjects: tuple[str, ...] = ()
    issues: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_commits(state: State, spec: Component, version: str, commit: str, folder: Path | None) -> Commits:
    """Ask the checkout in `folder`, None for no checkout. A shallow or detached one is no mistake: it is said."""
    if folder is None or not commit:
        return Commits()
    shallow = git("rev-parse", "--is-shallow-repository", folder=folder, check=False).text.strip() == "true"
    note = _branch_note(spec, commit, folder, shallow)
    # Without the commit of the version before nobody can say what came since.
    before = _before(state, spec, version)
    if before is None or before.commit == commit:
        return Commits(notes=note)
    known = git("cat-file", "-e", f"{before.commit}^{{commit}}", folder=folder, check=False).status == 0
    if not known:
        why = "is shallow and has not" if shallow else "has not"
        lost = f"what changed is not known: the checkout {why} the commit {before.commit[:12]} of the version before"
        return Commits(notes=(lost, *note))
    # One more than is kept, to see whether some are left out.
    words = ("log", "-z", *AS_IT_IS, "--format=%s%n%b", f"--max-count={MOST + 1}", f"{before.commit}..{commit}", "--")
    messages = [message for message in git(*words, folder=folder).text.split("\0") if message.strip()]
    if len(messages) > MOST:
        note = (f"only the newest {MOST} commits since the version before are recorded", *note)
    messages = messages[:MOST]
    # Issues, as people spell them in the messages.
    pattern = re.compile(rf"(?<!\w)(?:{spec.issues})(?!\w)" if spec.issues else r"(?!)")
    names = (hit[0] for message in messages for hit in pattern.finditer(message[:LONGEST_MESSAGE]))
    return Commits(
        subjects=tuple(printable(message.partition("\n")[0])[:LONGEST] for message in messages),
        issues=tuple(dict.fromkeys(names))[:MOST],
        notes=note,
    )


def _before(state: State, spec: Component, version: str) -> Built | None:
    """The newest version below this one that says from which commit it was built."""
    for known in reversed(state.versions(spec.name)):
        if lower(spec.versions, known, version):
            built = state.story(spec.name, known).latest(Built)
            if built is not None and built.commit:
                return built
    return None


def _branch_note(spec: Component, commit: str, folder: Path, shallow: bool) -> tuple[str, ...]:
    if not spec.branch:
        return ()
    names = (f"refs/remotes/origin/{spec.branch}", f"refs/heads/{spec.branch}")
    tips = [name for name in names if git("rev-parse", "--verify", "--quiet", name, folder=folder, check=False).text]
    on = [git("merge-base", "--is-ancestor", commit, tip, folder=folder, check=False).status == 0 for tip in tips]
    if any(on):
        return ()
    if not tips or shallow:
        lacks = "is shallow" if tips else "has no such branch"
        return (f"whether {commit[:12]} is on the branch '{spec.branch}' is not known: the checkout {lacks}",)
    return (f"the commit {commit[:12]} is not on the branch '{spec.branch}' of {spec.name}",)
