"""A Git repository used as a store: read files at the tips of branches, commit to several branches in one push.

No work tree is needed. What a commit is based on is what the push compares with, so that a change by somebody else
in between is seen as `Beaten` and never overwritten.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sluicegate.errors import Conflict, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.tools import door, process
from sluicegate.tools.gitplace import cache_folder, resolve, shown

QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
    "GIT_DIR": "",
}
NOTHING = "0" * 40


class Beaten(Conflict):
    """Somebody else moved a branch first: take the new tips and decide again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The new content of files on one branch (None removes a file), on top of the commit `base` ('' starts it)."""

    branch: str
    base: str
    files: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who a commit is by."""

    name: str
    email: str


class Store:
    """One Git repository by path or URL. `remote` is where changes are pushed, `local` the object store read here."""

    def __init__(self, location: str, branches: tuple[str, ...], *, cache: Path | None = None) -> None:
        self.location = location
        self.branches = branches
        self._reader: subprocess.Popen[bytes] | None = None
        place = resolve(location, cache or cache_folder())
        self.remote, self.local, self._own = place.remote, place.local, place.own
        self.mirrored = str(self.local) != self.remote

    @property
    def clone(self) -> bool:
        """Whether the location is a clone, that stands for another repository."""
        return self._own != self.local

    @property
    def shown(self) -> str:
        """The repository that is read and written, without a password."""
        return shown(self.remote)

    @property
    def _environment(self) -> dict[str, str]:
        return {**QUIET, "GIT_DIR": str(self.local)}

    def _git(self, *words: str, stdin: bytes | None = None, check: bool = True) -> process.Completed:
        return process.run(["git", *words], env=self._environment, stdin=stdin, check=check)

    def tips(self) -> dict[str, str]:
        """The newest commit of each branch, '' where there is none; fetched when the remote is elsewhere."""
        if self.mirrored:
            self._fetch()
        shas = {}
        for branch in self.branches:
            found = self._object(f"{self._ref(branch)}^{{commit}}")
            shas[branch] = found[0] if found else ""
        return shas

    def _ref(self, branch: str) -> str:
        return f"refs/remotes/origin/{branch}" if self.mirrored else f"refs/heads/{branch}"

    def _fetch(self) -> None:
        from sluicegate.tools import files

        refspecs = [f"+refs/heads/{branch}:refs/remotes/origin/{branch}" for branch in self.branches]
        try:  # Git lets only one change what a repository is shallow of
            with files.locked(self.local.with_suffix(".fetch")):
                done = self._git("fetch", "--quiet", "--depth=1", "--", self.remote, *refspecs, check=False)
        except (RemoteUnavailable, Conflict) as problem:
            raise RemoteUnavailable(
                f"the delivery repo {shown(self.remote)} says nothing: {problem.message}",
                hint="look at the Git server and the network, then run the same again",
            ) from problem
        if "couldn't find remote ref" in done.error_text:
            wanted = " and ".join(self.branches)
            raise UsageError(f"{shown(self.remote)} is not a delivery repo: it lacks the branches {wanted}")
        if done.status != 0:
            raise RemoteUnavailable(
                f"the delivery repo {shown(self.remote)} could not be fetched: {_words(done.error_text)}"
            )

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's content at a commit; None when it is not there."""
        found = self._object(f"{commit}:{path}") if commit else None
        return found[2] if found and found[1] == "blob" else None

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        """The entries of a folder at a commit, sorted; empty when it is not there."""
        found = self._object(f"{commit}:{folder}") if commit else None
        if not found or found[1] != "tree":
            return ()
        entries = re.finditer(rb"[0-7]+ ([^\0]+)\0(?s:.{%d})" % (len(found[0]) // 2), found[2])
        return tuple(sorted(entry[1].decode("utf-8", "surrogateescape") for entry in entries))

    def _object(self, name: str) -> tuple[str, str, bytes] | None:
        """Id, type and content of an object, from one long-lived `git cat-file`."""
        if "\n" in name:
            raise UsageError(f"a name with a line break cannot be looked up: {name!r}")
        reader = self._open_reader()
        assert reader.stdin is not None and reader.stdout is not None
        reader.stdin.write(name.encode("utf-8", "surrogateescape") + b"\n")
        reader.stdin.flush()
        header = reader.stdout.readline().decode("utf-8", "replace").rstrip("\n")
        if header.endswith((" missing", " ambiguous")):
            return None
        found = re.fullmatch(r"([0-9a-f]+) (\w+) ([0-9]+)", header)
        if not found:
            raise SluicegateError(f"git cat-file answered '{header}' for {name}")
        content = reader.stdout.read(int(found[3]))
        reader.stdout.read(1)
        return found[1], found[2], content

    def _open_reader(self) -> subprocess.Popen[bytes]:
        if self._reader is None or self._reader.poll() is not None:
            door.passing("git cat-file")
            try:
                self._reader = subprocess.Popen(
                    ["git", "cat-file", "--batch"],
                    env={**os.environ, **self._environment},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except FileNotFoundError as problem:
                raise process.missing("git") from problem
        return self._reader

    def close(self) -> None:
        """End the reading process."""
        if self._reader is not None:
            assert self._reader.stdin is not None and self._reader.stdout is not None
            with suppress(BrokenPipeError):
                self._reader.stdin.close()
            self._reader.stdout.close()
            self._reader.wait()
            self._reader = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def signature(self) -> Signature:
        """Git's own idea of who we are, in the clone that we work in."""
        environment = {**self._environment, "GIT_DIR": str(self._own)}
        done = process.run(["git", "var", "GIT_COMMITTER_IDENT"], env=environment, check=False)
        found = re.match(r"(.*) <(.*)> [0-9]+ ", done.text)
        if done.status != 0 or not found:
            raise UsageError(
                "Git does not know who you are",
                hint="git config --global user.name NAME; git config --global user.email ADDRESS",
            )
        return Signature(name=found[1], email=found[2])

    def push(self, edits: Iterable[Edit], message: str, *, by: Signature, at: datetime) -> dict[str, str]:
        """Commit all edits and push them in one atomic step. Raises Beaten when a branch has moved since its base."""
        everything = tuple(edits)
        edits = tuple(edit for edit in everything if edit.files)
        if not edits:
            return {}
        import secrets

        prefix = f"refs/sluicegate/{secrets.token_hex(8)}"
        try:
            shas = self._commit(edits, message, prefix, by=by, at=at)
            self._send(edits, shas, tuple(edit for edit in everything if not edit.files))
        finally:
            lines = "".join(f"delete {prefix}/{edit.branch}\n" for edit in edits)
            self._git("update-ref", "--stdin", stdin=lines.encode(), check=False)
        return shas

    def _commit(
        self, edits: tuple[Edit, ...], message: str, prefix: str, *, by: Signature, at: datetime
    ) -> dict[str, str]:
        stream = bytearray()
        person = f"{by.name} <{by.email}> {int(at.timestamp())} +0000"
        for mark, edit in enumerate(edits, start=1):
            text = message.encode()
            stream += f"commit {prefix}/{edit.branch}\nmark :{mark}\ncommitter {person}\n".encode()
            stream += b"data %d\n%s\n" % (len(text), text)
            if edit.base:
                stream += f"from {edit.base}\n".encode()
            for path, content in sorted(edit.files.items()):
                stream += _file_command(path, content)
            stream += f"\nget-mark :{mark}\n".encode()
        stream += b"done\n"
        done = self._git("fast-import", "--quiet", "--done", stdin=bytes(stream))
        return dict(zip((edit.branch for edit in edits), done.text.split(), strict=True))

    def _send(self, edits: tuple[Edit, ...], shas: Mapping[str, str], unchanged: tuple[Edit, ...]) -> None:
        """Push; a branch that was read but not changed is compared with its base as well."""
        leases = [f"--force-with-lease=refs/heads/{edit.branch}:{edit.base}" for edit in (*edits, *unchanged)]
        refspecs = [f"{shas[edit.branch]}:refs/heads/{edit.branch}" for edit in edits]
        refspecs += [f"{edit.base}:refs/heads/{edit.branch}" for edit in unchanged if edit.base]
        done = self._git("push", "--porcelain", "--atomic", *leases, "--", self.remote, *refspecs, check=False)
        if done.status == 0:
            return
        if self._landed(edits, shas):
            return
        said = f"{done.text}\n{done.error_text}"
        if any(sign in said for sign in BEATEN_SIGNS):
            raise Beaten("somebody else changed the delivery repo first", hint="run the command again")
        if "hook declined" in said or "unstaged changes" in said or "updateInstead" in said:
            hint = UNCOMMITTED if "unstaged changes" in said else ""
            raise Conflict(f"the delivery repo {shown(self.remote)} refused the push: {_words(said)}", hint=hint)
        raise RemoteUnavailable(f"the push to {shown(self.remote)} failed: {_words(said)}")

    def refuse_changed(self) -> None:
        """Raise Conflict when the repository has a work tree with changes, for which Git would refuse our next push."""
        if Path(self.remote).name != ".git" or not Path(self.remote).is_dir():
            return
        place = Path(self.remote).parent
        done = process.run(["git", "-C", place, "status", "--porcelain", "--untracked-files=no"], check=False)
        if names := ", ".join(line[3:] for line in done.text.splitlines()):
            raise Conflict(f"{place} has changes that are not committed: {names}", hint=UNCOMMITTED)

    def _landed(self, edits: tuple[Edit, ...], shas: Mapping[str, str]) -> bool:
        """Whether the push took effect although its answer was lost: the branches are where we put them."""
        done = self._git("ls-remote", "--", self.remote, *(f"refs/heads/{e.branch}" for e in edits), check=False)
        now = {ref: sha for sha, ref in (line.split("\t") for line in done.text.splitlines() if "\t" in line)}
        return done.status == 0 and all(now.get(f"refs/heads/{e.branch}") == shas[e.branch] for e in edits)

    @contextmanager
    def lock(self, seconds: float = 60.0) -> Iterator[None]:
        """Hold back other writers on this machine, so that they do not wear each other out with retries."""
        import hashlib

        from sluicegate.tools import files

        name = hashlib.sha256(self.remote.encode()).hexdigest()[:24]
        with files.locked(cache_folder() / f"{name}.lock", seconds=seconds):
            yield


UNCOMMITTED = "commit them there, or put them aside: git stash"
BEATEN_SIGNS = (
    "stale info",
    "fetch first",
    "non-fast-forward",
    "incorrect old value",
    "failed to update ref",
    "cannot lock ref",
    "failed to lock",
    "reference already exists",
)


def init_store(folder: Path, *, bare: bool, branch: str) -> None:
    """Make a new repository; a work tree in it follows what is pushed."""
    process.run(["git", "init", "--quiet", f"--initial-branch={branch}", *(["--bare"] if bare else []), "--", folder])
    if not bare:
        process.run(["git", "-C", folder, "config", "receive.denyCurrentBranch", "updateInstead"])


def update_work_tree(folder: Path) -> None:
    """Check out the current branch's tip into the work tree."""
    process.run(["git", "-C", folder, "reset", "--quiet", "--hard"])


def _file_command(path: str, content: bytes | None) -> bytes:
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if content is None:
        return f"D {quoted}\n".encode()
    return f"M 100644 inline {quoted}\ndata {len(content)}\n".encode() + content + b"\n"


def _words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(("To ", "Done"))]
    return "; ".join(lines[-6:])
