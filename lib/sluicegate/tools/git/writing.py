"""Makes the commits of a change, which name each other, without a work tree and in one `git fast-import`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.tools import door, process
from sluicegate.tools.git.command import git, refuse_broken_settings, surroundings
from sluicegate.tools.git.commits import LEDGER_BASE, LEDGER_TREE, MAIN_COMMIT, Edit, Signature, with_trailers


@contextmanager
def committed(
    repository: Path, edits: tuple[Edit, ...], message: str, *, by: Signature, at: datetime
) -> Iterator[dict[str, str]]:
    """Branch -> new commit of each edit that changes something; the commits stay until the block ends.

    The first edit's commit names the ledger that it was decided on, and the tree that the ledger gets with it; the
    second's names the commit of the first branch that it belongs to.
    """
    changed = [edit for edit in edits if edit.makes_commit]
    with _passing_refs(repository, [edit.branch for edit in changed]) as prefix:
        with _Import(repository, prefix, _person(by, at)) as importer:
            if len(edits) == 2:
                commits = _pair(importer, edits, message)
            else:
                commits = {edit.branch: importer.commit(edit, message) for edit in changed}
        yield commits


@contextmanager
def commit_of_tree(
    repository: Path, tree: str, *, parent: str, message: str, by: Signature, at: datetime
) -> Iterator[str]:
    """A new commit of a tree that is there; it stays until the block ends."""
    edit = Edit(branch="half", base=parent, files={})
    with _passing_refs(repository, [edit.branch]) as prefix:
        with _Import(repository, prefix, _person(by, at)) as importer:
            commit = importer.commit(edit, message, tree=tree)
        yield commit


def _person(by: Signature, at: datetime) -> str:
    """A committer as Git writes it."""
    return f"{by.name} <{by.email}> {int(at.timestamp())} +0000"


@contextmanager
def _passing_refs(repository: Path, branches: Sequence[str]) -> Iterator[str]:
    """The prefix of refs that keep the new commits of these branches until the block ends."""
    prefix = f"refs/sluicegate/{os.urandom(8).hex()}"
    try:
        yield prefix
    finally:
        lines = "".join(f"delete {prefix}/{branch}\n" for branch in branches)
        git("update-ref", "--stdin", repository=repository, stdin=lines.encode(), check=False)


def _pair(importer: _Import, edits: tuple[Edit, ...], message: str) -> dict[str, str]:
    main, ledger = edits
    commits = {}
    tree = importer.tree(ledger) if main.makes_commit and ledger.makes_commit else ""
    if main.makes_commit:
        text = with_trailers(message, {LEDGER_BASE: ledger.base, LEDGER_TREE: tree})
        commits[main.branch] = importer.commit(main, text)
    if ledger.makes_commit:
        text = with_trailers(message, {MAIN_COMMIT: commits.get(main.branch, main.base)})
        commits[ledger.branch] = importer.commit(ledger, text, tree=tree)
    return commits


class _Import:
    """A running `git fast-import`, asked as it goes: each answer is needed for the next commit."""

    def __init__(self, repository: Path, prefix: str, person: str) -> None:
        self.repository = repository
        self.prefix = prefix
        self.person = person
        self.mark = 0

    def __enter__(self) -> _Import:
        door.passing("git fast-import")
        try:
            self._process = subprocess.Popen(
                ["git", "fast-import", "--quiet", "--done"],
                env=surroundings(self.repository),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as problem:
            raise process.missing("git") from problem
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        words = self._process.communicate(None if kind else b"done\n", timeout=60)[1]
        if kind is None and self._process.returncode != 0:
            raise _failed(words)

    def tree(self, edit: Edit) -> str:
        """The tree that a commit of the edit will have, made now."""
        self._write(edit, "a tree\n", branch=f"{edit.branch}-tree")
        answer = self._ask(f'ls :{self.mark} ""\n')  # as `040000 tree ID<tab>`
        self._send(f"reset {self.prefix}/{edit.branch}-tree\nfrom {'0' * 40}\n\n".encode())
        return answer.split()[2]

    def commit(self, edit: Edit, message: str, *, tree: str = "") -> str:
        """Make the commit of an edit, or one of a tree that is made already; its id."""
        self._write(edit, message, branch=edit.branch, tree=tree)
        return self._ask(f"get-mark :{self.mark}\n")

    def _write(self, edit: Edit, message: str, *, branch: str, tree: str = "") -> None:
        self.mark += 1
        text = message.encode()
        head = f"commit {self.prefix}/{branch}\nmark :{self.mark}\ncommitter {self.person}\ndata {len(text)}\n"
        base = f"from {edit.base}\n" if edit.base else ""
        self._send(head.encode() + text + b"\n" + base.encode())
        if tree:
            self._send(f'M 040000 {tree} ""\n\n'.encode())
        else:
            self._send(_file_commands(edit.files) + b"\n")

    def _send(self, commands: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(commands)
        except BrokenPipeError as problem:
            raise self._broken() from problem

    def _ask(self, question: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._send(question.encode())
        try:
            self._process.stdin.flush()
        except BrokenPipeError as problem:
            raise self._broken() from problem
        answer = self._process.stdout.readline().decode("utf-8", "replace").strip()
        if not answer:
            raise self._broken()
        return answer

    def _broken(self) -> SluicegateError:
        assert self._process.stderr is not None
        return _failed(self._process.stderr.read())


def _failed(said: bytes) -> SluicegateError:
    words = said.decode("utf-8", "replace").strip()
    refuse_broken_settings(words)
    first = next((line for line in words.splitlines() if line.startswith(("fatal:", "error:"))), words)
    return SluicegateError(f"git fast-import could not commit: {first or 'it ended without a word'}")


def _file_commands(files: Mapping[str, bytes | None]) -> bytes:
    commands = bytearray()
    for path, content in sorted(files.items()):
        quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        if content is None:
            commands += f"D {quoted}\n".encode()
        else:
            commands += f"M 100644 inline {quoted}\ndata {len(content)}\n".encode() + content + b"\n"
    return bytes(commands)
