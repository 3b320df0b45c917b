"""Makes the commits of a change, which name each other, without a work tree; their objects are written by one Git.

Trees and commits are put together here and go as one pack to `git unpack-objects`, or, where they are many, to
`git index-pack`: each Git that is started costs more than all of that. Format: gitformat-pack(5), git-cat-file(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from sluicegate.errors import IntegrityError, SluicegateError
from sluicegate.tools.git.command import git
from sluicegate.tools.git.commits import (
    LEDGER_BASE,
    LEDGER_BEFORE,
    LEDGER_TREE,
    MAIN_COMMIT,
    Edit,
    Signature,
    with_trailers,
)
from sluicegate.tools.git.objects import FOLDER, Entries, Objects, object_id, tree_entries

MANY = 100
"""Objects from which on they are kept as a pack, as `fastimport.unpackLimit` and `receive.unpackLimit` have it."""
KINDS = {"commit": 1, "tree": 2, "blob": 3}
FILE = "100644"
IN_NO_PERSON = re.compile(r"[<>\x00-\x1f]")


def committed(
    objects: Objects, edits: tuple[Edit, ...], message: str, *, by: Signature, at: datetime, before: Mapping[str, str]
) -> dict[str, str]:
    """Branch -> new commit of each edit that changes something; nothing refers to the commits yet.

    The first edit's commit names the ledger that it was decided on, and the tree that the ledger gets with it; the
    second's names the commit of the first branch that it belongs to. `before` has the tips that they are pushed on.
    """
    new = _Written(objects, _like(edits))
    trees = {edit.branch: new.tree_of(edit) for edit in edits if edit.makes_commit}
    if len(edits) == 2:
        commits = _pair(new, edits, trees, message, _person(by, at), before)
    else:
        person = _person(by, at)
        changed = [edit for edit in edits if edit.makes_commit]
        commits = {edit.branch: new.commit(trees[edit.branch], edit.base, message, person) for edit in changed}
    new.write()
    return commits


def commit_of_tree(objects: Objects, tree: str, *, parent: str, message: str, by: Signature, at: datetime) -> str:
    """A new commit of a tree that is there; nothing refers to it yet."""
    new = _Written(objects, parent)
    commit = new.commit(tree, parent, message, _person(by, at))
    new.write()
    return commit


def _pair(
    new: _Written,
    edits: tuple[Edit, ...],
    trees: Mapping[str, str],
    message: str,
    person: str,
    before: Mapping[str, str],
) -> dict[str, str]:
    main, ledger = edits
    commits = {}
    first = before[ledger.branch]
    pushed_on = first if first != ledger.base else ""
    if main.makes_commit:
        names = {LEDGER_BASE: ledger.base, LEDGER_BEFORE: pushed_on, LEDGER_TREE: trees.get(ledger.branch, "")}
        text = with_trailers(message, names)
        commits[main.branch] = new.commit(trees[main.branch], main.base, text, person)
    if ledger.makes_commit:
        text = with_trailers(message, {MAIN_COMMIT: commits.get(main.branch, main.base)})
        commits[ledger.branch] = new.commit(trees[ledger.branch], ledger.base, text, person)
    return commits


def _like(edits: tuple[Edit, ...]) -> str:
    """An id of the repository, which says by its length how ids are made."""
    return next((edit.base for edit in edits if edit.base), "")


def _person(by: Signature, at: datetime) -> str:
    """A committer as Git writes it."""
    name, email = (IN_NO_PERSON.sub("", text).strip() for text in (by.name, by.email))
    return f"{name} <{email}> {int(at.timestamp())} +0000"


class _Written:
    """Objects that are put together and not yet there; `like` is an id of the repository, '' for an empty one."""

    def __init__(self, objects: Objects, like: str) -> None:
        self._objects = objects
        self._like = like or _made_anew(objects)
        self._new: dict[str, tuple[str, bytes]] = {}

    def tree_of(self, edit: Edit) -> str:
        """The tree that a commit of the edit has."""
        base = self._folder(f"{edit.base}^{{tree}}") if edit.base else {}
        for path in edit.files:
            _refuse_odd(path)
        return self._tree(self._changed(base, edit.files))

    def commit(self, tree: str, parent: str, message: str, person: str) -> str:
        head = f"tree {tree}\n{f'parent {parent}{chr(10)}' if parent else ''}author {person}\ncommitter {person}\n\n"
        return self._add("commit", (head + message).encode())

    def write(self) -> None:
        """Store them all, by one Git."""
        pack = _pack(self._new.values(), self._like)
        many = len(self._new) >= MANY
        words = ("index-pack", "--stdin") if many else ("unpack-objects", "-q")
        done = git(*words, repository=self._objects.repository, stdin=pack, check=False)
        if done.status != 0:
            raise SluicegateError(f"git {words[0]} could not write the change: {_first(done.error_text)}")

    def _changed(self, entries: Entries, files: Mapping[str, bytes | None]) -> Entries:
        """The entries of a folder with these files, by their paths from there; an empty folder goes away."""
        entries, below = dict(entries), dict[str, dict[str, bytes | None]]()
        for path, content in files.items():
            name, _, rest = path.partition("/")
            if rest:
                below.setdefault(name, {})[rest] = content
            elif content is None:
                entries.pop(name, None)
            else:
                entries[name] = (FILE, self._add("blob", content))
        for name, changes in below.items():
            mode, folder = entries.get(name, ("", ""))
            if mode != FOLDER and all(content is None for content in changes.values()):
                continue
            inside = self._changed(self._folder(folder) if mode == FOLDER else {}, changes)
            if inside:
                entries[name] = (FOLDER, self._tree(inside))
            else:
                entries.pop(name, None)
        return entries

    def _folder(self, name: str) -> Entries:
        content = self._objects.get(name)
        if content is None or content.type != "tree":
            raise IntegrityError(
                f"the tree {name} of {self._objects.repository} is damaged or missing",
                hint=f"git -C {self._objects.repository} fsck --full",
            )
        return tree_entries(content.content, len(content.id))

    def _tree(self, entries: Entries) -> str:
        rows = [(_in_order(name, mode), mode, name, object_name) for name, (mode, object_name) in entries.items()]
        lines = (
            b"%s %s\0%s" % (mode.encode(), _bytes(name), bytes.fromhex(object_name))
            for _, mode, name, object_name in sorted(rows)
        )
        return self._add("tree", b"".join(lines))

    def _add(self, kind: str, content: bytes) -> str:
        object_name = object_id(content, like=self._like, kind=kind)
        self._new[object_name] = (kind, content)
        return object_name


def _made_anew(objects: Objects) -> str:
    """An id of a repository that has no commit yet."""
    return git("hash-object", "-t", "tree", "--stdin", repository=objects.repository, stdin=b"").text.strip()


def _in_order(name: str, mode: str) -> bytes:
    """What Git puts entries in order by: a folder as if its name ended with a slash."""
    return _bytes(name) + (b"/" if mode == FOLDER else b"")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _refuse_odd(path: str) -> None:
    """Raise SluicegateError for a path that no tree may have."""
    if any(part in ("", ".", "..") or part.lower() == ".git" or "\0" in part for part in path.split("/")):
        raise SluicegateError(f"a file of the delivery repo cannot be called {path!r}")


def _pack(objects: Iterable[tuple[str, bytes]], like: str) -> bytes:
    """A pack of whole objects."""
    import hashlib
    import zlib

    rows = list(objects)
    content = bytearray(b"PACK" + (2).to_bytes(4, "big") + len(rows).to_bytes(4, "big"))
    for kind, text in rows:
        size, first = len(text) >> 4, KINDS[kind] << 4 | len(text) & 15
        while size:
            content.append(first | 0x80)
            size, first = size >> 7, size & 0x7F
        content.append(first)
        content += zlib.compress(text, 1)
    sums = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return bytes(content) + sums(content, usedforsecurity=False).digest()


def _first(output: str) -> str:
    lines = output.splitlines()
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), output or "it ended without a word")
