"""What goes into a commit, and what a commit says: its tree, its parents, its message, and the trailers at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sluicegate.model.frozen import frozen

LEDGER_BASE = "Ledger-Base"  # in a commit of main: the ledger's tip that the change was decided on
LEDGER_BEFORE = (
    "Ledger-Before"  # the same, of the ledger before the push, where changes before this one went out with it
)
LEDGER_TREE = "Ledger-Tree"  # in a commit of main: the tree of the ledger's commit that belongs to it
MAIN_COMMIT = "Main-Commit"  # in a commit of the ledger: the commit of main that it belongs to
ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
TRAILER = re.compile(r"([A-Za-z][A-Za-z-]*): (.*)")


@frozen
class Edit:
    """The new content of files on one branch (None removes a file), on top of the commit `base` ('' starts it).

    One that changes no file makes a commit only where it is `marking`: for what its message says.
    """

    branch: str
    base: str
    files: Mapping[str, bytes | None]
    marking: bool = False

    @property
    def makes_commit(self) -> bool:
        return self.marking or bool(self.files)


@frozen
class Signature:
    """Who a commit is by."""

    name: str
    email: str


@frozen
class Commit:
    """One commit as `git cat-file` gives it; `committer` as Git writes it: NAME <ADDRESS> SECONDS ZONE."""

    tree: str
    parents: tuple[str, ...]
    committer: str
    message: str

    @property
    def trailers(self) -> Mapping[str, str]:
        """The `Name: ID` lines of the last paragraph, when it has nothing but `Name: value`."""
        lines = self.message.rstrip("\n").rpartition("\n\n")[2].split("\n")
        pairs = [TRAILER.fullmatch(line) for line in lines]
        return {pair[1]: pair[2] for pair in pairs if pair and ID.fullmatch(pair[2])} if all(pairs) else {}


def read_commit(content: bytes) -> Commit:
    """A commit object's content, read."""
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    lines = [line.partition(" ") for line in head.split("\n")]
    values = {key: value for key, _, value in lines}
    return Commit(
        tree=values.get("tree", ""),
        parents=tuple(value for key, _, value in lines if key == "parent"),
        committer=values.get("committer", ""),
        message=message,
    )


def with_trailers(message: str, trailers: Mapping[str, str]) -> str:
    """The message with these trailers as its last paragraph."""
    lines = "".join(f"{name}: {value}\n" for name, value in trailers.items() if value)
    return f"{message.rstrip()}\n\n{lines}" if lines else message


def without_trailers(message: str) -> str:
    """The message without its last paragraph where that is trailers."""
    body, _, last = message.rstrip("\n").rpartition("\n\n")
    return f"{body}\n" if body and all(TRAILER.fullmatch(line) for line in last.split("\n")) else message
