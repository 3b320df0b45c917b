"""What a job asks of Git, as frozen values: remotes, branches to build, and the git plugin's extensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Choice = Literal["default", "inverse", "gerrit", "ancestry"]
PATIENCE = 10
"""Minutes that one git command may take where the job says nothing, as in Jenkins' git plugin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One repository. The texts may hold variables of the build."""

    name: str
    url: str
    refspec: str
    credentials: str

    @property
    def heads(self) -> str:
        """The refspec of all its branches."""
        return f"+refs/heads/*:refs/remotes/{self.name}/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """CloneOption: how much is fetched."""

    shallow: bool = False
    depth: int = 1
    tags: bool = True
    honor_refspec: bool = False
    reference: str = ""
    minutes: int = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """CleanBeforeCheckout and CleanCheckout. `nested` removes untracked repositories within the work tree too."""

    nested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodules:
    """SubmoduleOption: what `git submodule update` is told."""

    recursive: bool = False
    tracking: bool = False
    parent_credentials: bool = False
    reference: str = ""
    shallow: bool = False
    depth: int = 1
    threads: int = 1
    minutes: int = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """BuildChooserSetting: which of the fetched commits is built. Days and ancestor belong to `ancestry`."""

    kind: Choice = "default"
    days: int = -1
    ancestor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """PreBuildMerge: the branch that the chosen commit is merged into before it is built."""

    target: str
    strategy: str = ""
    fast_forward: str = "--ff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """PathRestriction, UserExclusion, MessageExclusion: commits that polling does not heed. Patterns match in whole."""

    users: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.included or self.excluded or self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Everything that one GitSCM element asks for. `local_branch` is None for a detached HEAD."""

    remotes: tuple[Remote, ...]
    branches: tuple[str, ...]
    name: str = ""
    subfolder: str = ""
    wipe: bool = False
    clone: Clone = Clone()
    clean_before: Clean | None = None
    clean_after: Clean | None = None
    checkout_minutes: int = PATIENCE
    local_branch: str | None = None
    prune_branches: bool = False
    prune_tags: bool = False
    sparse: tuple[str, ...] = ()
    submodules: Submodules | None = None
    large_files: bool = False
    chooser: Chooser = Chooser()
    merge: Merge | None = None
    single_revision: bool = False
    committer: tuple[str, str] = ("", "")
    tag_builds: bool = False
    exclusions: Exclusions = Exclusions()
    heeds_hooks: bool = True
    author_in_changelog: bool = False
    compare_with: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """All repositories of a job in their order; none for a job without source code management."""

    gits: tuple[Git, ...] = ()

    def plan(self) -> list[str]:
        """One line a repository, for `run --plan`."""
        return [f"git {remote.url} {', '.join(git.branches)}" for git in self.gits for remote in git.remotes]


NOTHING = Source()
