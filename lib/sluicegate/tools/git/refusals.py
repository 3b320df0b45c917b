"""Why Git did not move a branch, made of what it says then."""

from __future__ import annotations

import re

from sluicegate.errors import Conflict, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.tools.git import locks

UNCOMMITTED = "commit them there, or put them aside: git stash"
UNWRITABLE = (
    ": (Permission denied|Operation not permitted|Read-only file system|No space left on device|Disk quota exceeded"
    "|Input/output error)"
)
"""Why Git cannot lock a branch that nobody else has locked."""
BEATEN_SIGNS = (
    "stale info",
    "fetch first",
    "non-fast-forward",
    "incorrect old value",
    "failed to update ref",
    "cannot lock ref",
    "failed to lock",
    "reference already exists",
    "nonexistent object",  # a `gc --prune=now` in between took what nothing referred to yet
)


class Beaten(Conflict):
    """Somebody else moved a branch first: take the new tips and decide again."""


class LockInTheWay(Beaten):
    """A lock of Git keeps a branch from moving: somebody moves it just now, or was killed while moving it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"Git's lock {path} is in the way")
        self.path = path


def of_push(output: str, place: str) -> SluicegateError:
    """What a push that failed is told as; `place` is the repository as it may be shown."""
    if lock := locks.lock_in(output):
        return LockInTheWay(lock)
    if any(sign in output for sign in BEATEN_SIGNS):
        if unwritable := re.search(UNWRITABLE, output):
            hint = "check its rights, free space and mount"
            return RemoteUnavailable(f"{place} cannot be written: {unwritable[1]}", hint=hint)
        return Beaten("somebody else changed the delivery repo first", hint="run the command again")
    if ambiguous := re.search(r"dst refspec (\S+) matches more than one", output):
        return Conflict(
            f"{place} has a branch 'refs/heads/{ambiguous[1]}' as well, so Git does not know where to push",
            hint=f"remove it there: git update-ref -d refs/heads/{ambiguous[1]}",
        )
    if "hook declined" in output or "unstaged changes" in output or "updateInstead" in output:
        hint = UNCOMMITTED if "unstaged changes" in output else ""
        return Conflict(f"the delivery repo {place} refused the push: {words(output)}", hint=hint)
    if unfit := re.search(r"the receiving end does not support (--signed push|push options)", output):
        key = "push.gpgSign" if "signed" in unfit[1] else "push.pushOption"
        return UsageError(
            f"{place} does not take what Git's setting {key} adds to a push: {words(unfit[0])}",
            hint=f"git config --show-origin --get-all {key}; or have the server take it",
        )
    if "does not support --atomic push" in output:
        return UsageError(
            f"{place} does not move several branches in one step: {words(output)}",
            hint="git config receive.advertiseAtomic true there, or another server",
        )
    return RemoteUnavailable(f"the push to {place} failed: {words(output)}")


def words(output: str) -> str:
    """The last lines of what Git said, in one."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(("To ", "Done"))]
    return "; ".join(lines[-6:])
