"""What a version and its files are called: a version that was left out, a SNAPSHOT's, and names in the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sluicegate.delivery.artifacts.provenance import taken_names
from sluicegate.delivery.book.state import State
from sluicegate.delivery.book.versions import check_form, check_version, lower, respelled
from sluicegate.errors import IntegrityError, Malformed, UnknownName, UsageError
from sluicegate.model import snapshots
from sluicegate.model.config import TAG_VERSION, Component
from sluicegate.model.manifest import Artifact
from sluicegate.tools import files as tool_files
from sluicegate.tools.git.command import git

VERSION_FILE = "VERSION"
# 2024.11.25, 2024.11, 20241125.1, 202411251430.2, 25.11.2024: numbers that are above every version to come.
DATE = (
    r"(?:(?:19|20)[0-9]{2}[.-](?:0?[1-9]|1[0-2])(?:[.-](?:0?[1-9]|[12][0-9]|3[01]))?"
    r"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{4}(?:[0-9]{2})?)?"
    r"|(?:0?[1-9]|[12][0-9]|3[01])[.-](?:0?[1-9]|1[0-2])[.-](?:19|20)[0-9]{2})(?![0-9])"
)


def made_version(component: Component, source: Path, file: str = VERSION_FILE) -> str:
    """The version of a checkout: the tag at its commit, else MAJOR.MINOR of `file` and the count of its commits.

    Only the first parents are counted, so that a merged branch counts as one. Never the number of a build: that
    begins anew with each build server.
    """
    instead = f"name the version: sluicegate publish {component.name}=VERSION FILE..."
    if git("rev-parse", "--verify", "--quiet", "HEAD", folder=source, check=False).status != 0:
        raise UsageError(f"{source} is no Git checkout with a commit to make a version from", hint=instead)
    if tagged := _tagged(component, source):
        return tagged
    place = source / file
    if not place.is_file():
        raise UsageError(f"there is no file {place}, and no tag at the commit, to make a version from", hint=instead)
    text = place.read_text("utf-8", "replace").strip()
    if not re.fullmatch(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", text):
        raise Malformed(f"{place} holds {text[:40]!r}, expected MAJOR.MINOR such as 1.4", hint=instead)
    if _git(source, "rev-parse", "--is-shallow-repository") == "true":
        raise UsageError(
            f"{source} is a shallow checkout, so the count of its commits is not the whole",
            hint="git fetch --unshallow, or let the job clone without a depth",
        )
    return f"{text}.{_git(source, 'rev-list', '--count', '--first-parent', 'HEAD')}"


def _tagged(component: Component, source: Path) -> str:
    """The highest version among the tags at the commit: 1.4.2, v1.4.2, auth-1.4.2, auth/v1.4.2; '' without one.

    A tag that looks like a date counts only where no other does.
    """
    best = ""
    done = git("tag", "--points-at", "HEAD", folder=source)
    if "ignoring broken ref" in done.error_text:  # it may be the version
        raise IntegrityError(f"a tag of {source} is damaged: {done.error_text}", hint="git fetch --tags --force")
    for tag in done.lines:
        version = _version_in(component, tag)
        if version and (not best or _precedes(component.versions, best, version)):
            best = version
    return best


def _version_in(component: Component, tag: str) -> str:
    """The version that a tag names; '' for tags that name something else, such as 20241125, 77 or 3rd-party.

    A version needs a dot between its first numbers, in semver two of them, unless `tag-pattern` says where it stands.
    """
    if pattern := component.tag_pattern:
        before, _, behind = pattern.partition(TAG_VERSION)
        form = rf"{re.escape(before)}(.+){re.escape(behind)}"
    else:
        numbers = r"[0-9]+\.[0-9]+\.[0-9]" if component.versions == "semver" else r"[0-9]+\.[0-9]"
        form = rf"(?:{re.escape(component.name)}[-/@])?v?({numbers}.*)"
    match = re.fullmatch(form, tag)
    try:
        if match:
            check_form(component.versions, match[1])
            return match[1]
    except Malformed:
        pass  # a tag may be anything
    return ""


def _precedes(scheme: str, best: str, version: str) -> bool:
    dates = [re.match(DATE, name) is not None for name in (best, version)]
    return lower(scheme, best, version) if dates[0] == dates[1] else dates[0]


def _git(source: Path, *words: str) -> str:
    """What Git answers. Raises where it fails: no answer is not that there is nothing."""
    return git(*words, folder=source).text.strip()


def refuse_spelling(state: State, spec: Component, version: str) -> None:
    """Raise UsageError for a new version in a form that its scheme does not have, or that is known in another one."""
    check_form(spec.versions, version)
    if known := respelled(spec.versions, state.version_names(spec.name), version):
        raise UsageError(
            f"{spec.name}={known} is published already, and '{version}' is another spelling of the same version",
            hint=f"publish the next version; how {spec.versions} orders: docs/reference/configuration.md",
        )


def stamped(state: State, spec: Component, version: str, paths: Sequence[Path], commit: str) -> str:
    """The version itself; for a SNAPSHOT the next publication, or the newest where files and commit are the same."""
    check_version(version)
    if not version.endswith(snapshots.ENDING):
        return version
    before = snapshots.publications(state.recorded_versions(spec.name), version)
    if before and before[-1] not in state.pruned(spec.name) and _is(state, spec, before[-1], paths, commit):
        return before[-1]
    return snapshots.following(version, before, state.now)


def _is(state: State, spec: Component, version: str, paths: Sequence[Path], commit: str) -> bool:
    """Whether the ledger has the same files under `version`, built from the same commit; sizes are looked at first."""
    built = state.built(spec.name, version)
    if built.commit != commit:
        return False
    named = named_files(spec.name, version, paths)
    known = {artifact.name: (artifact.size, artifact.sha256) for artifact in built.artifacts}
    if {name: path.stat().st_size for name, path in named.items()} != {name: size for name, (size, _) in known.items()}:
        return False
    return all(tool_files.sha256(path) == known[name][1] for name, path in named.items())


def named_files(component: str, version: str, paths: Sequence[Path]) -> dict[str, Path]:
    """The files by their names in the repository."""
    if not paths:
        raise UsageError("no file to publish was named")
    by_name: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", hint=f"name its files: {path}/*; or pack it into one")
        if not path.is_file():
            message = f"{path} is no regular file" if path.exists() else f"there is no file {path}"
            raise UnknownName(message, hint="build it first, or correct the path")
        name = artifact_name(component, version, path.name)
        if name in by_name:
            raise UsageError(f"two files would be published as {name}")
        if name in taken_names(component, version):
            raise UsageError(f"{path}: the name {name} is taken by what stands beside the files")
        by_name[name] = path
    return by_name


def hashed(named: Mapping[str, Path]) -> tuple[Artifact, ...]:
    """The files as artifacts, without sending them."""
    return tuple(
        Artifact(name=name, size=path.stat().st_size, sha256=tool_files.sha256(path))
        for name, path in sorted(named.items())
    )


def artifact_name(component: str, version: str, name: str) -> str:
    """The file's name in the repository: it begins with component and version, as Maven's layout wants it."""
    prefix = f"{component}-{version}"
    for written in (prefix, f"{component}-{snapshots.base(version)}"):
        if name.startswith((f"{written}.", f"{written}-")) and written != f"{component}-":
            return f"{prefix}{name.removeprefix(written)}"
    return f"{prefix}{name.removeprefix(component)}" if name.startswith(f"{component}.") else f"{prefix}-{name}"
