"""Files that are given as parameters, on their way from a trigger to its build: `<home>/uploads/`, by their content.

A build keeps its own below `fileParameters/`, as on a Jenkins: a hard link, so that it takes no room twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from sluicegate.runner.parameters import Parameter, Upload
from sluicegate.tools import files

BLOCK = 1 << 20
SPARED = 3600.0
"""Seconds for which a file is kept that no trigger and no build has: its trigger may be on its way."""


class Uploads:
    """The files of one home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "uploads"

    def keep(self, stream: BinaryIO, name: str) -> Upload:
        """Store a file; it is on disk when this returns. `name` is what its owner calls it."""
        files.ensure_folder(self.folder, mode=0o700)
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as stored:
            try:
                while block := stream.read(BLOCK):
                    digest.update(block)
                    stored.write(block)
                stored.flush()
                os.fsync(stored.fileno())
                os.replace(stored.name, self.folder / digest.hexdigest())
            except BaseException:
                os.unlink(stored.name)
                raise
        return Upload(file_name=os.path.basename(name) or "file", sha256=digest.hexdigest())

    def hand_over(self, parameters: Iterable[Parameter], build: Path) -> None:
        """Give the folder of a build the files among its parameters. Raises OSError for one that is gone."""
        for parameter in parameters:
            if not parameter.sha256:
                continue
            target = place_in(build, parameter)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(self.folder / parameter.sha256, target)
            except OSError:  # another file system, or one without links
                shutil.copyfile(self.folder / parameter.sha256, target)

    def sweep(self, waiting: Iterable[Parameter]) -> None:
        """Remove what no build has and nothing waits with."""
        wanted = {parameter.sha256 for parameter in waiting}
        limit = time.time() - SPARED
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.folder):
                status = entry.stat(follow_symlinks=False)
                if entry.name not in wanted and status.st_nlink == 1 and status.st_mtime < limit:
                    os.unlink(entry.path)


def place_in(build: Path, parameter: Parameter) -> Path:
    """Where the folder of a build has the file of a parameter (FileParameterValue.getLocationUnderBuild)."""
    return build / "fileParameters" / parameter.name
