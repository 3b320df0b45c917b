"""What is new in a job's repositories since its last build, as polling asks; no workspace is touched."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.runner import properties
from sluicegate.runner.confinement.errand import Errand
from sluicegate.runner.records import Record
from sluicegate.runner.scm import branches, choosing, history, urls
from sluicegate.runner.scm.choosing import Candidate, Question
from sluicegate.runner.scm.history import BuildData
from sluicegate.runner.scm.model import Exclusions, Git, Remote
from sluicegate.runner.scm.work import Repository, authentication
from sluicegate.runner.vault import Credential
from sluicegate.tools import patterns
from sluicegate.tools.process import lines_of

COMMIT = re.compile(r"^commit ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What exclusions look at."""

    author: str
    message: str
    paths: tuple[str, ...]


class Poller:
    """Looks at one job's repositories. Git runs on an errand, in whose yard clones lie; `env` is what it sees."""

    def __init__(self, errand: Errand, env: Mapping[str, str], last: Record | None, alone: bool) -> None:
        self.errand = errand
        self.env = env
        self.alone = alone
        self.past = list(history.of(last)) if last is not None else []

    def changed(self, git: Git, credential: Credential | None, expand: Mapping[str, str]) -> str:
        """What is new, as a sentence; empty when nothing is. Raises SluicegateError when a remote does not answer."""
        specs = tuple(properties.expand(spec, expand) for spec in git.branches)
        addresses = tuple(urls.check(properties.expand(remote.url, expand)) for remote in git.remotes)
        past = self._past(git, addresses)
        with authentication(credential, self.errand.scratch, self.errand.show) as login:
            env = {**self.env, **login}
            single = branches.single(specs, tuple(remote.name for remote in git.remotes))
            if single is not None and git.chooser.kind == "default" and not git.exclusions:
                return self._tip(git, addresses, single, past, env)
            return self._candidates(git, addresses, specs, past, env)

    def _past(self, git: Git, addresses: tuple[str, ...]) -> BuildData:
        for data in self.past:
            if self.alone or data.is_about(git.name, addresses):
                return data
        return BuildData()

    def _tip(self, git: Git, addresses: Sequence[str], spec: str, past: BuildData, env: Mapping[str, str]) -> str:
        """Compare the branch's commit with the built ones, by `git ls-remote` alone."""
        for remote, address in zip(git.remotes, addresses, strict=True):
            for name, commit in _listed(Repository(Path("/"), env, self.errand.ask), address).items():
                full = name.removeprefix("refs/heads/")
                meant = spec in (full, name, f"{remote.name}/{full}", f"remotes/{remote.name}/{full}")
                meant = meant or spec in (f"refs/remotes/{remote.name}/{full}", f"*/{full}")
                if meant and not past.has_built(commit):
                    return f"{spec} is at {commit[:12]}, the last build had {_short(past)}"
        return ""

    def _candidates(
        self, git: Git, addresses: Sequence[str], specs: tuple[str, ...], past: BuildData, env: Mapping[str, str]
    ) -> str:
        """Ask the chooser of the builds, in a bare clone without files: the two must not come to different answers."""
        name = hashlib.sha256("\n".join(addresses).encode()).hexdigest()[:24]
        mirror = Repository(self.errand.yard / f"git-{name}", env, self.errand.ask)
        refspecs = tuple(spec for remote in git.remotes for spec in (remote.refspec.split() or [remote.heads]))
        _update(Repository(self.errand.yard, env, self.errand.ask), mirror, git.remotes, addresses)
        question = Question(
            specs=specs,
            remotes=tuple(remote.name for remote in git.remotes),
            refspecs=refspecs,
            chooser=git.chooser,
            past=past,
            now=datetime.now().astimezone(),
            polling=True,
        )
        for candidate in choosing.candidates(mirror, question):
            if not past.has_built(candidate.commit) and _heeded(mirror, git.exclusions, candidate, past):
                return f"{candidate.branches[0]} is at {candidate.commit[:12]}, the last build had {_short(past)}"
        return ""


def _short(past: BuildData) -> str:
    return past.last.marked[:12] if past.last is not None else "nothing"


def _listed(nowhere: Repository, address: str) -> dict[str, str]:
    done = nowhere.ask("ls-remote", "--heads", "--tags", "--", address)
    if done.status != 0:
        raise SluicegateError(f"{address} does not answer: {done.error_text}")
    rows = (line.split("\t", 1) for line in done.lines if "\t" in line)
    return {name.removesuffix("^{}"): commit for commit, name in rows}


def _update(yard: Repository, mirror: Repository, remotes: Sequence[Remote], addresses: Sequence[str]) -> None:
    if not (mirror.folder / "HEAD").is_file():
        done = yard.ask("init", "--quiet", "--bare", "--", mirror.folder.name)
        if done.status != 0:
            raise SluicegateError(f"git cannot make a clone to look at: {done.error_text}")
    for remote, address in zip(remotes, addresses, strict=True):
        words = ["fetch", "--quiet", "--force", "--prune", "--tags", "--filter=blob:none", "--", address, remote.heads]
        done = mirror.ask("-c", "gc.autoDetach=false", *words)
        if done.status != 0:
            raise SluicegateError(f"{address} does not answer: {done.error_text}")


def _heeded(mirror: Repository, exclusions: Exclusions, candidate: Candidate, past: BuildData) -> bool:
    """Whether any commit since the last build counts (GitSCM.isRevExcluded)."""
    if not exclusions:
        return True
    before = past.by_branch.get(candidate.branches[0], past.last)
    since = f"{before.marked}.." if before is not None and mirror.commit(before.marked) else "-1"
    span = [f"{since}{candidate.commit}"] if since != "-1" else ["-1", candidate.commit]
    words = ["log", "-m", "--full-history", "--name-only", "--no-renames", "--format=commit %an%n%B%x00"]
    done = mirror.ask("-c", "core.quotePath=false", *words, *span, "--")
    if done.status != 0:
        raise SluicegateError(f"git cannot tell what changed: {done.error_text}")
    return any(not excluded(exclusions, commit) for commit in _commits(done.text))


def _commits(text: str) -> Iterator[Commit]:
    for block in COMMIT.split(text)[1:]:
        head, _, paths = block.partition("\0")
        author, _, message = head.partition("\n")
        listed = tuple(line for line in lines_of(paths) if line)
        yield Commit(author=author.strip(), message=message, paths=listed)


def excluded(exclusions: Exclusions, commit: Commit) -> bool:
    """Whether polling does not heed a commit: its author, its message, or all of its paths are left out."""
    if commit.author in exclusions.users:
        return True
    if any(patterns.matches(pattern, commit.message.strip()) for pattern in exclusions.messages):
        return True
    if not (exclusions.included or exclusions.excluded):
        return False
    wanted = [
        path
        for path in commit.paths
        if not exclusions.included or any(patterns.matches(region, path) for region in exclusions.included)
    ]
    return all(any(patterns.matches(region, path) for region in exclusions.excluded) for path in wanted)
