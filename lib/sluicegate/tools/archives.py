"""Unpacks archives of unknown makers: every member is checked before the first write.

An archive is content from outside: names that lead out of the folder, links that do, devices, and a few kilobytes that
unpack to terabytes are refused as IntegrityError. Of a member's mode only "executable" is kept.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, cast

from sluicegate.errors import IntegrityError, SluicegateError
from sluicegate.tools import door

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ENDINGS = (*TAR_ENDINGS, ".zip")
LARGEST = 4 << 30
MOST = 100_000
LONGEST_TARGET = 4096
LONGEST_HEADER = 1 << 20
LINKS_IN_A_ROW = 40
BLOCK = 1 << 20

Damage = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)
"""What reading a damaged or encrypted archive raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry: where it goes, and for a link its target (of a hard link: the name of an earlier member)."""

    path: tuple[str, ...]
    kind: Literal["file", "folder", "link", "hardlink"]
    size: int = 0
    executable: bool = False
    target: str = ""
    index: int = 0


def is_archive(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def unpack(archive: Path, into: Path, *, largest: int = LARGEST, most: int = MOST) -> None:
    """Unpack into the new folder `into`; a single folder at the top of the archive is left out.

    `largest` is the sum of all sizes in bytes, `most` the number of members. Raises IntegrityError, with nothing
    written, for a damaged or dangerous archive.
    """
    door.passing(f"unpack {archive.name}")
    with _damage(archive), _opened(archive, largest) as source:
        members = _without_top(tuple(_limited(source.members(), archive, largest, most)))
        _check(members, archive, largest)
    with _damage(archive), _opened(archive, largest) as source:
        _write(members, source, into)


@contextmanager
def _damage(archive: Path) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except Damage as problem:
        if isinstance(problem, OSError) and problem.errno:
            raise SluicegateError(f"{archive.name} cannot be unpacked: {problem}", hint="check free space") from problem
        raise IntegrityError(
            f"{archive.name} cannot be unpacked: {problem}", hint="build and publish it again"
        ) from None


def _refuse(archive: Path, text: str) -> IntegrityError:
    return IntegrityError(
        f"{archive.name} is not unpacked: {text}", hint="see what made the archive; nothing was written"
    )


class _Source:
    """An open archive: its members in order, and the content of one."""

    def __init__(self, members: Callable[[], Iterator[Member]], content: Callable[[Member], BinaryIO]) -> None:
        self.members = members
        self.content = content


@contextmanager
def _opened(archive: Path, largest: int) -> Iterator[_Source]:
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
            yield _Source(
                lambda: _zip_members(opened, infos, archive), lambda m: cast(BinaryIO, opened.open(infos[m.index]))
            )
        return
    with _decompressed(archive) as stream:
        bounded = _Bounded(stream, 2 * largest + LONGEST_HEADER, archive)
        with tarfile.open(fileobj=cast(BinaryIO, bounded), mode="r:") as tar:
            yield _Source(lambda: _tar_members(tar, archive), lambda m: _tar_content(tar, m))


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
            raise _refuse(self.archive, f"a header claims {size} bytes, more than {LONGEST_HEADER}")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence != 0 or offset > self.largest:
            raise _refuse(self.archive, f"it unpacks to more than {self.largest} bytes")
        return self.stream.seek(offset)

    def tell(self) -> int:
        return self.stream.tell()


def _tar_members(tar: tarfile.TarFile, archive: Path) -> Iterator[Member]:
    for index, info in enumerate(tar):
        if info.issparse() or not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
            raise _refuse(archive, f"'{info.name}' is neither a file, a folder nor a link but of type {info.type!r}")
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


def _tar_content(tar: tarfile.TarFile, member: Member) -> BinaryIO:
    found = tar.extractfile(tar.getmembers()[member.index])
    if found is None:
        raise tarfile.ReadError(f"no content for {'/'.join(member.path)}")
    return cast(BinaryIO, found)


def _zip_members(opened: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo], archive: Path) -> Iterator[Member]:
    for index, info in enumerate(infos):
        # zipfile cuts names at a NUL and turns the other slash round: the name as it stands in the file is judged.
        path = _path(info.orig_filename, archive)
        mode = info.external_attr >> 16
        if info.flag_bits & 1:
            raise _refuse(archive, f"'{info.filename}' is encrypted")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise _refuse(archive, f"'{info.filename}' is neither a file, a folder nor a link")
        if not path:
            continue
        if info.is_dir() or stat.S_ISDIR(mode):
            yield Member(path=path, kind="folder", index=index)
        elif stat.S_ISLNK(mode):
            if info.file_size > LONGEST_TARGET:
                raise _refuse(archive, f"the target of the link '{info.filename}' has {info.file_size} bytes")
            target = opened.read(info).decode("utf-8", "surrogateescape")
            yield Member(path=path, kind="link", target=target, index=index)
        else:
            executable = bool(mode & 0o111)
            yield Member(path=path, kind="file", size=info.file_size, executable=executable, index=index)


def _path(name: str, archive: Path) -> tuple[str, ...]:
    """The parts of a member's name; empty for the top folder itself."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _refuse(archive, f"'{name}' is an absolute path")
    if "\\" in name or any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in name):
        raise _refuse(archive, f"the name {name!r} holds a backslash or a control character")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise _refuse(archive, f"'{name}' leads out of the folder by '..'")
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts) or len(name) > 3000:
        raise _refuse(archive, f"the name '{name[:60]}...' is too long")
    return parts


def _limited(members: Iterator[Member], archive: Path, largest: int, most: int) -> Iterator[Member]:
    """Pass members on while their number and sum stay within limits; asks for no header beyond."""
    size = 0
    for count, member in enumerate(members, start=1):
        size += member.size
        if count > most:
            raise _refuse(archive, f"it has more than {most} members")
        if size > largest:
            raise _refuse(archive, f"it unpacks to more than {largest} bytes")
        yield member


def _without_top(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Leave out the folder that holds everything, when there is one."""
    tops = {member.path[0] for member in members}
    if len(tops) != 1 or any(len(member.path) == 1 and member.kind != "folder" for member in members):
        return members
    (top,) = tops
    inner = tuple(replace(member, path=member.path[1:]) for member in members if len(member.path) > 1)
    return tuple(_hardlink_below(member, top) if member.kind == "hardlink" else member for member in inner)


def _hardlink_below(member: Member, top: str) -> Member:
    """A hard link names its target from the archive's top, which has moved down by one folder."""
    parts = [part for part in member.target.split("/") if part not in ("", ".")]
    inside = parts[:1] == [top] and not member.target.startswith("/")
    return replace(member, target="/".join(parts[1:]) if inside else "../" + member.target)


def _check(members: Sequence[Member], archive: Path, largest: int) -> None:
    """Refuse members that stand in each other's way, and links that lead out or multiply a file beyond the limit."""
    known: dict[tuple[str, ...], Member] = {}
    total = 0
    for member in members:
        shown = "/".join(member.path)
        earlier = known.get(member.path)
        if earlier is not None and not (earlier.kind == member.kind == "folder"):
            raise _refuse(archive, f"it holds '{shown}' twice")
        if member.kind == "hardlink":
            goal = known.get(_goal(member))
            if goal is None or goal.kind != "file":
                raise _refuse(archive, f"the hard link '{shown}' leads to '{member.target}', which is no earlier file")
            member = replace(goal, path=member.path)
        known[member.path] = member
        total += member.size
        if total > largest:
            raise _refuse(archive, f"it unpacks to more than {largest} bytes")
    links = {member.path: member.target for member in members if member.kind == "link"}
    for member in members:
        for length in range(1, len(member.path)):
            above = known.get(member.path[:length])
            if above is not None and above.kind != "folder":
                raise _refuse(archive, f"'{'/'.join(member.path)}' lies below '{'/'.join(above.path)}', no folder")
        if member.kind == "link" and not _stays_inside(member, links):
            raise _refuse(archive, f"the link '{'/'.join(member.path)}' leads out of the folder: '{member.target}'")


def _stays_inside(link: Member, links: Mapping[tuple[str, ...], str]) -> bool:
    """Follow a link as the system would, through other links of the archive; False when it leaves or goes round."""
    place = list(link.path[:-1])
    todo = link.target.split("/")[::-1]
    followed = 0
    if not link.target or link.target.startswith("/") or "\0" in link.target:
        return False
    while todo:
        part = todo.pop()
        if part == "..":
            if not place:
                return False
            place.pop()
        elif part not in ("", "."):
            place.append(part)
            target = links.get(tuple(place))
            if target is not None:
                followed += 1
                if followed > LINKS_IN_A_ROW or target.startswith("/"):
                    return False
                place.pop()
                todo.extend(target.split("/")[::-1])
    return True


def _goal(member: Member) -> tuple[str, ...]:
    return tuple(part for part in member.target.split("/") if part not in ("", "."))


def _write(members: Sequence[Member], source: _Source, into: Path) -> None:
    """Write checked members: folders and files first, links last, so that nothing is written through a link."""
    into.mkdir()
    for member in members:
        place = into.joinpath(*member.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if member.kind == "folder":
            place.mkdir(exist_ok=True)
        elif member.kind == "file":
            _write_file(member, source, place)
        elif member.kind == "hardlink":
            shutil.copy(into.joinpath(*_goal(member)), place)
    for member in members:
        if member.kind == "link":
            into.joinpath(*member.path).symlink_to(member.target)


def _write_file(member: Member, source: _Source, place: Path) -> None:
    """Write exactly the promised number of bytes."""
    left = member.size
    with source.content(member) as reader, place.open("xb") as writer:
        while left and (block := reader.read(min(BLOCK, left))):
            writer.write(block)
            left -= len(block)
        if left or reader.read(1):
            raise EOFError(f"'{'/'.join(member.path)}' has another size than the archive says")
    place.chmod(0o755 if member.executable else 0o644)
