"""Repository driver `apt`: Debian packages in a folder that apt installs from; aptly indexes and signs it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import UsageError
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.repositories.mirror import Public, read_mirror
from sluicegate.repositories.packages import PackageRepository, looked_into, read_directory, run
from sluicegate.tools import beneath, files

NAME = "sluicegate"
ENTRIES = ("Release.gpg", "Release", "InRelease")
STATE = ".aptly"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PLACE = "filesystem:here:."


@dataclass(frozen=True, kw_only=True)
class AptRepository(PackageRepository):
    """`dists` and `pool` at the top hold the packages of announced versions; aptly's own state is in .aptly."""

    distribution: str
    section: str = "main"
    architectures: tuple[str, ...] = ("amd64",)
    key: str = ""
    ending: str = ".deb"

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> AptRepository:
        """Read `path`, `url`, `credentials`, `distribution`, `section`, `architectures`, `key` and `mirror`."""
        settings.only("path", "url", "credentials", "distribution", "section", "architectures", "key", "mirror")
        repository = cls(
            files=read_directory(name, settings),
            distribution=settings.text("distribution"),
            section=settings.text("section", "main"),
            architectures=settings.texts("architectures") or ("amd64",),
            key=settings.text("key", ""),
            mirror=read_mirror(name, settings, config),
        )
        for word in (repository.distribution, repository.section, *repository.architectures):
            if not WORD.fullmatch(word):
                raise settings.fail(f"'{word}' is no name of a distribution, a section or an architecture")
        if repository.key.startswith("-"):
            raise settings.fail(f"'key' is '{repository.key}', expected a fingerprint or an address", "key")
        return repository

    def mark(self, package: Path) -> str:
        """The package as aptly names it: name_version_architecture."""
        shown = "--showformat=${Package}_${Version}_${Architecture}"
        return looked_into(["dpkg-deb", "--show", shown, "--", package], package, "Debian")

    def unindexed(self, mark: str, source: Path) -> UsageError | None:
        architecture = mark.rpartition("_")[2]
        if architecture in (*self.architectures, "all"):
            return None
        return UsageError(
            f"{source} is for {architecture}, and the repository indexes {', '.join(self.architectures)}",
            hint="add it to 'architectures' of a new repository, or build it for one of these",
        )

    def index(self, added: tuple[Path, ...], gone: tuple[str, ...], everything: Mapping[str, str]) -> None:
        config = self._config()
        aptly: list[str | Path] = ["aptly", f"-config={config}"]
        published = f"{PLACE} {self.distribution}" in run([*aptly, "publish", "list", "-raw"]).splitlines()
        if NAME not in run([*aptly, "repo", "list", "-raw"]).split():
            places = [f"-distribution={self.distribution}", f"-component={self.section}"]
            run([*aptly, "repo", "create", *places, NAME])
        if added:
            run([*aptly, "repo", "add", NAME, *added])
        if gone:
            run([*aptly, "repo", "remove", NAME, *gone])
        if published and not added and not gone:
            return
        common = ["-batch", f"-gpg-key={self.key}" if self.key else "-skip-signing"]
        if published:
            run([*aptly, "publish", "update", *common, self.distribution, PLACE])
            for left in ("InRelease", "Release.gpg") if not self.key else ():  # of a key that is no longer wanted
                (self.path / "dists" / self.distribution / left).unlink(missing_ok=True)
        else:
            run([*aptly, "publish", "repo", *common, f"-architectures={','.join(self.architectures)}", NAME, PLACE])

    def public(self, packages: Iterable[str]) -> Public:
        """aptly's pool stands for the packages; apt begins with InRelease, and without it with Release."""
        top = f"dists/{self.distribution}/"
        index = [name for name in self._below("dists") if name.startswith(top)]
        entries = tuple(name for name in (f"{top}{last}" for last in ENTRIES) if name in index)
        rest = tuple(name for name in index if name not in entries)
        return Public(packages=tuple(self._below("pool")), index=rest, entries=entries)

    def _below(self, folder: str) -> list[str]:
        """The files below a folder. Raises IntegrityError for one that cannot be read: a mirror would lose it."""
        tree = beneath.folders((self.path / folder).resolve())
        return sorted(
            f"{folder}/{prefix}{entry.name}" for prefix, entries in tree for entry in entries if entry.is_file()
        )

    def _config(self) -> Path:
        path = self.path / STATE / "aptly.conf"
        content = {
            "rootDir": str(self.path / STATE),
            "architectures": list(self.architectures),
            "FileSystemPublishEndpoints": {
                "here": {"rootDir": str(self.path), "linkMethod": "hardlink", "verifyMethod": "md5"}
            },
        }
        written = json.dumps(content, indent=1).encode()
        if not path.exists() or path.read_bytes() != written:
            files.replace(path, written)
        return path
