"""A Git repository used as a store: read files at the tips of its branches, commit to them in one step.

No work tree is needed. What a commit is based on is what the push compares with, so that a change by somebody else
in between is seen as `Beaten` and never overwritten. Of two branches the second, the ledger, belongs to the first:
the commits of a change name each other (see halves.py), so that a push that was cut in half can be completed.
Longer than a module should be: reading, committing and pushing are the one door to a delivery repo.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sluicegate.errors import Conflict, IntegrityError, RemoteUnavailable, UsageError
from sluicegate.tools import process
from sluicegate.tools.git import locks, refusals, seen
from sluicegate.tools.git.command import git
from sluicegate.tools.git.commits import Commit, Edit, Signature, read_commit
from sluicegate.tools.git.objects import FOLDER, Entries, Object, Objects, tree_entries
from sluicegate.tools.git.place import (
    cache_folder,
    cache_name,
    git_folder,
    make_mirror,
    refuse_untrusted,
    resolve,
    restoring,
    shared_line,
    shown,
)
from sluicegate.tools.lock import locked

PATIENCE = 120.0  # seconds for one fetch or push, whatever hook or server is behind it
MANY = 16  # files from which on a folder of theirs is read as a whole
DEEPER = (64, 1024, 16384)  # commits that a shallow clone fetches in addition until it has what it looks for


class Store:
    """One Git repository by path or URL. `remote` is where changes are pushed, `local` the object store read here."""

    def __init__(self, location: str, branches: tuple[str, ...], *, cache: Path | None = None) -> None:
        self.location = location
        self.branches = branches
        place = resolve(location, cache or cache_folder())
        self.remote, self.local, self._own = place.remote, place.local, place.own
        self.mirrored = str(self.local) != self.remote
        self._objects = Objects(self.local)
        self._said: dict[Path, dict[str, str]] = {}

    @property
    def clone(self) -> bool:
        """Whether the location is a clone, that stands for another repository."""
        return self._own != self.local

    @property
    def folder(self) -> Path | None:
        """The Git folder of a repository on this machine, where its writers stand in line; None for one elsewhere."""
        return git_folder(self.remote)

    @property
    def shown(self) -> str:
        """The repository that is read and written, without a password."""
        return shown(self.remote)

    def git(self, *words: str, stdin: bytes | None = None, check: bool = True) -> process.Completed:
        """Run Git on the objects that are read here."""
        return git(*words, repository=self.local, stdin=stdin, check=check, timeout=PATIENCE)

    def tips(self) -> dict[str, str]:
        """The newest commit of each branch, '' where there is none; fetched when the remote is elsewhere.

        Raises Conflict when history that this machine saw, or that a commit names, is gone.
        """
        if self.mirrored:
            self._fetch()
        commits = {branch: self._tip(branch) for branch in self.branches}
        seen.refuse_rewound(self, commits)
        return commits

    def _tip(self, branch: str) -> str:
        commit = self._objects.get(f"{self.ref(branch)}^{{commit}}")
        if commit is None:
            listed = self.git("for-each-ref", self.ref(branch), check=False)
            if listed.text or listed.error_text:  # Git warns of a ref that it cannot read
                raise self._lost(f"the commit at the tip of '{branch}'")
        return commit.id if commit else ""

    def ref(self, branch: str) -> str:
        """What a branch of the remote is called here."""
        return f"refs/remotes/origin/{branch}" if self.mirrored else f"refs/heads/{branch}"

    def _fetch(self) -> None:
        refspecs = [f"+refs/heads/{branch}:{self.ref(branch)}" for branch in self.branches]
        known = all(self._objects.get(self.ref(branch)) for branch in self.branches)
        depth = [] if known else ["--depth=1"]
        try:
            done = self._into_mirror(*depth, "--", self.remote, *refspecs)
            if other := re.search(r"mismatched algorithms: client \w+; server (\w+)", done.error_text):
                self._objects.close()
                make_mirror(self.local, object_format=other[1])
                done = self._into_mirror("--", self.remote, *refspecs)
        except (RemoteUnavailable, Conflict) as problem:
            raise RemoteUnavailable(
                f"the delivery repo {self.shown} says nothing: {problem.message}",
                hint="look at the Git server and the network, then run the same again",
            ) from problem
        if "couldn't find remote ref" in done.error_text:
            wanted = " or ".join(self.branches)
            raise UsageError(
                f"{self.shown} is not a delivery repo: it lacks the branch {wanted}{self.called_instead()}",
                hint="name one with -C or SLUICEGATE_REPO, or make one: sluicegate init DIR",
            )
        refuse_untrusted(done.error_text, self.remote)
        if done.status != 0:
            words = refusals.words(done.error_text)
            raise RemoteUnavailable(f"the delivery repo {self.shown} could not be fetched: {words}")

    def _into_mirror(self, *words: str) -> process.Completed:
        """Fetch into the mirror, past a lock that a killed fetch left there."""
        until = time.monotonic() + 1 + 2 * locks.OLD
        with locked(self.local.with_suffix(".fetch")):  # Git lets only one change what a repository is shallow of
            while True:
                done = self.git("fetch", "--quiet", "--no-tags", *words, check=False)
                path = locks.lock_in(done.error_text)
                if not path or time.monotonic() > until:
                    return done
                if not locks.remove_stale(locks.look_at(path, self.local)):
                    time.sleep(0.1)

    def called_instead(self) -> str:
        """What explains a missing branch, to be put behind a message: the default branch, or remotes of other names."""
        remotes = self.git("remote", check=False).text.split() if not self.mirrored else []
        if remotes and "origin" not in remotes:
            return f" (a clone stands for its remote 'origin'; this one has only {', '.join(remotes)})"
        done = self.git("ls-remote", "--symref", "--", self.remote, "HEAD", check=False)
        head = re.match(r"ref: refs/heads/(\S+)\tHEAD", done.text)
        return f" (its default branch is {head[1]})" if head and head[1] not in self.branches else ""

    def has(self, object_id: str) -> bool:
        """Whether an object is here, or comes from the remote: a commit with all before it that is not here."""
        if self._objects.get(object_id) is None and self.mirrored:
            self._into_mirror("--", self.remote, object_id)
        return self._objects.get(object_id) is not None

    def descends(self, commit: str, ancestor: str) -> bool:
        """Whether `commit` has `ancestor` in its history; a shallow clone fetches more of it until it is clear."""
        for _ in self._deeper():
            if self._objects.get(ancestor) is None:
                continue
            if self.git("merge-base", "--is-ancestor", ancestor, commit, check=False).status == 0:
                return True
            if not (self.local / "shallow").exists():
                return False
        return False

    def fork(self, commit: str, other_commit: str) -> str:
        """The newest commit that two commits which are here have in their histories, '' for none; as of `descends`."""
        for _ in self._deeper():
            common = self.git("merge-base", commit, other_commit, check=False).text.strip()
            if common or not (self.local / "shallow").exists():
                return common
        return ""

    def _deeper(self) -> Iterator[None]:
        """Once with the history that is here, and then with ever more of it."""
        yield
        for further in DEEPER if self.mirrored else ():
            refspecs = [f"+refs/heads/{branch}:{self.ref(branch)}" for branch in self.branches]
            done = self._into_mirror(f"--deepen={further}", "--", self.remote, *refspecs)
            if done.status != 0:
                words = refusals.words(done.error_text)
                raise RemoteUnavailable(f"the history of {self.shown} could not be fetched: {words}")
            yield

    def commit(self, commit: str) -> Commit:
        """Read a commit. Raises where it is not there."""
        content = self._objects.get(commit)
        if content is None or content.type != "commit":
            raise self._lost(f"the commit {commit}")
        return read_commit(content.content)

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's content at a commit; None when it is not there. Raises IntegrityError when it cannot be read."""
        if not commit:
            return None
        content = self._objects.get(f"{commit}:{path}")
        return self._blob(commit, path, content)

    def read_all(self, commit: str, paths: Sequence[str]) -> list[bytes | None]:
        """The contents of files at a commit, as of `read`, asked for in one go."""
        if not commit:
            return [None] * len(paths)
        names = self._names(commit, commit, "", paths)
        objects = dict(zip(names, self._objects.get_all(list(names.values())), strict=True))
        return [self._blob(commit, path, objects[path]) if path in objects else None for path in paths]

    def _names(self, commit: str, tree: str, folder: str, paths: Sequence[str]) -> dict[str, str]:
        """What Git knows files at a commit by, `folder` being a tree's path; not those that its entries do not have.

        By COMMIT:PATH Git goes through all folders anew for each file: one of which many are wanted is read here, once.
        """
        if len(paths) < MANY:
            return {path: f"{tree}:{path.removeprefix(folder)}" for path in paths}
        entries = self._entries(commit, folder.rstrip("/"), self._objects.get(f"{tree}^{{tree}}"))
        names: dict[str, str] = {}
        below: dict[str, list[str]] = {}
        for path in paths:
            name, slash, _ = path.removeprefix(folder).partition("/")
            if slash:
                below.setdefault(name, []).append(path)
            elif name in entries:
                names[path] = entries[name][1]
        for name, wanted in below.items():
            if entries.get(name, ("", ""))[0] == FOLDER:
                names |= self._names(commit, entries[name][1], f"{folder}{name}/", wanted)
        return names

    def _blob(self, commit: str, path: str, content: Object | None) -> bytes | None:
        """What was read under the name of a file; None where the trees have no such name."""
        if content is None:
            self._refuse_lost(commit, path)
            return None
        if content.type != "blob":
            raise self._otherwise(commit, path, "a folder, and should be a file")
        return content.content

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        """The entries of a folder at a commit, sorted; empty when it is not there."""
        return tuple(sorted(self.entries(commit, folder)))

    def entries(self, commit: str, folder: str) -> dict[str, str]:
        """Name -> object id of what a folder at a commit has; empty when it is not there."""
        if not commit:
            return {}
        entries = self._entries(commit, folder, self._objects.get(f"{commit}:{folder}"))
        return {name: entry for name, (_, entry) in entries.items()}

    def _entries(self, commit: str, folder: str, tree: Object | None) -> Entries:
        """What the object that was read under the name of a folder has; nothing where the trees have no such name."""
        if tree is None:
            self._refuse_lost(commit, folder)
            return {}
        if tree.type != "tree":
            raise self._otherwise(commit, folder, "a file, and should be a folder")
        return tree_entries(tree.content, len(tree.id))

    def read_folders(self, objects: Sequence[str]) -> None:
        """Read those of these objects that are folders. Raises IntegrityError for one that readers could misread."""
        for start in range(0, len(objects), MANY):
            for read in self._objects.get_all(objects[start : start + MANY]):
                if read is not None and read.type == "tree":
                    tree_entries(read.content, len(read.id))

    def files(self, commit: str) -> tuple[str, ...]:
        """The paths of all files at a commit."""
        listed = self.git("ls-tree", "-r", "-z", "--name-only", commit).stdout.split(b"\0") if commit else []
        return tuple(path.decode("utf-8", "surrogateescape") for path in listed if path)

    def verify(self) -> None:
        """Read every object that is here, which may take minutes. Raises IntegrityError that names damaged ones."""
        done = git("fsck", "--full", "--no-dangling", "--no-progress", repository=self.local, check=False, timeout=3600)
        if done.status != 0:
            complaints = "; ".join(f"{done.text}\n{done.error_text}".strip().splitlines()[:6])
            hint = restoring(self.remote, self.local)
            raise IntegrityError(
                f"objects of the delivery repo {self.shown} are damaged or missing: {complaints}", hint=hint
            )

    def _refuse_lost(self, commit: str, path: str) -> None:
        """Raise IntegrityError when the trees say that there is such a name: then its object is lost."""
        tree = self._objects.get(f"{commit}^{{tree}}")
        if tree is None:
            raise self._lost(f"the commit {commit} or its tree")
        parts = path.split("/")
        for depth, part in enumerate(parts, start=1):
            entries = tree_entries(tree.content, len(tree.id)) if tree.type == "tree" else {}
            if part not in entries:
                return
            below = entries[part][1]
            tree = self._objects.get(below)
            if tree is None:
                raise self._lost(f"'{'/'.join(parts[:depth])}' (object {below})")

    def _otherwise(self, commit: str, path: str, what: str) -> IntegrityError:
        where = f"in the commit {commit[:12]} of the delivery repo {self.shown}"
        return IntegrityError(f"'{path}' is {what} {where}", hint="put it right in a further commit")

    def _lost(self, what: str) -> IntegrityError:
        hint = restoring(self.remote, self.local)
        return IntegrityError(f"{what} of the delivery repo {self.shown} is damaged or missing", hint=hint)

    def close(self) -> None:
        """End the reading process."""
        self._objects.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def signature(self) -> Signature:
        """Git's own idea of who we are, in the clone that we work in."""
        settings = self._settings(self._own)
        ident, words = settings.get("git_committer_ident", ""), ""
        told = all(settings.get(f"user.{part}") for part in ("name", "email"))
        if not (ident and told):  # without them `-l` guesses where Git refuses
            asked = git("var", "GIT_COMMITTER_IDENT", repository=self._own, check=False)
            ident, words = asked.text, asked.error_text.rpartition("\n")[2]
        identity = re.match(r"(.*) <(.*)> [0-9]+ ", ident)
        if not identity:
            raise UsageError(
                f"Git does not know who you are{words and ': '}{words}",
                hint="git config --global user.name NAME; git config --global user.email ADDRESS",
            )
        return Signature(name=identity[1], email=identity[2])

    def push(self, edits: Iterable[Edit], message: str, *, by: Signature, at: datetime) -> dict[str, str]:
        """Commit all edits and push them in one atomic step. Raises Beaten when a branch has moved since its base."""
        edits = tuple(edits)
        base = {edit.branch: edit.base for edit in edits}
        if commits := self.commits(edits, message, by=by, at=at, before=base):
            self.move(base, {**base, **commits})
        return commits

    def commits(
        self, edits: Iterable[Edit], message: str, *, by: Signature, at: datetime, before: Mapping[str, str]
    ) -> dict[str, str]:
        """Branch -> new commit, which no branch has yet, of each edit; `before`: the tips that they are pushed on."""
        from sluicegate.tools.git import writing

        edits = tuple(edits)
        if not any(edit.makes_commit for edit in edits):
            return {}
        return writing.committed(self._objects, edits, message, by=by, at=at, before=before)

    def commit_of_tree(self, tree: str, *, parent: str, message: str, by: Signature, at: datetime) -> str:
        """A new commit of a tree that is there; no branch has it yet."""
        from sluicegate.tools.git import writing

        return writing.commit_of_tree(self._objects, tree, parent=parent, message=message, by=by, at=at)

    def advance(self, branch: str, base: str, commit: str) -> None:
        """Move one branch of the remote from `base` on to a commit that exists. Raises Beaten when it has moved."""
        self.move({branch: base}, {branch: commit})

    def move(self, base: Mapping[str, str], to: Mapping[str, str]) -> None:
        """Move branches in one step; one that stays where it is is compared with its base as well. Raises Beaten."""
        done = self._moved(base, to) if self._moves_itself() else self._pushed(base, to)
        output = f"{done.text}\n{done.error_text}"
        refused = "(stale info)" in output  # before anything was sent: there is no answer that could have been lost
        moved = {branch: tip for branch, tip in to.items() if tip != base[branch]}
        if done.status == 0 or (not refused and self._landed(moved)):
            self._refuse_diverted(base, moved)
            seen.made(self.remote, moved)
            return
        if refused and not self.mirrored and all(self._tip(branch) == tip for branch, tip in base.items()):
            raise UsageError(
                f"{self.shown} hides {' or '.join(base)} from pushes, as a setting of hideRefs has it",
                hint="git config --show-origin --get-regexp hiderefs",
            )
        raise refusals.of_push(output, self.shown)

    def _refuse_diverted(self, base: Mapping[str, str], moved: Mapping[str, str]) -> None:
        """Raise UsageError where Git's settings lead a push into this repository to another one."""
        if self.mirrored:
            elsewhere = self._pushes_elsewhere() and not self._landed(moved)
        else:
            elsewhere = all(self._tip(branch) == base[branch] for branch in moved)
        if elsewhere:
            raise UsageError(
                f"Git pushed to another repository than {self.shown}, as a setting of url.*.insteadOf has it",
                hint="git config --show-origin --get-regexp 'url\\..*insteadof'",
            )

    def _pushes_elsewhere(self) -> bool:
        """Whether a setting gives pushes to the remote an address of their own, mostly of the same repository."""
        settings = self._settings(self.local)
        prefixes = (value for name, value in settings.items() if name.endswith(".pushinsteadof"))
        return any(self.remote.startswith(prefix) for prefix in prefixes)

    def _pushed(self, base: Mapping[str, str], to: Mapping[str, str]) -> process.Completed:
        leases = [f"--force-with-lease=refs/heads/{branch}:{before}" for branch, before in base.items()]
        refspecs = [f"{tip}:refs/heads/{branch}" for branch, tip in to.items() if tip]
        # Settings of the user's own pushes: `push.recurseSubmodules=only` pushes nothing, and says that all is well.
        plain = ("--recurse-submodules=no", "--no-follow-tags")
        return self.git("push", "--porcelain", "--atomic", *plain, *leases, "--", self.remote, *refspecs, check=False)

    def _moved(self, base: Mapping[str, str], to: Mapping[str, str]) -> process.Completed:
        """What a push into this repository does at its end, by one Git in place of six (decision 0042)."""
        none = "0" * max(map(len, to.values()))
        moved = [branch for branch in to if to[branch] != base[branch]]
        lines = [f"update refs/heads/{branch} {to[branch]} {base[branch] or none}\n" for branch in moved]
        lines += [f"verify refs/heads/{branch} {base[branch] or none}\n" for branch in to if branch not in moved]
        done = self.git("update-ref", "--stdin", stdin="".join(lines).encode(), check=False)
        if done.status == 0 and any(to[branch].startswith("00") for branch in moved):
            self.git("gc", "--auto", "--quiet", check=False)  # as a push does, but for one change in a hundred
        return done

    def _moves_itself(self) -> bool:
        """Whether the branches are moved here: in a bare repository on this machine that nobody watches pushes of."""
        if self.mirrored or (self.local / "worktrees").exists():
            return False
        settings = self._settings(self.local)
        if settings.get("core.bare") != "true" or any(RECEIVING.match(name) for name in settings):
            return False
        named = settings.get("core.hookspath", "hooks")
        hooks = self.local / os.path.expanduser(named)
        return not named.startswith("%") and not any(os.access(hooks / name, os.X_OK) for name in HOOKS)

    def _settings(self, folder: Path) -> dict[str, str]:
        """Git's settings in a folder and its idea of who we are; asked once."""
        if folder not in self._said:
            listed = git("var", "-l", repository=folder, check=False).stdout.decode("utf-8", "replace")
            pairs = (line.partition("=") for line in listed.split("\n"))
            self._said[folder] = {name.lower(): value for name, _, value in pairs}
        return self._said[folder]

    def refuse_changed(self) -> None:
        """Raise Conflict when the repository has a work tree with changes, for which Git would refuse our next push."""
        if Path(self.remote).name != ".git" or not Path(self.remote).is_dir():
            return
        place = Path(self.remote).parent
        done = git("status", "--porcelain", "--untracked-files=no", folder=place, check=False)
        if names := ", ".join(line[3:] for line in done.lines):
            raise Conflict(f"{place} has changes that are not committed: {names}", hint=refusals.UNCOMMITTED)

    def _landed(self, moved: Mapping[str, str]) -> bool:
        """Whether the push took effect although its answer was lost: the branches are where we put them."""
        done = self.git("ls-remote", "--", self.remote, *(f"refs/heads/{branch}" for branch in moved), check=False)
        now = {ref: sha for sha, ref in (line.split("\t") for line in done.lines if "\t" in line)}
        return done.status == 0 and all(now.get(f"refs/heads/{branch}") == tip for branch, tip in moved.items())

    @contextmanager
    def lock(self, *, since: int = 0, seconds: float = 60.0) -> Iterator[bool]:
        """Wait for one's turn among writers, so that they do not wear each other out; whether it came, as of `in_line`.

        Writers stand in one line where the repository is on this machine and we may write to its folder, else those of
        this home do. `since`: when this change stood in it first, in nanoseconds; by default now.
        """
        from sluicegate.tools.line import in_line

        own, since = cache_folder() / f"{cache_name(self.remote)}.line", since or time.time_ns()
        with ExitStack() as held:
            try:
                shared = self.folder and shared_line(self.folder)
                came = held.enter_context(in_line(*shared, since=since, seconds=seconds)) if shared else None
            except OSError:  # read-only, somebody else's, a full disk: Git's own comparison of the old tips is left
                came = None
            if came is None:
                came = held.enter_context(in_line(own, 0o600, since=since, seconds=seconds))
            yield came


HOOKS = ("pre-push", "pre-receive", "update", "proc-receive", "post-receive", "post-update")
RECEIVING = re.compile(r"(?:receive|transfer)\.(?!deny)")
"""Settings that say what a push has to do or may not; ours is never refused by what `init` sets, the `deny...`."""


def init_store(folder: Path, *, bare: bool, branch: str) -> None:
    """Make a new repository, whose history nobody can push away; a work tree in it follows what is pushed."""
    git("init", "--quiet", f"--initial-branch={branch}", *(["--bare"] if bare else []), "--", folder)
    settings = {"receive.denyNonFastForwards": "true", "receive.denyDeletes": "true"}
    if not bare:
        settings["receive.denyCurrentBranch"] = "updateInstead"
    for name, value in settings.items():
        git("config", name, value, folder=folder)


def update_work_tree(folder: Path) -> None:
    """Check out the current branch's tip into the work tree."""
    git("reset", "--quiet", "--hard", folder=folder)
