"""What speaks against files before they are published: `latest` would take them, and nothing could install them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sluicegate.delivery.book.state import State
from sluicegate.delivery.book.versions import respelled
from sluicegate.errors import IntegrityError, Malformed, MissingProgram, UsageError
from sluicegate.model.config import Component
from sluicegate.model.manifest import Release
from sluicegate.tools import packagefiles
from sluicegate.tools.scratch import scratch


def inspect(
    state: State, spec: Component, version: str, named: Mapping[str, Path], *, any_version: bool
) -> tuple[str, ...]:
    """Look into the files by their names in the repository; what is doubtful comes back, a sentence each.

    Raises IntegrityError for files that an environment's deployer would always refuse, and, unless `any_version`, for
    a package that cannot be read, and UsageError where no package among them has the version.
    """
    return (*_packages(spec, version, named, any_version=any_version), *_deployers(state, spec, version, named))


def _deployers(state: State, spec: Component, version: str, named: Mapping[str, Path]) -> list[str]:
    notes: dict[str, None] = {}
    with scratch() as folder:
        for name, path in named.items():
            (folder / name).symlink_to(path.resolve())
        release = Release(component=spec.name, version=version, manifest="", folder=folder, files=tuple(sorted(named)))
        for environment in state.config.environments.values():
            if environment.deploy is None:
                continue
            try:
                notes |= dict.fromkeys(state.drivers.deployer(state.config, environment).inspect(release))
            except MissingProgram:  # a build machine needs no deployer
                continue
            except IntegrityError as problem:
                raise IntegrityError(
                    f"{problem.message}; so {environment.name} could never install it", hint=problem.hint
                ) from problem
    return [*notes]


def _packages(spec: Component, version: str, named: Mapping[str, Path], *, any_version: bool) -> list[str]:
    notes: list[str] = []
    others: dict[Path, str] = {}
    fitting = False
    for path in named.values():
        try:
            package = packagefiles.read(path)
        except MissingProgram as problem:
            notes.append(f"{path.name} is not looked into: {problem.message}")
            continue
        except Malformed as problem:
            notes.append(problem.message)
            if not any_version:
                raise IntegrityError(notes[-1], hint="build it again; or say --allow-version-mismatch") from problem
            continue
        if package is None:
            continue
        if same_version(package.scheme, spec, version, package.version):
            fitting = True
        else:
            others[path] = package.version
    # One package of the right version is enough: a version may have parts that count for themselves.
    if others and not fitting and not any_version:
        listed = ", ".join(f"{path} is {own}" for path, own in others.items())
        raise UsageError(
            f"{listed}, and is published as {spec.name}={version}",
            hint="raise the package's version (dch, Version:), or say --allow-version-mismatch",
        )
    return [*notes, *(f"{path.name} is the package version {own}, not {version}" for path, own in others.items())]


def same_version(scheme: str, spec: Component, version: str, own: str) -> bool:
    """Whether a package's own version is the published one.

    A version without a revision, and each of a component that is not versioned as packages are, is compared with the
    upstream version, whose `~` stands for a hyphen.
    """
    if own == version or respelled(scheme, [own], version):
        return True
    if spec.versions in ("deb", "rpm") and "-" in version:
        return False
    return _plain(own.rpartition("-")[0] or own) == _plain(version)


def _plain(version: str) -> str:
    """A version without its epoch, in the characters of other schemes: 1:1.0~rc.1 is 1.0-rc.1."""
    return re.sub(r"^[0-9]+:", "", version).replace("~", "-").replace("^", "+")
