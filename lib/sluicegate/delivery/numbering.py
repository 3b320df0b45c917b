"""How a version gets its name: from the checkout where none was given, and the time stamp of a SNAPSHOT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sluicegate.delivery import versions
from sluicegate.delivery.state import State
from sluicegate.errors import UsageError
from sluicegate.model import snapshots
from sluicegate.tools import files, process

FILE = "VERSION"
MOST = 1000


def made_version(state: State, component: str, checkout: Path) -> str:
    """The tag at the checkout's commit, else MAJOR.MINOR of its file VERSION and the count of first-parent commits.

    The component's own tags (auth-1.4.2, auth/v1.4.2) come before those of the whole checkout (1.4.2, v1.4.2).
    """
    scheme = state.config.component(component).versions
    if not _git(checkout, "rev-parse", "HEAD"):
        raise UsageError(
            f"{checkout} is no Git checkout with a commit, so no version can be made for {component}",
            hint=f"name one: {component}=VERSION, or the checkout with --source",
        )
    tags = _git(checkout, "tag", "--points-at", "HEAD").splitlines()[:MOST]
    for prefix in (f"{re.escape(component)}[-/]", ""):
        found = [m[1] for tag in tags if (m := re.fullmatch(rf"{prefix}v?([0-9]+(?:\.[0-9]+)+[0-9A-Za-z.+~-]*)", tag))]
        if found:
            return versions.sort(scheme, found)[-1]
    return f"{_major_minor(checkout, component)}.{_count(checkout, component)}"


def _major_minor(checkout: Path, component: str) -> str:
    path = checkout / FILE
    if not path.is_file():
        raise UsageError(
            f"no version was named for {component}, its commit has no tag such as v1.4.2, and there is no file {path}",
            hint=f"write MAJOR.MINOR into {FILE}, or name the version: {component}=1.4.2",
        )
    with path.open(encoding="utf-8", errors="replace") as stream:
        text = stream.read(MOST).strip()
    if not re.fullmatch(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", text):
        raise UsageError(f"{path} holds {text[:40]!r}, expected MAJOR.MINOR such as 1.4")
    return text


def _count(checkout: Path, component: str) -> str:
    """How many commits the branch has. A shallow clone has fewer, and would give a number a second time."""
    if _git(checkout, "rev-parse", "--is-shallow-repository") == "true":
        raise UsageError(
            f"{checkout} is a shallow clone: its commits cannot be counted",
            hint=f"git fetch --unshallow, or name the version: {component}=1.4.2",
        )
    return _git(checkout, "rev-list", "--first-parent", "--count", "HEAD")


def _git(checkout: Path, *words: str) -> str:
    """What Git prints, '' where it fails."""
    done = process.run(["git", "-C", checkout, *words], env={"LC_ALL": "C"}, check=False)
    return done.text.strip() if done.status == 0 else ""


def settled(state: State, component: str, version: str, paths: Sequence[Path], commit: str) -> str:
    """The version to publish under: a SNAPSHOT becomes unique by time and number, any other stays what it is.

    Equal files of the same commit as the newest time-stamped version are that one again: a job that is run twice.
    """
    if not snapshots.moves(version):
        return version
    versions.check_version(version)
    same = [one for one in state.versions(component) if snapshots.base(one) == version]
    if same and _equal(state, component, same[-1], paths, commit):
        return same[-1]
    used = [snapshots.stamp(v)[1] for v in state.recorded_versions(component) if snapshots.base(v) == version]
    return snapshots.stamped(version, state.now, 1 + max(used, default=0))


def _equal(state: State, component: str, version: str, paths: Sequence[Path], commit: str) -> bool:
    built = next((r for r in state.story(component, version) if r.what == "built"), None)
    if built is None or built.get("commit") != commit or not all(path.is_file() for path in paths):
        return False
    known = {str(a.get("name")): (a.get("size"), a.get("sha256")) for a in built.get("artifacts", [])}
    mine = {artifact_name(component, version, path.name): path for path in paths}
    if {name: path.stat().st_size for name, path in mine.items()} != {name: one[0] for name, one in known.items()}:
        return False
    return all(files.sha256(path) == known[name][1] for name, path in mine.items())


def artifact_name(component: str, version: str, name: str) -> str:
    """The file's name in the repository: it begins with component and version, as Maven's layout wants it."""
    prefix = f"{component}-{version}"
    for known in filter(None, (prefix, snapshots.base(version) and f"{component}-{snapshots.base(version)}")):
        if name.startswith((f"{known}.", f"{known}-")):
            return prefix + name.removeprefix(known)
    return f"{prefix}{name.removeprefix(component)}" if name.startswith(f"{component}.") else f"{prefix}-{name}"
