"""The workspace of a build as the server itself reads and writes it: builds may put links into it at any moment."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import IO

from sluicegate.errors import Malformed
from sluicegate.tools import beneath, files

LARGEST = 128 << 20
"""Bytes of a file that is read whole: a build makes one of any size at no cost, by a hole in it."""


class Ground:
    """Every hop is opened without following, so nothing outside is read or written, whatever is swapped meanwhile.

    `give` makes what is written the build's own; `check` raises when the build was aborted.
    """

    def __init__(self, folder: Path, give: Callable[[int], None], check: Callable[[], None]) -> None:
        self.folder = folder
        self._give = give
        self._check = check

    def open(self, name: str | Path) -> BufferedReader:
        """A file of the workspace; links that stay in it are followed. Raises OSError, also when it leads out of it."""
        stream = os.fdopen(files.open_beneath(self.folder, self._within(name), follow=True), "rb")
        if beneath.is_anothers(os.fstat(stream.fileno()), os.stat(self.folder).st_uid):
            stream.close()
            raise PermissionError(f"{name} is a hard link to a file of another user")
        return stream

    def read(self, name: str | Path) -> bytes:
        """A file. Raises OSError, and Malformed for one that is larger than LARGEST."""
        with self.open(name) as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise Malformed(f"'{name}' has more than {LARGEST >> 20} MiB and is not read")
        return content

    def blocks(self, stream: IO[bytes]) -> Iterator[bytes]:
        """What is left of an open file; between two blocks the build may be aborted. Raises OSError."""
        while block := stream.read(files.BLOCK):
            self._check()
            yield block

    def text(self, name: str | Path) -> str:
        """A file of UTF-8, whatever is none replaced. Raises OSError, Malformed."""
        return self.read(name).decode("utf-8", "replace")

    def create(self, name: str | Path, mode: int = 0o644) -> BufferedWriter:
        """A new file in place of what has that name, with the folders above it. Raises OSError.

        A folder above may be a link that stays in the workspace.
        """
        path = self.folder / self._within(name)
        real = Path(os.path.relpath(os.path.realpath(path.parent), os.path.realpath(self.folder)))
        here = self._made(real)
        try:
            with suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=here)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            stream = os.fdopen(os.open(path.name, flags, mode, dir_fd=here), "wb")
        finally:
            os.close(here)
        self._give(stream.fileno())
        return stream

    def write(self, name: str | Path, content: bytes, mode: int = 0o644) -> None:
        """A file with this content in place of what has that name. Raises OSError."""
        with self.create(name, mode) as stream:
            stream.write(content)

    def folder_at(self, name: str | Path) -> Path:
        """A folder of the workspace, made where it is not there. Raises OSError when its way leads out."""
        os.close(self._made(Path(self._within(name))))
        return self.folder / name

    def has_folder(self, path: Path) -> bool:
        """Whether this is a folder that lies in the workspace, wherever links on the way lead."""
        return path.is_dir() and path.resolve().is_relative_to(self.folder.resolve())

    def copy(self, name: str | Path, to: Path, seen: Callable[[bytes], object] = len) -> os.stat_result:
        """Copy a file of the workspace to a place of ours; its status. `seen` is given each block.

        Raises OSError, also where there is no room for all of it: then nothing of it is left there.
        """
        with self.open(name) as reading:
            status = os.fstat(reading.fileno())
            if status.st_size > (room := shutil.disk_usage(to.parent).free):
                raise OSError(errno.ENOSPC, f"it has {status.st_size} bytes, and there is room for {room}", str(name))
            try:
                with to.open("wb") as writing:
                    for block in self.blocks(reading):
                        seen(block)
                        writing.write(block)
            except BaseException:
                to.unlink(missing_ok=True)
                raise
        return status

    def remove(self, name: str | Path) -> None:
        """Remove a file, a link itself, or a folder with all that can be removed in it; gone already is well."""
        path = self.folder / self._within(name)
        with suppress(FileNotFoundError):
            here = self._made(path.parent.relative_to(self.folder))
            try:
                beneath.remove_in(here, path.name)
            finally:
                os.close(here)

    def _made(self, relative: Path) -> int:
        """A descriptor of a folder below, made where it is missing."""
        here = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in relative.parts:
            try:
                if part == "..":
                    raise PermissionError(f"{relative} lies outside the workspace")
                try:
                    below = os.open(part, beneath.FOLDER, dir_fd=here)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=here)
                    below = os.open(part, beneath.FOLDER, dir_fd=here)
                    self._give(below)
            finally:
                os.close(here)
            here = below
        return here

    def _within(self, name: str | Path) -> str:
        """The name relative to the workspace. Raises PermissionError when it lies outside by its words alone."""
        relative = os.path.relpath(os.path.normpath(self.folder / name), self.folder)
        if relative == ".." or relative.startswith("../"):
            raise PermissionError(f"{name} lies outside the workspace")
        return relative
