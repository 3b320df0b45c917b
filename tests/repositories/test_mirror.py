"""A mirror of packages in a bucket: at a server that takes nothing, and at one that keeps what it gets."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

from sluicegate.errors import Denied, IntegrityError
from sluicegate.repositories.apt import AptRepository
from sluicegate.repositories.directory import DirectoryRepository
from sluicegate.repositories.mirror import Mirror, Public
from sluicegate.repositories.packages import LISTS
from tests.parts import CONFIG, make_unlistable, settings, web_server


class _ReadOnly(BaseHTTPRequestHandler):
    """Lists an empty bucket, and refuses what is to be stored."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, b"<ListBucketResult><Name>packages</Name><KeyCount>0</KeyCount></ListBucketResult>")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(403, b"<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


class _Bucket(_ReadOnly):
    """Keeps objects and, in order, what was done to them; one whose name is in `full` is refused."""

    objects: ClassVar[dict[str, bytes]]
    changes: ClassVar[list[str]]
    full: ClassVar[set[str]]

    def do_GET(self) -> None:
        entries = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(body)}</Size><ETag>&quot;{hashlib.md5(body).hexdigest()}&quot;</ETag>"
            "</Contents>"
            for key, body in sorted(self.objects.items())
        )
        self._answer(200, f"<ListBucketResult><Name>packages</Name>{entries}</ListBucketResult>".encode())

    def do_PUT(self) -> None:
        key = self.path.partition("?")[0].removeprefix("/packages/")
        if key in self.full:
            return super().do_PUT()
        self.objects[key] = self.rfile.read(int(self.headers["Content-Length"]))
        self.changes.append(f"put {key}")
        return self._answer(200, b"")

    def do_DELETE(self) -> None:
        key = self.path.partition("?")[0].removeprefix("/packages/")
        del self.objects[key]
        self.changes.append(f"delete {key}")
        self._answer(204, b"")


@pytest.fixture
def bucket() -> type[_Bucket]:
    return type("Bucket", (_Bucket,), {"objects": {"theirs.rpm": b"of others"}, "changes": [], "full": set()})


def bring(port: int, folder: Path, packages: tuple[str, ...], entry: bytes = b"the index") -> None:
    """Mirror these packages and one entry of the index."""
    for name in packages:
        (folder / name).write_bytes(name.encode())
    (folder / "repomd.xml").write_bytes(entry)
    public = Public(packages=packages, index=(), entries=("repomd.xml",))
    mirror_at(port, folder).bring(folder, public, folder / "known")


def mirror_at(port: int, folder: Path) -> Mirror:
    login = folder / "login"
    login.write_text("[ci]\naws_access_key_id = any\naws_secret_access_key = secret\n")
    login.chmod(0o600)
    driver_settings = settings(
        bucket="packages", endpoint=f"http://127.0.0.1:{port}", credentials={"file": str(login), "profile": "ci"}
    )
    return Mirror.configure("rpm", driver_settings, CONFIG)


@pytest.mark.parametrize("part", ["packages", "index", "entries"])
def test_a_bucket_that_may_not_be_written_is_said_so(part: str, tmp_path: Path) -> None:
    (tmp_path / "shop.rpm").write_bytes(b"a package")
    names: dict[str, tuple[str, ...]] = {"packages": (), "index": (), "entries": (), part: ("shop.rpm",)}
    with web_server(_ReadOnly) as port, pytest.raises(Denied, match=r"AccessDenied: .*not yours"):
        mirror_at(port, tmp_path).bring(tmp_path, Public(**names), tmp_path / "known")


def test_what_is_gone_is_deleted_once_nothing_leads_there_and_what_others_stored_stays(
    bucket: type[_Bucket], tmp_path: Path
) -> None:
    with web_server(bucket) as port:
        bring(port, tmp_path, ("a-1.rpm", "b-1.rpm"))
        bucket.changes.clear()
        bring(port, tmp_path, ("b-1.rpm",), entry=b"the index without a")
        assert bucket.changes == ["put repomd.xml", "delete a-1.rpm"]
        assert sorted(bucket.objects) == ["b-1.rpm", "repomd.xml", "theirs.rpm"]


def test_what_a_mirroring_that_broke_off_has_stored_is_known_to_the_next(bucket: type[_Bucket], tmp_path: Path) -> None:
    bucket.full.add("repomd.xml")
    with web_server(bucket) as port:
        with pytest.raises(Denied):
            bring(port, tmp_path, ("a-1.rpm", "b-1.rpm"))
        assert "a-1.rpm" in bucket.objects
        bucket.full.clear()
        bring(port, tmp_path, ("b-1.rpm",))
        assert sorted(bucket.objects) == ["b-1.rpm", "repomd.xml", "theirs.rpm"]


def apt(place: Path) -> AptRepository:
    return AptRepository(files=DirectoryRepository(path=place), distribution="stable")


def test_the_files_that_apt_reads_are_found_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "pool" / "a").mkdir(parents=True)
    (tmp_path / "real" / "dists" / "stable" / "main").mkdir(parents=True)
    for name in ("pool/a/a.deb", "dists/stable/main/Packages", "dists/stable/Release"):
        (tmp_path / "real" / name).write_text("x")
    (tmp_path / "real" / "dists" / "stable" / "main" / "Packages.old").symlink_to("Packages")
    (tmp_path / "linked").symlink_to("real")
    public = apt(tmp_path / "linked").public(())
    assert public.packages == ("pool/a/a.deb",)
    assert public.index == ("dists/stable/main/Packages", "dists/stable/main/Packages.old")
    assert public.entries == ("dists/stable/Release",)


def test_a_folder_of_packages_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    """A mirror deletes what is gone."""
    (tmp_path / "pool").mkdir()
    make_unlistable(tmp_path / "pool")
    with pytest.raises(IntegrityError, match=f"the folder {tmp_path}/pool/d.* cannot be read: File name too long"):
        apt(tmp_path).public(())


def test_lists_of_packages_that_cannot_be_told_take_none_away(tmp_path: Path) -> None:
    (tmp_path / LISTS).write_text("no folder")
    with pytest.raises(OSError):
        apt(tmp_path)._marks()
