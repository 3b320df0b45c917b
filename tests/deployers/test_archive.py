"""What is special to the archive deployer: archives of unknown makers, old releases, breaking off half way."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import stat
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sluicegate.deployers.archive import ArchiveDeployer
from sluicegate.deployers.keepers import SupervisorKeeper
from sluicegate.errors import ConfigError, IntegrityError, Malformed, SluicegateError
from sluicegate.hosts.local import LocalHost
from sluicegate.model.manifest import Release
from sluicegate.model.settings import Plain
from sluicegate.ports import Host
from sluicegate.tools import archives, door
from tests.parts import CONFIG, app_files, free_port, no_host, release, settings, tar
from tests.remotes import ShellHost

Entry = tuple[str, dict[str, object], bytes]


def made_tar(path: Path, *entries: Entry) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, traits, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for trait, value in traits.items():
                setattr(info, trait, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def made_zip(path: Path, *entries: tuple[str, int, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, mode, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def link(name: str, target: str) -> Entry:
    return name, {"type": tarfile.SYMTYPE, "linkname": target}, b""


def hard_link(name: str, target: str) -> Entry:
    return name, {"type": tarfile.LNKTYPE, "linkname": target}, b""


def file(name: str, content: bytes = b"x", **traits: object) -> Entry:
    return name, traits, content


ATTACKS: dict[str, tuple[Entry, ...]] = {
    "a name with dots": (file("../up"),),
    "dots in the middle": (file("a/../../up"),),
    "an absolute name": (file("/etc/cron.d/x"),),
    "a drive": (file("C:/x"),),
    "a backslash": (file("..\\up"),),
    "a newline": (file("a\nb"),),
    "a link out": (link("out", "../.."),),
    "an absolute link": (link("out", "/etc"),),
    "a file through a link": (link("a/out", ".."), file("a/out/x")),
    "a file in place of a link": (link("out", "inside"), file("out")),
    "a link in place of a file": (file("out"), link("out", "inside")),
    "a link through a link": (file("b"), link("d/up", ".."), link("out", "d/up/../..")),
    "a link behind a link": (file("b"), link("d/up", ".."), link("e", "d/up/..")),
    "links in a circle": (file("x"), link("a", "b"), link("b", "a")),
    "a hard link out": (file("x"), hard_link("h", "../../etc/passwd")),
    "a hard link to a link": (file("x"), link("l", "x"), hard_link("h", "l")),
    "a hard link to nothing": (file("x"), hard_link("h", "y")),
    "a device": (file("x"), ("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, b"")),
    "a pipe": (file("x"), ("pipe", {"type": tarfile.FIFOTYPE}, b"")),
    "a file below a file": (file("a"), file("a/b")),
    "a file twice": (file("a"), file("a", b"y")),
    "a link out of the stripped folder": (file("top/a"), link("top/l", "../../x")),
    "a link to the stripped folder's parent": (file("top/a"), link("top/l", "../top/a")),
    "a hard link past the stripped folder": (file("top/a"), hard_link("top/h", "a")),
}


@pytest.mark.parametrize("entries", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_dangerous_archive_is_refused_before_the_first_write(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    path = made_tar(tmp_path / "a.tar.gz", file("Procfile", b"web: x"), *entries)
    if "stripped" in repr(entries) or entries[0][0].startswith("top/"):
        path = made_tar(tmp_path / "a.tar.gz", *entries)
    with pytest.raises(IntegrityError, match="not unpacked"):
        archives.unpack(path, tmp_path / "into")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz"]


@pytest.mark.parametrize(
    "entries",
    [
        (("../up", 0o100644, b"x"),),
        (("/etc/x", 0o100644, b"x"),),
        (("..\\up", 0o100644, b"x"),),
        (("out", stat.S_IFLNK | 0o777, b"/etc"), ("a", 0o100644, b"x")),
        (("out", stat.S_IFLNK | 0o777, b"inside"), ("out/x", 0o100644, b"x")),
        (("null", stat.S_IFCHR | 0o666, b""),),
        (("long", stat.S_IFLNK | 0o777, b"a" * 10_000),),
    ],
)
def test_a_dangerous_zip_is_refused_before_the_first_write(
    tmp_path: Path, entries: tuple[tuple[str, int, bytes], ...]
) -> None:
    path = made_zip(tmp_path / "a.zip", *entries)
    with pytest.raises(IntegrityError, match="not unpacked"):
        archives.unpack(path, tmp_path / "into")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def _zeros_tar(path: Path) -> Path:
    return made_tar(path, *(file(f"z{number}", b"\0" * 500_000) for number in range(5)))


def _hard_link_tar(path: Path) -> Path:
    return made_tar(path, file("z", b"\0" * 500_000), *(hard_link(f"h{number}", "z") for number in range(5)))


def _zeros_zip(path: Path) -> Path:
    return made_zip(path.with_suffix(".zip"), *((f"z{number}", 0o100644, b"\0" * 500_000) for number in range(5)))


@pytest.mark.parametrize("make", [_zeros_tar, _hard_link_tar, _zeros_zip])
def test_a_bomb_is_refused_by_its_size(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "bomb.tar.gz")
    assert path.stat().st_size < 10_000
    with pytest.raises(IntegrityError, match="more than 2000000 bytes"):
        archives.unpack(path, tmp_path / "into", largest=2_000_000)
    assert not (tmp_path / "into").exists()


def test_a_bomb_of_a_petabyte_is_refused_by_its_first_header(tmp_path: Path) -> None:
    info = tarfile.TarInfo("huge")
    info.size = 4 << 50
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_240)
    with pytest.raises(IntegrityError, match="unpacks to more than"):
        archives.unpack(tmp_path / "a.tar", tmp_path / "into")


def test_a_header_of_a_gigabyte_is_refused_before_it_is_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 10_240)
    with pytest.raises(IntegrityError, match="a header claims"):
        archives.unpack(tmp_path / "a.tar", tmp_path / "into")


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    path = made_tar(tmp_path / "a.tar.gz", *(file(f"f{number}", b"") for number in range(11)))
    with pytest.raises(IntegrityError, match="more than 10 members"):
        archives.unpack(path, tmp_path / "into", most=10)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.tar.xz"])
@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8b\x08broken", b"PK\x03\x04broken"])
def test_a_damaged_archive_is_an_integrity_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IntegrityError):
        archives.unpack(tmp_path / name, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_an_archive_that_was_cut_off_is_an_integrity_error(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar.gz", {"Procfile": "web: x", "b": "y" * 100_000})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(IntegrityError):
        archives.unpack(path, tmp_path / "into")


def torn(path: Path) -> dict[str, bytes]:
    """A tar of two files, and what is left of it: case -> its bytes."""
    whole = gzip.decompress(made_tar(path / "app.tar.gz", file("Procfile"), file("serve.py")).read_bytes())
    second = 2 * tarfile.BLOCKSIZE
    packed = gzip.compress(whole)
    return {
        "second header damaged": whole[: second + 10] + b"?" + whole[second + 11 :],
        "cut off between two members": whole[:second],
        "cut off behind the last member": whole[: 2 * second],
        "sum of gzip missing": packed[:-8],
        "sum of gzip wrong": packed[:-8] + b"????" + packed[-4:],
        "sum of bzip2 wrong": bz2.compress(whole)[:-5] + b"?????",
        "end of xz missing": lzma.compress(whole)[:-12],
        "something else behind it": packed + b"else",
    }


@pytest.mark.parametrize("case", [
    "second header damaged", "cut off between two members", "cut off behind the last member", "sum of gzip missing",
    "sum of gzip wrong", "sum of bzip2 wrong", "end of xz missing", "something else behind it",
])  # fmt: skip
def test_of_a_torn_archive_nothing_is_unpacked(tmp_path: Path, case: str) -> None:
    archive = tmp_path / "torn.tar"
    archive.write_bytes(torn(tmp_path)[case])
    with pytest.raises(IntegrityError):
        archives.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tape_label_and_an_icon_of_macos_are_passed_over(tmp_path: Path) -> None:
    label = ("app 1.0", {"type": b"V"}, b"")
    archives.unpack(made_tar(tmp_path / "a.tar.gz", label, file("app/Procfile"), file("app/Icon\r")), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Procfile"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_good_archive_is_unpacked_without_its_top_folder(tmp_path: Path, mode: str) -> None:
    path = tmp_path / f"a.tar.{mode[2:]}".rstrip(".")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, traits, content in (
            file("./top/Procfile", b"web: x"),
            file("./top/bin/run", b"#!", mode=0o6755),
            file("./top/open", b"data", mode=0o666),
            hard_link("./top/again", "./top/open"),
            link("./top/bin/data", "../open"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for trait, value in traits.items():
                setattr(info, trait, value)
            archive.addfile(info, io.BytesIO(content))
    archives.unpack(path, tmp_path / "into")
    into = tmp_path / "into"
    assert (into / "Procfile").read_text() == "web: x"
    assert (into / "bin/data").read_text() == (into / "again").read_text() == "data"
    assert stat.S_IMODE((into / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((into / "open").stat().st_mode) == 0o644


def test_a_good_zip_keeps_links_and_what_is_executable(tmp_path: Path) -> None:
    path = made_zip(
        tmp_path / "a.zip",
        ("run", 0o104755, b"#!"),
        ("sub/link", stat.S_IFLNK | 0o777, b"../run"),
        ("plain", 0, b"text"),
    )
    archives.unpack(path, tmp_path / "into")
    assert (tmp_path / "into/sub/link").read_text() == "#!"
    assert stat.S_IMODE((tmp_path / "into/run").stat().st_mode) == 0o755
    assert (tmp_path / "into/plain").read_text() == "text"


def named_zip(path: Path, name: bytes, *, maker: int, unicode: str = "") -> Path:
    """A zip whose only name does not say that it is UTF-8; made on Unix (3), macOS (19) or DOS (0)."""
    info = zipfile.ZipInfo("?" * len(name))
    info.create_system = maker
    if unicode:
        field = struct.pack("<BL", 1, zlib.crc32(name)) + unicode.encode()
        info.extra = struct.pack("<HHB", 0x5455, 1, 0) + struct.pack("<HH", 0x7075, len(field)) + field
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"x")
    path.write_bytes(path.read_bytes().replace(b"?" * len(name), name))
    return path


@pytest.mark.parametrize(
    ("raw", "maker", "unicode", "name"),
    [
        ("grün/é.txt".encode(), 3, "", "grün/é.txt"),
        ("grün.txt".encode(), 19, "", "grün.txt"),
        ("grün.txt".encode("cp437"), 0, "", "grün.txt"),
        ("gr?n.txt".encode("cp437"), 0, "grőn.txt", "grőn.txt"),
        ("other.txt".encode("cp437"), 0, "", "other.txt"),
        ("grün.txt".encode("latin-1"), 3, "", "gr\udcfcn.txt"),
    ],
)
def test_a_name_in_a_zip_comes_out_as_it_went_in(
    tmp_path: Path, raw: bytes, maker: int, unicode: str, name: str
) -> None:
    """Info-ZIP and the Finder write UTF-8 and do not say so."""
    path = named_zip(tmp_path / "a.zip", b"./" + raw, maker=maker, unicode=unicode and f"./{unicode}")
    archives.unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / name.removeprefix("grün/")).read_bytes() == b"x"


@pytest.mark.parametrize("unicode", ["../out.txt", "/etc/x", "a\\b", "a\0b"])
def test_the_second_name_in_a_zip_is_judged_too(tmp_path: Path, unicode: str) -> None:
    with pytest.raises(IntegrityError):
        archives.unpack(named_zip(tmp_path / "a.zip", b"plain.txt", maker=0, unicode=unicode), tmp_path / "out")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LocalHost]:
    folder = tmp_path / "host"
    folder.mkdir()
    local_host = LocalHost.configure("int1", settings(folder=str(folder), ports={"auth": str(free_port())}), CONFIG)
    yield local_host
    SupervisorKeeper.of(local_host, CONFIG).shutdown()


def archive(**values: Plain) -> ArchiveDeployer:
    return ArchiveDeployer.configure("archive", settings(**values), CONFIG, no_host)


def install(host: Host, wanted: Release, deployer: ArchiveDeployer | None = None) -> None:
    """Have it installed, or raise why not."""
    outcome = (deployer or archive()).apply(host, {"auth": wanted}, "intent")["auth"]
    if outcome.problem is not None:
        raise outcome.problem


def releases(host: LocalHost) -> list[str]:
    return sorted(p.name.split("-")[0] for p in (host.folder / "apps/auth/releases").iterdir())


def test_old_releases_are_pruned_and_the_newest_stay(host: LocalHost, tmp_path: Path) -> None:
    for version in ("1.0", "2.0", "3.0", "2.0"):
        install(host, release(tmp_path, version), archive(keep="1"))
    assert releases(host) == ["2.0", "3.0"]


def test_the_running_release_is_not_restarted_when_it_answers(host: LocalHost, tmp_path: Path) -> None:
    wanted = release(tmp_path, "1.0")
    install(host, wanted)
    passed: list[str] = []
    door.watcher = passed.append
    try:
        install(host, wanted)
    finally:
        door.watcher = None
    assert [name.split()[0] for name in passed] == ["sh", "GET"]


def test_all_components_of_a_host_are_surveyed_in_one_call(tmp_path: Path) -> None:
    host = ShellHost(name="int1", folder="ours", root=tmp_path)
    assert archive().survey(host) == {}
    assert host.line.calls == 1


def test_a_release_that_stopped_answering_is_started_again(host: LocalHost, tmp_path: Path) -> None:
    wanted = release(tmp_path, "1.0")
    install(host, wanted)
    SupervisorKeeper.of(host, CONFIG).stop("auth")
    install(host, wanted)
    assert "auth" in archive().survey(host)


def test_a_plain_text_answer_counts_as_a_version(host: LocalHost, tmp_path: Path) -> None:
    install(host, release(tmp_path, "1.0", app_files("1.0\n")))


def test_the_wrong_answer_is_told(host: LocalHost, tmp_path: Path) -> None:
    wanted = release(tmp_path, "2.0", app_files('{"version": "1.0"}'))
    with pytest.raises(SluicegateError, match=r"/version answered '1\.0' .* expected version 2\.0"):
        install(host, wanted, archive(timeout="0.2 s"))


class Killed(BaseException):
    """The program ends here, as by kill -9."""


def test_broken_off_at_any_call_the_next_try_completes_it(host: LocalHost, tmp_path: Path) -> None:
    for number in range(1, 100):
        version, calls = f"1.{number}", iter(range(10_000))

        def kill(name: str, at: int = number, calls: Iterator[int] = calls) -> None:
            if next(calls) == at:
                raise Killed(name)

        wanted = release(tmp_path, version)
        door.watcher = kill
        try:
            install(host, wanted)
        except Killed:
            door.watcher = None
            installed = archive().survey(host).get("auth")
            assert installed is None or installed.version in (version, f"1.{number - 1}")
        else:
            break
        finally:
            door.watcher = None
        install(host, wanted)
        assert "auth" in archive().survey(host)
    assert number > 10


@pytest.mark.parametrize(
    ("names", "message"), [((), "no file at all"), (("notes.txt",), "0 archives"), (("a.zip", "b.tgz"), "2 archives")]
)
def test_not_exactly_one_archive_is_a_usage_error(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    wanted = Release(component="auth", version="1.0", manifest="0" * 64, folder=tmp_path, files=names)
    with pytest.raises(Malformed, match=message):
        install(ShellHost(name="int1", folder="ours", root=tmp_path), wanted)


@pytest.mark.parametrize("procfile", ["", "worker: x\n", "web:\n", "web:   \nworker: y\n"])
def test_an_archive_without_a_web_line_is_a_usage_error_and_nothing_is_sent(tmp_path: Path, procfile: str) -> None:
    (tmp_path / "root").mkdir()
    host = ShellHost(name="int1", folder="ours", root=tmp_path / "root")
    with pytest.raises(Malformed, match="no Procfile with a line 'web: COMMAND'"):
        install(host, release(tmp_path, "1.0", {"Procfile": procfile, "x": ""}))
    assert list((tmp_path / "root/ours").iterdir()) == []


def test_an_archive_that_brings_our_mark_is_refused(tmp_path: Path) -> None:
    files = {**app_files("1.0"), ".sluicegate.json": json.dumps({"version": "9.9"})}
    with pytest.raises(IntegrityError, match="only we may write"):
        install(ShellHost(name="int1", folder="ours", root=tmp_path), release(tmp_path, "1.0", files))


def test_keeping_no_release_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        archive(keep="0")


ADDED = ("__MACOSX/app/._Procfile", "app/.DS_Store", "app/._Procfile", "__MACOSX/._app", "._app", ".DS_Store", "._.",
         "Thumbs.db", "Desktop.ini", "app/desktop.ini", "$RECYCLE.BIN/x")  # fmt: skip


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_what_desktops_add_is_left_out_and_is_no_second_folder_at_the_top(tmp_path: Path, kind: str) -> None:
    names = ("app/Procfile", "app/._own", *ADDED)
    if kind == "zip":
        archive = made_zip(tmp_path / "a.zip", *((name, 0o644, b"x") for name in names))
    else:
        archive = made_tar(tmp_path / "a.tar.gz", *(file(name) for name in names))
    archives.unpack(archive, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["._own", "Procfile"]


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_file_with_holes_is_a_file(tmp_path: Path, form: str) -> None:
    (tmp_path / "app").mkdir()
    with (tmp_path / "app/big").open("wb") as big:
        big.seek(5 << 20)
        big.write(b"end")
    command = ["tar", "-C", tmp_path, "-cSzf", tmp_path / "a.tar.gz", f"--format={form}", "app"]
    subprocess.run(command, check=True)
    archives.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/big").read_bytes() == bytes(5 << 20) + b"end"
    with pytest.raises(IntegrityError, match="more than"):
        archives.unpack(tmp_path / "a.tar.gz", tmp_path / "out2", largest=5 << 20)


@pytest.mark.parametrize("name", ["a.tar.zst", "a.tar.lz", "a.7z", "a.RAR"])
def test_an_archive_in_a_form_that_is_not_unpacked_is_refused_before_it_is_published(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    wanted = Release(component="auth", version="1.0", manifest="0" * 64, folder=tmp_path, files=(name, "notes.txt"))
    with pytest.raises(IntegrityError, match=f"{name} is not unpacked: expected .tar, .*.zip"):
        archive().inspect(wanted)
    made_zip(tmp_path / "b.zip", ("Procfile", 0o644, b"web: x"))
    assert archive().inspect(replace(wanted, files=(name, "b.zip"))) == ()


@pytest.mark.parametrize("begin", [b"\x28\xb5\x2f\xfd", b"\x5d\0\0\x80", b"7z\xbc\xaf", b"\x1f\x9d"])
def test_an_archive_of_another_form_that_is_called_tar_gz_is_refused_before_it_is_published(
    tmp_path: Path, begin: bytes
) -> None:
    (tmp_path / "a.tar.gz").write_bytes(begin + bytes(1000))
    wanted = Release(component="auth", version="1.0", manifest="0" * 64, folder=tmp_path, files=("a.tar.gz",))
    with pytest.raises(IntegrityError):
        archive().inspect(wanted)


def test_a_tar_without_a_mark_and_a_zip_behind_a_program_are_looked_into(tmp_path: Path) -> None:
    made_zip(tmp_path / "b.zip", ("Procfile", 0o644, b"other: x"))
    (tmp_path / "a.zip").write_bytes(b"#!/bin/sh\n" + (tmp_path / "b.zip").read_bytes())
    (tmp_path / "Procfile").write_text("other: x")
    subprocess.run(["tar", "-C", tmp_path, "--format=v7", "-cf", tmp_path / "a.tar", "Procfile"], check=True)
    for name in ("a.zip", "a.tar"):
        wanted = Release(component="auth", version="1.0", manifest="0" * 64, folder=tmp_path, files=(name,))
        assert "web" in archive().inspect(wanted)[0]


@pytest.mark.parametrize("left", [b"", b'{"version": "1.0"', b"{}"])
def test_a_mark_that_cannot_be_read_is_not_taken_for_none(host: LocalHost, tmp_path: Path, left: bytes) -> None:
    """A power cut may leave it empty: what runs there is unknown then, until a deploy has installed it anew."""
    wanted = release(tmp_path, "1.0")
    install(host, wanted)
    assert archive().survey(host)["auth"].version == "1.0"
    (host.folder / "apps/auth/current/.sluicegate.json").write_bytes(left)
    with pytest.raises(IntegrityError, match=r"int1: apps/auth/chosen/\.sluicegate\.json cannot be read") as caught:
        archive().survey(host)
    assert "deploy again" in caught.value.hint
    install(host, wanted)
    assert archive().survey(host)["auth"].version == "1.0"
