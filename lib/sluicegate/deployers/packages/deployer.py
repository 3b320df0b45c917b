"""Exact versions by the host's package manager, in one transaction for all of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from sluicegate.deployers import proof
from sluicegate.deployers.packages.apt import Apt
from sluicegate.deployers.packages.dnf import Dnf
from sluicegate.deployers.packages.manager import PackageManager
from sluicegate.errors import Malformed, SluicegateError
from sluicegate.model.config import Config
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import Outcome
from sluicegate.model.settings import Settings, suggestion
from sluicegate.model.values import Installed
from sluicegate.ports import Host, Wanted
from sluicegate.tools import packagefiles

PACKAGE = r"[A-Za-z0-9][A-Za-z0-9+._-]+"
Packages = Mapping[str, Sequence[str]]
"""Component -> its packages, which all have the component's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesDeployer:
    """The host gets the files by itself; afterwards its package manager says what is installed, and is believed.

    But for what has not answered since (`proof.py`): it is marked before it is changed, and counts once the mark is
    gone. Else what failed, or was broken off, would be there the next time one looks.
    """

    config: Config
    packages: Packages
    manager: PackageManager
    timeout: timedelta
    carries: ClassVar[bool] = False

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config, hosts: Callable[[str], Host]) -> PackagesDeployer:
        """Read `packages`, `list`, `lock-wait` (for the package manager) and `timeout` (for the first right answer)."""
        settings.only("packages", "list", "lock-wait", "timeout", "release")
        return cls(
            config=config, packages=packages_of(settings, config), manager=manager_of(settings),
            timeout=settings.span("timeout", "30 s"),
        )  # fmt: skip

    def survey(self, host: Host) -> Mapping[str, Installed]:
        versions = self.manager.installed(host, self._all(self.packages))
        marked = proof.marked(host)
        installed = self._installed(versions)
        return {component: version_there for component, version_there in installed.items() if component not in marked}

    def _installed(self, versions: Mapping[str, str]) -> dict[str, Installed]:
        """The components all of whose packages are there."""
        installed = {}
        for component, packages in self.packages.items():
            there = sorted({versions[package] for package in packages if package in versions})
            if there and all(package in versions for package in packages):
                installed[component] = Installed(version=there[0] if len(there) == 1 else " and ".join(there))
        return installed

    def inspect(self, release: Release) -> tuple[str, ...]:
        return absent(self.packages, release)

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        """A version that is not there, a half-done change of somebody else, what cannot be installed together."""
        if broken := self.manager.broken(host):
            return (f"{host.name}: {broken}",)
        install, remove = self._changes(wanted)
        if missing := withdrawn(self.manager, host, install):
            return missing
        obstacle = self.manager.trial(host, install, remove)
        return (f"{host.name}: {obstacle}",) if obstacle else ()

    def apply(self, host: Host, wanted: Wanted, intent: str) -> Mapping[str, Outcome]:
        """One transaction for all components; then each is asked for its version."""
        install, remove = self._changes(wanted)
        try:
            proof.mark(host, wanted)
            self.manager.change(host, install, remove)
            standing = self._installed(self.manager.installed(host, self._all(self.packages)))
            return self._proof.of(host, wanted, standing)
        except SluicegateError as problem:
            return dict.fromkeys(wanted, Outcome.of(problem))

    @property
    def _proof(self) -> proof.Proof:
        return proof.Proof(
            config=self.config, seconds=self.timeout.total_seconds(),
            asking=lambda name: self.manager.asking(self.packages[name]),
            log=lambda name: f"see its log there: journalctl -u {self.packages[name][0]}",
        )  # fmt: skip

    def _changes(self, wanted: Wanted) -> tuple[dict[str, str], tuple[str, ...]]:
        """Package -> version to install, and the packages to take away."""
        install = {package: release.version for name, release in wanted.items() if release
                   for package in self._of(name)}  # fmt: skip
        remove = self._all({name: self._of(name) for name, release in wanted.items() if release is None})
        return install, remove

    def _of(self, component: str) -> Sequence[str]:
        return self.packages[component]

    @staticmethod
    def _all(packages: Packages) -> tuple[str, ...]:
        return tuple(dict.fromkeys(package for several in packages.values() for package in several))


def manager_of(settings: Settings) -> PackageManager:
    """Read `list`, `lock-wait` and `release`: a list that is a path is one of apt, any other a repository of dnf."""
    apt = settings.text("list").startswith("/")
    if apt and "release" in settings.values:
        raise settings.fail("'release' is for dnf; a version of dpkg always has it", "release")
    return Apt.configure(settings) if apt else Dnf.configure(settings)


def withdrawn(manager: PackageManager, host: Host, install: Mapping[str, str]) -> tuple[str, ...]:
    """The packages that our source does not offer in these versions, a sentence each, once it was read anew."""
    offered = manager.offered(host, install)
    return tuple(
        f"{host.name}: {package} {version} is not in {manager.source}"
        f" (there: {', '.join(offered.get(package, ())[:5]) or 'no version of it'})"
        for package, version in install.items()
        if version not in offered.get(package, ())
    )


def absent(packages: Packages, release: Release) -> tuple[str, ...]:
    """The component's packages that none of its package files is, in a sentence: hosts would not find that version.

    Says nothing of files that are no packages, or cannot be read. Raises MissingProgram without dpkg-deb, or rpm.
    """
    built: dict[str, str] = {}
    for name in release.files:
        with contextlib.suppress(Malformed):
            if package := packagefiles.read(release.folder / name):
                built[package.name] = name
    missing = [name for name in packages.get(release.component, ()) if name not in built]
    if not (built and missing):
        return ()
    there = ", ".join(f"{file} is {name}" for name, file in built.items())
    return (f"no file is the package {' or '.join(missing)} that hosts install as {release.component} ({there})",)


def packages_of(settings: Settings, config: Config) -> dict[str, tuple[str, ...]]:
    """What each component consists of: by default one package of its name."""
    listed = settings.below("packages")
    for component in listed.values:
        if component not in config.components:
            raise settings.fail(f"no component is called '{component}'.{suggestion(component, [*config.components])}")
    packages = {name: listed.texts(name) or (name,) for name in config.components}
    for package in _flat(packages.values()):
        if not re.fullmatch(PACKAGE, package):
            raise settings.fail(f"'{package}' is not the name of a package")
    return packages


def _flat(several: Iterable[Sequence[str]]) -> Iterable[str]:
    return (package for packages in several for package in packages)
