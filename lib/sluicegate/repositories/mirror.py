"""What apt and dnf install from, kept in a bucket as well: a folder's packages and the index over them."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.repositories.s3 import S3Repository
from sluicegate.tools import files

CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """Names below a folder: packages, which never change; their index; and what leads into the index, in that order."""

    packages: tuple[str, ...]
    index: tuple[str, ...]
    entries: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mirror(S3Repository):
    """Objects below `prefix` of a bucket. Only what it stored is ever deleted, so others may stand beside it."""

    def bring(self, folder: Path, public: Public, known: Path) -> None:
        """Upload what is new or differs, then what leads there, then delete what is gone; run again, it goes on.

        `known` is the file that keeps the names of what was stored.
        """
        names = {*public.packages, *public.index, *public.entries}
        before = set(known.read_text().splitlines()) if known.exists() else set()
        files.replace(known, "".join(f"{name}\n" for name in sorted(before | names)).encode())
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            standing = {key.removeprefix(self.prefix): mark for key, mark in self._bucket.listed(self.prefix)}
            sizes = {name: size for name, (size, _) in standing.items()}
            new = [name for name in public.packages if sizes.get(name) != (folder / name).stat().st_size]
            list(pool.map(lambda name: self._store(folder, name), new))
            changed = [name for name in public.index if standing.get(name) != _mark(folder / name)]
            list(pool.map(lambda name: self._store(folder, name), changed))
            for name in public.entries:
                self._store(folder, name)
            for name in sorted(before - names):
                self._bucket.delete(self.prefix + name)
        files.replace(known, "".join(f"{name}\n" for name in sorted(names)).encode())

    def _store(self, folder: Path, name: str) -> None:
        self._bucket.replace_file(self.prefix + name, folder / name)


def read_mirror(name: str, settings: Settings, config: Config) -> Mirror | None:
    """`mirror: {bucket, prefix, endpoint, region, credentials}` of a package repository."""
    if "mirror" not in settings.values:
        return None
    return Mirror.configure(name, settings.below("mirror"), config)


def _mark(path: Path) -> tuple[int, str]:
    """Size and MD5, as a bucket's list has them."""
    content = path.read_bytes()
    return len(content), hashlib.md5(content, usedforsecurity=False).hexdigest()
