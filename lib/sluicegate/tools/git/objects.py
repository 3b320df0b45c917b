"""Reads objects of a repository by one long-lived `git cat-file`, and tells what is missing from what is damaged."""

from __future__ import annotations

import os
import re
import subprocess
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sluicegate.errors import IntegrityError, SluicegateError, UsageError
from sluicegate.model.frozen import frozen
from sluicegate.tools import door, process
from sluicegate.tools.git.command import refuse_broken_settings, surroundings

REMEMBERED = 8_000_000
"""Bytes of contents that are kept of what was read last: a change reads the same files several times."""
UNCHANGING = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?(?![^:^])")
"""Begins a name that always leads to the same: the whole id of an object, with or without a way on from there."""
FOLDER = "40000"
Entries = dict[str, tuple[str, str]]  # name -> mode and id
AT_ONCE = 16_000
"""Bytes of names that are asked for at once: a pipe takes them all while nobody reads the answers yet."""


@frozen
class Object:
    """One object of Git: its id, its type (blob, tree, commit), its content."""

    id: str
    type: str
    content: bytes


def object_id(content: bytes, *, like: str, kind: str = "blob") -> str:
    """The id that Git gives to an object, by default a file's content, in a repository whose ids look like this one."""
    import hashlib

    sums = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return sums(b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False).hexdigest()


def tree_entries(tree: bytes, id_length: int) -> Entries:
    """Name -> mode and object id of a tree's entries; `id_length` is that of an id in hex.

    Raises IntegrityError where they are not in Git's order, each once: Git finds others then than who reads them all.
    """
    pattern = rb"([0-7]+) ([^\0]+)\0((?s:.{%d}))" % (id_length // 2)
    entries = re.findall(pattern, tree)
    named = {name.decode("utf-8", "surrogateescape"): (mode.decode(), entry.hex()) for mode, name, entry in entries}
    in_order = [name + b"/" if mode == FOLDER.encode() else name for mode, name, _ in entries]
    if len(named) < len(entries) or in_order != sorted(in_order):
        raise IntegrityError(
            "a folder of the delivery repo has a name twice or in the wrong place, so that no two readers agree on it",
            hint="git fsck names it; take it back in a further commit",
        )
    return named


class Objects:
    """The objects of one Git folder."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self._reader: subprocess.Popen[bytes] | None = None
        self._remembered: OrderedDict[str, Object] = OrderedDict()
        self._size = 0  # bytes of their contents

    def get(self, name: str) -> Object | None:
        """The object that a name such as COMMIT:PATH leads to; None where there is no such name.

        Raises IntegrityError where the name is there and its object is not, or is damaged.
        """
        return self.get_all([name])[0]

    def get_all(self, names: Sequence[str]) -> list[Object | None]:
        """The same for many names, several asked for at once: each question alone costs a change of processes."""
        if broken := next((name for name in names if "\n" in name), None):
            raise UsageError(f"a name with a line break cannot be looked up: {broken!r}")
        answers: dict[str, Object | None] = {name: self._remembered[name] for name in names if name in self._remembered}
        for portion in _portions([name for name in names if name not in answers]):
            reader = self._opened()
            assert reader.stdin is not None
            with suppress(BrokenPipeError):  # it has ended, and what it said is read below
                reader.stdin.write("".join(f"{name}\n" for name in portion).encode("utf-8", "surrogateescape"))
                reader.stdin.flush()
            for name in portion:
                answers[name] = self._answer(reader, name)
                self._remember(name, answers[name])
        return [answers[name] for name in names]

    def _remember(self, name: str, answer: Object | None) -> None:
        """Keep an answer that stays right: nothing that may come later, and no branch, which moves."""
        if answer is None or not UNCHANGING.match(name) or len(answer.content) > REMEMBERED // 8:
            return
        if name not in self._remembered:  # a name may be asked for twice at once
            self._size += len(answer.content)
        self._remembered[name] = answer
        while self._size > REMEMBERED or len(self._remembered) > REMEMBERED // 1000:
            self._size -= len(self._remembered.popitem(last=False)[1].content)

    def _answer(self, reader: subprocess.Popen[bytes], name: str) -> Object | None:
        assert reader.stdout is not None
        header = reader.stdout.readline().decode("utf-8", "replace").rstrip("\n")
        if header.endswith((" missing", " ambiguous")):
            return None
        described = re.fullmatch(r"([0-9a-f]+) (\w+) ([0-9]+)", header)
        if not described:
            raise self._ended(name)
        size = int(described[3])
        content = reader.stdout.read(size + 1)
        if len(content) <= size:
            raise self._ended(name)
        return Object(id=described[1], type=described[2], content=content[:size])

    def _opened(self) -> subprocess.Popen[bytes]:
        if self._reader is None or self._reader.poll() is not None:
            self.close()
            door.passing("git cat-file")
            self._complaints = open(os.memfd_create("git-cat-file"), "w+b")  # noqa: SIM115 (as long as the reader)
            try:
                self._reader = subprocess.Popen(
                    ["git", "cat-file", "--batch"],
                    env=surroundings(self.repository),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._complaints,
                )
            except FileNotFoundError as problem:
                self._complaints.close()
                raise process.missing("git") from problem
        return self._reader

    def _ended(self, name: str) -> SluicegateError:
        """What the reader died of."""
        last_words = self.close()
        refuse_broken_settings(last_words)
        place = name if ":" in name else f"the object {name}"
        return IntegrityError(
            f"{self.repository}: {place} cannot be read: {last_words or 'git cat-file ended without a word'}",
            hint=f"look what is damaged: git -C {self.repository} fsck; then fetch it again from a clone that has it",
        )

    def close(self) -> str:
        """End the reading process, and forget what it read; gives what that process complained of."""
        self._remembered.clear()
        self._size = 0
        if self._reader is None:
            return ""
        assert self._reader.stdin is not None and self._reader.stdout is not None
        with suppress(BrokenPipeError):
            self._reader.stdin.close()
        self._reader.stdout.close()
        self._reader.wait()
        self._reader = None
        with self._complaints:
            self._complaints.seek(0)
            return self._complaints.read().decode("utf-8", "replace").strip()


def _portions(names: Sequence[str]) -> Iterator[list[str]]:
    """The names in order, as many at once as a pipe takes."""
    portion: list[str] = []
    size = 0
    for name in names:
        length = len(name.encode("utf-8", "surrogateescape")) + 1
        if portion and size + length > AT_ONCE:
            yield portion
            portion, size = [], 0
        portion.append(name)
        size += length
    if portion:
        yield portion
