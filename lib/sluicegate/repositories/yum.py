"""Repository driver `yum`: RPM packages in a folder that dnf, yum and zypper install from; createrepo_c indexes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.repositories.mirror import Public, read_mirror
from sluicegate.repositories.packages import LISTS, PackageRepository, looked_into, read_directory, run
from sluicegate.tools import files

ENTRY = "repodata/repomd.xml"
SHOWN = ("--queryformat", "%{NAME}-%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}.%{ARCH}")


@dataclass(frozen=True, kw_only=True)
class YumRepository(PackageRepository):
    """`repodata` at the top lists the packages of announced versions where they stand; nothing is copied."""

    ending: str = ".rpm"

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> YumRepository:
        """Read `path`, `url`, `credentials` and `mirror`."""
        settings.only("path", "url", "credentials", "mirror")
        return cls(files=read_directory(name, settings), mirror=read_mirror(name, settings, config))

    def mark(self, package: Path) -> str:
        """The package as dnf names it: name-version-release.architecture, with the epoch where it has one."""
        return looked_into(["rpm", "-qp", "--nosignature", "--nodigest", *SHOWN, "--", package], package, "RPM")

    def index(self, added: tuple[Path, ...], gone: tuple[str, ...], everything: Mapping[str, str]) -> None:
        listed = self.path / LISTS / "packages"
        files.replace(listed, "".join(f"{path}\n" for path in sorted(everything)).encode())
        run(["createrepo_c", "--quiet", "--update", "--pkglist", listed, "--", self.path])

    def public(self, packages: Iterable[str]) -> Public:
        index = sorted(f"repodata/{path.name}" for path in (self.path / "repodata").iterdir())
        return Public(packages=tuple(packages), index=tuple(name for name in index if name != ENTRY), entries=(ENTRY,))
