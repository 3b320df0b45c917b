"""The members of a tar or zip of unknown makers, in order, with names that lead nowhere else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from sluicegate.errors import IntegrityError

LONGEST_TARGET = 4096
LONGEST_HEADER = 1 << 20
VOLUME_LABEL = b"V"  # of GNU tar (`-V`): a name for the tape
NAME_IS_UTF8 = 0x800  # of a zip's flags
MADE_BY_UNIX = (3, 19)  # 19: macOS
UNICODE_PATH = 0x7075
FOLDER_ICON = "Icon\r"  # of macOS: a folder's own icon


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry: where it goes, and for a link its target (of a hard link: the name of an earlier member)."""

    path: tuple[str, ...]
    kind: Literal["file", "folder", "link", "hardlink"]
    size: int = 0
    executable: bool = False
    target: str = ""
    index: int = 0


def refuse(archive: Path, text: str) -> IntegrityError:
    return IntegrityError(
        f"{archive.name} is not unpacked: {text}", hint="see what made the archive; nothing was written"
    )


class Source:
    """An open archive: its members in order, and the content of one."""

    def __init__(self, members: Callable[[], Iterator[Member]], content: Callable[[Member], BinaryIO]) -> None:
        self.members = members
        self.content = content


@contextmanager
def opened(archive: Path, largest: int) -> Iterator[Source]:
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
            yield Source(
                lambda: _zip_members(opened, infos, archive), lambda m: cast(BinaryIO, opened.open(infos[m.index]))
            )
        return
    with _decompressed(archive) as stream:
        bounded = _Bounded(stream, 2 * largest + LONGEST_HEADER, archive)
        with tarfile.open(fileobj=cast(BinaryIO, bounded), mode="r:") as tar:
            yield Source(lambda: _tar_members(tar, bounded, archive), lambda m: _tar_content(tar, m))


@contextmanager
def _decompressed(archive: Path) -> Iterator[BinaryIO]:
    """The bytes of the tar itself; the compression is known by its first bytes, not by the name."""
    with archive.open("rb") as raw:
        start = raw.read(6)
        raw.seek(0)
        if start.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=raw) as stream:
                yield cast(BinaryIO, stream)
        elif start.startswith(b"BZh"):
            with bz2.BZ2File(raw) as stream:
                yield cast(BinaryIO, stream)
        elif start == b"\xfd7zXZ\x00":
            with lzma.LZMAFile(raw) as stream:
                yield cast(BinaryIO, stream)
        else:
            yield raw


class _Bounded(io.RawIOBase):
    """A stream that refuses to go past `largest` bytes, and to give a header of more than 1 MiB in one go."""

    def __init__(self, stream: BinaryIO, largest: int, archive: Path) -> None:
        super().__init__()
        self.stream = stream
        self.largest = largest
        self.archive = archive

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > LONGEST_HEADER:
            raise refuse(self.archive, f"a header claims {size} bytes, more than {LONGEST_HEADER}")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence != 0 or offset > self.largest:
            raise refuse(self.archive, f"it unpacks to more than {self.largest} bytes")
        return self.stream.seek(offset)

    def tell(self) -> int:
        return self.stream.tell()


def _tar_members(tar: tarfile.TarFile, bounded: _Bounded, archive: Path) -> Iterator[Member]:
    for index, info in enumerate(tar):
        if info.type == VOLUME_LABEL:
            continue
        if not (info.isreg() or info.issparse() or info.isdir() or info.issym() or info.islnk()):
            raise refuse(archive, f"'{info.name}' is neither a file, a folder nor a link but of type {info.type!r}")
        path = _path(info.name, archive)
        if not path:
            continue
        kind: Literal["file", "folder", "link", "hardlink"] = "file"
        if info.isdir():
            kind = "folder"
        elif info.issym():
            kind = "link"
        elif info.islnk():
            kind = "hardlink"
        size = info.size if kind == "file" else 0
        target = info.linkname if kind in ("link", "hardlink") else ""
        executable = bool(info.mode & 0o111)
        yield Member(path=path, kind=kind, size=size, executable=executable, target=target, index=index)
    _check_end(tar, bounded, archive)


def _check_end(tar: tarfile.TarFile, bounded: _Bounded, archive: Path) -> None:
    """Refuse a tar that stops before its end: tarfile takes a damaged header, and the end of the file, for the end.

    What follows is read too, as a compressed file carries its sum behind everything.
    """
    bounded.seek(tar.offset)
    block = bounded.read(tarfile.BLOCKSIZE)
    if not block:
        raise refuse(archive, "it ends without the mark of a tar's end, so it was cut off")
    if block.strip(b"\0"):
        raise refuse(archive, f"the header at byte {tar.offset} of the tar is damaged")
    while bounded.read(LONGEST_HEADER):
        bounded.seek(bounded.tell())  # refuses to go beyond the limit


def _tar_content(tar: tarfile.TarFile, member: Member) -> BinaryIO:
    content = tar.extractfile(tar.getmembers()[member.index])
    if content is None:
        raise tarfile.ReadError(f"no content for {'/'.join(member.path)}")
    return cast(BinaryIO, content)


def _zip_members(opened: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo], archive: Path) -> Iterator[Member]:
    for index, info in enumerate(infos):
        path = _path(_zip_name(info), archive)
        mode = info.external_attr >> 16
        if info.flag_bits & 1:
            raise refuse(archive, f"'{info.filename}' is encrypted")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise refuse(archive, f"'{info.filename}' is neither a file, a folder nor a link")
        if not path:
            continue
        if info.is_dir() or stat.S_ISDIR(mode):
            yield Member(path=path, kind="folder", index=index)
        elif stat.S_ISLNK(mode):
            if info.file_size > LONGEST_TARGET:
                raise refuse(archive, f"the target of the link '{info.filename}' has {info.file_size} bytes")
            target = opened.read(info).decode("utf-8", "surrogateescape")
            yield Member(path=path, kind="link", target=target, index=index)
        else:
            executable = bool(mode & 0o111)
            yield Member(path=path, kind="file", size=info.file_size, executable=executable, index=index)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it stands in the file: zipfile cuts it at a NUL, and turns the other slash round.

    Where it does not say that it is UTF-8, what Unix made has its file system's bytes (Info-ZIP, the Finder), and
    others may have put the whole name behind that of an old code page (WinZip).
    """
    if info.flag_bits & NAME_IS_UTF8:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")
    if info.create_system in MADE_BY_UNIX:
        return raw.decode("utf-8", "surrogateescape")
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH and field[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            return field[5:].decode()
    return info.orig_filename


def _path(name: str, archive: Path) -> tuple[str, ...]:
    """The parts of a member's name; empty for the top folder itself, and for what is passed over."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise refuse(archive, f"'{name}' is an absolute path")
    if name.rpartition("/")[2] == FOLDER_ICON:
        return ()
    if "\\" in name or any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in name):
        raise refuse(archive, f"the name {name!r} holds a backslash or a control character")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise refuse(archive, f"'{name}' leads out of the folder by '..'")
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts) or len(name) > 3000:
        raise refuse(archive, f"the name '{name[:60]}...' is too long")
    return parts
