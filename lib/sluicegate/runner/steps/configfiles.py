"""config-file-provider: managed files in the workspace or beside it, as a wrapper and as a step."""

from __future__ import annotations

import os
import tempfile
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
from sluicegate.tools import files

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
        self.managed = tuple(_read(one) for one in fields.children(MANAGED))

    def plan(self) -> str:
        return f"provide the managed files {', '.join(one.id for one in self.managed)}"

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
    if (path := _at_home(build, target)) is not None:
        if not _lend(build, path):
            build.say(f"WARNING: {path} is there already and stays as it is: [{file.name}] is not copied")
            return path
        files.replace(path, content.encode(), durable=False, mode=0o600)
    else:
        path = place(build, target, file.name or file.id)
        path.write_text(content)
    build.say(f"copy managed file [{file.name}] to file:{path}")
    return path


_lent: Counter[Path] = Counter()
"""Files in a home directory that builds have put there, and how many of them still need each."""
_lending = threading.Lock()


def _at_home(build: Build, target: str) -> Path | None:
    """The place of a file in the user's home directory, as people put their .netrc; None for one elsewhere."""
    home = build.variables.get("HOME", "")
    path = Path(os.path.normpath(build.workspace / target))
    inside = bool(home) and path.is_relative_to(home) and not path.is_relative_to(build.workspace)
    return path if inside and path.parent.resolve().is_relative_to(Path(home).resolve()) else None


def _lend(build: Build, path: Path) -> bool:
    """Whether a build may write this file: not over one of the user's own. It goes away with the last that needs it."""
    with _lending:
        if not _lent[path] and os.path.lexists(path):
            return False
        _lent[path] += 1
    build.after.append(lambda: _give_back(path))
    return True


def _give_back(path: Path) -> None:
    with _lending:
        _lent[path] -= 1
        if not _lent[path]:
            path.unlink(missing_ok=True)


def place(build: Build, target: str, name: str) -> Path:
    """Where a managed file goes: into the workspace, or to a temporary place when it has no target."""
    if not target:
        folder = files.ensure_folder(build.temporary, mode=0o700)
        handle, temporary = tempfile.mkstemp(prefix="config", suffix="tmp", dir=folder)
        os.close(handle)
        build.after.append(lambda: Path(temporary).unlink(missing_ok=True))
        return Path(temporary)
    path = build.workspace / target
    if target.endswith("/") or path.is_dir():
        path = path / name
    if not path.parent.resolve().is_relative_to(build.workspace.resolve()) or path.is_symlink():
        raise StepFailed(f"the managed file's target '{target}' lies outside the workspace")
    path.parent.mkdir(parents=True, exist_ok=True)
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
