"""config-file-provider: managed files in the workspace or beside it, as a wrapper and as a step."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import NotFound
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.elements.entry import Entry
from sluicegate.runner.elements.fields import Fields
from sluicegate.runner.ground import Ground

MANAGED = "managedFiles/org.jenkinsci.plugins.configfiles.buildwrapper.ManagedFile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """One file: which one, where to, and the variable that tells scripts the place."""

    id: str
    target: str
    variable: str
    replaces: bool


def _read(fields: Fields) -> Managed:
    return Managed(
        id=fields.text("fileId").strip(),
        target=fields.text("targetLocation").strip(),
        variable=fields.text("variable").strip(),
        replaces=fields.flag("replaceTokens"),
    )


class Provided:
    """What wrapper and step share. A file without a target is temporary and goes away when the build has ended."""

    def __init__(self, fields: Fields) -> None:
        self.managed = tuple(_read(entry) for entry in fields.children(MANAGED))

    def plan(self) -> str:
        return f"provide the managed files {', '.join(file.id for file in self.managed)}"

    def provide(self, build: Build) -> dict[str, str]:
        """Write the files; the variables that name them."""
        build.say("provisioning config files...")
        values = {}
        for managed in self.managed:
            path = _provide(build, managed)
            if managed.variable:
                values[managed.variable] = str(path)
        return values


def _provide(build: Build, managed: Managed) -> Path:
    try:
        file = build.services.config_file(build.expand(managed.id))
    except NotFound as problem:
        raise StepFailed(f"not able to provide the file [{managed.id}]: {problem.message}") from problem
    content = build.expand(file.content) if managed.replaces else file.content
    target = build.expand(managed.target)
    if (path := _at_home(build, target)) is None:
        return put(build, target, file.name or file.id, content)
    if not _lend(build, path):
        build.say(f"WARNING: {path} is there already and stays as it is: [{file.name}] is not copied")
        return path
    home = _home(build)
    home.write(path.relative_to(build.variables["HOME"]), content.encode("utf-8", "surrogateescape"), mode=0o600)
    build.say(f"copy managed file [{file.name}] to file:{path}")
    return path


_lent: Counter[Path] = Counter()
"""Files in a home directory that builds have put there, and how many of them still need each."""
_lending = threading.Lock()


def _home(build: Build) -> Ground:
    """The home directory of the build's user, where it really is. Raises StepFailed for that of another user."""
    home = build.pen.outside(Path(build.variables["HOME"]))
    if home is None:
        raise StepFailed("a managed file is not written into the home directory of another user")
    return Ground(home, build.pen.give, build.check)


def _at_home(build: Build, target: str) -> Path | None:
    """The place of a file in the user's home directory, as people put their .netrc; None for one elsewhere."""
    home = build.variables.get("HOME", "")
    path = Path(os.path.normpath(build.workspace / target))
    inside = bool(home) and path.is_relative_to(home) and not path.is_relative_to(build.workspace)
    return path if inside and path.parent.resolve().is_relative_to(Path(home).resolve()) else None


def _lend(build: Build, path: Path) -> bool:
    """Whether a build may write this file: not over one of the user's own. It goes away with the last that needs it."""
    home, name = _home(build), path.relative_to(build.variables["HOME"])
    place = home.folder / name
    with _lending:
        if not _lent[place] and os.path.lexists(place):
            return False
        _lent[place] += 1
    build.after.append(lambda: _give_back(home, name))
    return True


def _give_back(home: Ground, name: Path) -> None:
    with _lending:
        place = home.folder / name
        _lent[place] -= 1
        if not _lent[place]:
            home.remove(name)


def put(build: Build, target: str, name: str, content: str) -> Path:
    """Write a managed file into the workspace, or to a temporary place when it has no target."""
    if not target:
        folder = build.scratch_to_the_end()
        path = folder / "config.tmp"
        build.say(f"copy managed file [{name}] to file:{path}")
        path.write_text(content)
        build.show(folder)
        return path
    path = build.workspace / target
    if target.endswith("/") or path.is_dir():
        path = path / name
    build.say(f"copy managed file [{name}] to file:{path}")
    try:
        build.ground.write(path, content.encode("utf-8", "surrogateescape"))
    except OSError as problem:
        raise StepFailed(f"the managed file's target '{target}' lies outside the workspace") from problem
    return path


class ConfigFileWrapper(Provided):
    """org.jenkinsci.plugins.configfiles.buildwrapper.ConfigFileBuildWrapper: after the checkout, around all steps."""

    before_scm = False

    @contextmanager
    def around(self, build: Build) -> Iterator[None]:
        with build.variables_set(self.provide(build)):
            yield


class ConfigFileStep(Provided):
    """org.jenkinsci.plugins.configfiles.builder.ConfigFileBuildStep: from here on."""

    label = "Provide Configuration files"

    def perform(self, build: Build) -> None:
        build.env |= self.provide(build)


ELEMENTS = (
    Entry(
        tag="org.jenkinsci.plugins.configfiles.buildwrapper.ConfigFileBuildWrapper",
        plugin="config-file-provider",
        kind="wrapper",
        make=ConfigFileWrapper,
    ),
    Entry(
        tag="org.jenkinsci.plugins.configfiles.builder.ConfigFileBuildStep",
        plugin="config-file-provider",
        kind="builder",
        make=ConfigFileStep,
    ),
)
