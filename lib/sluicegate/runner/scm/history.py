"""Which commits of which branches a job has built: hudson.plugins.git.util.BuildData in build.xml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from sluicegate.errors import Malformed
from sluicegate.runner.records import Record
from sluicegate.runner.scm import urls
from sluicegate.tools import xml

TAG = "hudson.plugins.git.util.BuildData"
BUILD = "hudson.plugins.git.util.Build"
FORCED = "hudson.plugins.git.RevisionParameterAction"
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One build of one commit. `marked` is the commit that was chosen, `commit` what it became by a merge."""

    marked: str
    commit: str
    branches: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildData:
    """The last build of each branch, and the last of all."""

    by_branch: Mapping[str, Built] = field(default_factory=dict)
    last: Built | None = None
    remotes: tuple[str, ...] = ()
    name: str = ""

    def has_built(self, commit: str) -> bool:
        """Whether the last build, or the last one of any branch, was of this commit."""
        builds = [*self.by_branch.values(), *([self.last] if self.last else [])]
        return any(commit in (built.marked, built.commit) for built in builds)

    def is_about(self, name: str, addresses: Iterable[str]) -> bool:
        """Whether it is of the repository of this name, or of these addresses."""
        return (bool(name) and self.name == name) or self.remotes == tuple(map(urls.shown, addresses))

    def with_build(self, built: Built) -> BuildData:
        return replace(self, by_branch={**self.by_branch, **dict.fromkeys(built.branches, built)}, last=built)

    def to_xml(self) -> str:
        """The element as Jenkins writes it, but without references to other elements."""
        entries = "".join(
            f"<entry>{_line('string', branch)}{_build(BUILD, built)}</entry>"
            for branch, built in self.by_branch.items()
        )
        last = _build("lastBuild", self.last) if self.last else ""
        addresses = "".join(_line("string", urls.shown(url)) for url in self.remotes)
        name = _line("scmName", self.name) if self.name else ""
        return (
            f'<{TAG} plugin="git"><buildsByBranchName>{entries}</buildsByBranchName>{last}{name}'
            f"<remoteUrls>{addresses}</remoteUrls></{TAG}>"
        )


def _line(name: str, value: str) -> str:
    return xml.tag(name, value).strip()


def _build(tag: str, built: Built) -> str:
    return (
        f"<{tag}>{_revision('marked', built.marked, built.branches)}"
        f"{_revision('revision', built.commit, built.branches)}"
        f"<hudsonBuildNumber>{built.number}</hudsonBuildNumber></{tag}>"
    )


def _revision(tag: str, commit: str, branches: Iterable[str]) -> str:
    listed = "".join(
        f"<hudson.plugins.git.Branch>{_line('sha1', commit)}{_line('name', name)}</hudson.plugins.git.Branch>"
        for name in branches
    )
    return f'<{tag} plugin="git-client">{_line("sha1", commit)}<branches class="list">{listed}</branches></{tag}>'


def of(record: Record) -> Iterator[BuildData]:
    """What a build has recorded, one for each of its repositories."""
    for text in record.extra:
        if text.startswith(f"<{TAG}") and (data := read(text)) is not None:
            yield data


def commit_of(record: Record) -> str:
    """The commit of the first repository that a build has checked out, '' when there is none."""
    data = next(of(record), None)
    return data.last.commit if data is not None and data.last is not None else ""


def forcing(commit: str) -> str:
    """The action that makes a build take this commit."""
    return f'<{FORCED} plugin="git">{_line("commit", commit)}<combineCommits>false</combineCommits></{FORCED}>'


def forced(record: Record) -> str:
    """The commit that a build has to take, '' when it chooses by itself."""
    text = next((action for action in record.extra if action.startswith(f"<{FORCED}")), "")
    commit = re.search(r"<commit>([0-9a-f]{40,64})</commit>", text)
    return commit[1] if commit else ""


def read(text: str) -> BuildData | None:
    """A BuildData element's text; None when it is none: a record that somebody broke by hand is as good as none."""
    try:
        return parse(xml.parse(text.encode(), source="build.xml"))
    except Malformed:
        return None


def parse(root: Element) -> BuildData:
    """Read a BuildData element; what is a `reference` in a real Jenkins' one repeats a value that stands before it."""
    by_branch = {}
    for entry in root.iterfind("buildsByBranchName/entry"):
        if (element := entry.find(BUILD)) is not None and (built := _read(element)) is not None:
            by_branch[xml.text(entry, "string")] = built
    last = root.find("lastBuild")
    built = _read(last) if last is not None else None
    if built is None and by_branch:
        built = max(by_branch.values(), key=lambda built: built.number)
    remotes = tuple(urls.shown(url.text or "") for url in root.iterfind("remoteUrls/string"))
    return BuildData(by_branch=by_branch, last=built, remotes=remotes, name=xml.text(root, "scmName"))


def _read(element: Element) -> Built | None:
    marked = _sha(element, "marked")
    if not marked:
        return None
    names = tuple(
        name
        for branch in element.iterfind("marked/branches//hudson.plugins.git.Branch")
        if (name := xml.text(branch, "name"))
    )
    number = xml.number(element, "hudsonBuildNumber", 0)
    return Built(marked=marked, commit=_sha(element, "revision") or marked, branches=names, number=number)


def _sha(element: Element, path: str) -> str:
    sha = xml.text(element, f"{path}/sha1").strip()
    return sha if SHA.fullmatch(sha) else ""
