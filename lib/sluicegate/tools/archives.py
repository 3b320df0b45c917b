"""Unpacks archives of unknown makers: every member is checked before the first write.

An archive is content from outside: names that lead out of the folder, links that do, devices, and a few kilobytes that
unpack to terabytes are refused as IntegrityError. Of a member's mode only "executable" is kept.
"""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sluicegate.errors import IntegrityError, SluicegateError
from sluicegate.tools import door
from sluicegate.tools.members import Member, Source, opened, refuse

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ENDINGS = (*TAR_ENDINGS, ".zip")
LARGEST = 4 << 30
MOST = 100_000
LINKS_IN_A_ROW = 40
OTHER_ENDINGS = (".tar.zst", ".tzst", ".tar.lz", ".tar.lzma", ".tar.lz4", ".tar.lzo", ".tar.z", ".7z", ".rar")
BEGINS = (  # of a zip, and of what gzip, bzip2, xz, zstd, lz4, compress, lzip, lzma, 7-Zip and RAR make
    b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x1f\x9d", b"LZIP",
    b"\x5d\0\0", b"7z\xbc\xaf", b"Rar!",
)  # fmt: skip
DESKTOPS = {
    "__macosx", ".ds_store", ".appledouble", ".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems",
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",
}  # fmt: skip
"""What macOS and Windows put beside the files of people, in small letters."""
BLOCK = 1 << 20

Damage = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)
"""What reading a damaged or encrypted archive raises."""


def is_archive(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def is_of_another_form(name: str) -> bool:
    """Whether it is called as an archive that is not unpacked here."""
    return name.lower().endswith(OTHER_ENDINGS)


def recognised(archive: Path) -> bool:
    """Whether the content is that of an archive, or of a compressed file, also in a form that is not unpacked here."""
    with archive.open("rb") as stream:
        begin = stream.read(512)
    tar = begin[257:262] == b"ustar"
    return begin.startswith(BEGINS) or tar or zipfile.is_zipfile(archive) or tarfile.is_tarfile(archive)


def unpack(archive: Path, into: Path, *, largest: int = LARGEST, most: int = MOST) -> None:
    """Unpack into the new folder `into`; a single folder at the top of the archive is left out, and what desktops add.

    `largest` is the sum of all sizes in bytes, `most` the number of members. Raises IntegrityError, with nothing
    written, for a damaged or dangerous archive.
    """
    door.passing(f"unpack {archive.name}")
    with _damage(archive), opened(archive, largest) as source:
        members = _without_top(_without_metadata(tuple(_limited(source.members(), archive, largest, most))))
        _check(members, archive, largest)
    with _damage(archive), opened(archive, largest) as source:
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


def _limited(members: Iterator[Member], archive: Path, largest: int, most: int) -> Iterator[Member]:
    """Pass members on while their number and sum stay within limits; asks for no header beyond."""
    size = 0
    for count, member in enumerate(members, start=1):
        size += member.size
        if count > most:
            raise refuse(archive, f"it has more than {most} members")
        if size > largest:
            raise refuse(archive, f"it unpacks to more than {largest} bytes")
        yield member


def _without_metadata(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Leave out what macOS and Windows put beside the files, `._NAME` only beside its NAME."""
    paths = {member.path for member in members}
    folders = {path[:depth] for path in paths for depth in range(1, len(path))}
    known = paths | folders

    def is_metadata(path: tuple[str, ...]) -> bool:
        twin = (*path[:-1], path[-1].removeprefix("._"))
        return any(part.lower() in DESKTOPS for part in path) or (twin != path and (twin in known or twin[-1] == "."))

    return tuple(member for member in members if not is_metadata(member.path))


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
            raise refuse(archive, f"it holds '{shown}' twice")
        if member.kind == "hardlink":
            goal = known.get(_goal(member))
            if goal is None or goal.kind != "file":
                raise refuse(archive, f"the hard link '{shown}' leads to '{member.target}', which is no earlier file")
            member = replace(goal, path=member.path)
        known[member.path] = member
        total += member.size
        if total > largest:
            raise refuse(archive, f"it unpacks to more than {largest} bytes")
    # Nothing lies below a file or a link, and no link leads out, by whatever way round.
    links = {member.path: member.target for member in members if member.kind == "link"}
    for member in members:
        for length in range(1, len(member.path)):
            above = known.get(member.path[:length])
            if above is not None and above.kind != "folder":
                raise refuse(archive, f"'{'/'.join(member.path)}' lies below '{'/'.join(above.path)}', no folder")
        if member.kind == "link" and not _stays_inside(member, links):
            raise refuse(archive, f"the link '{'/'.join(member.path)}' leads out of the folder: '{member.target}'")


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


def _write(members: Sequence[Member], source: Source, into: Path) -> None:
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


def _write_file(member: Member, source: Source, place: Path) -> None:
    """Write exactly the promised number of bytes."""
    left = member.size
    with source.content(member) as reader, place.open("xb") as writer:
        while left and (block := reader.read(min(BLOCK, left))):
            writer.write(block)
            left -= len(block)
        if left or reader.read(1):
            raise EOFError(f"'{'/'.join(member.path)}' has another size than the archive says")
    place.chmod(0o755 if member.executable else 0o644)
