"""What is special to the directory repository: Maven's files, half-done work, lying servers."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sluicegate.errors import (
    ConfigError,
    Conflict,
    Denied,
    IntegrityError,
    NotFound,
    RemoteUnavailable,
    SluicegateError,
)
from sluicegate.model.settings import Plain
from sluicegate.repositories.directory import DirectoryRepository
from sluicegate.tools import door, files, patience
from sluicegate.tools.credentials import Login, Secret
from tests.parts import AUTH, CONFIG, answering, settings, web_server


@pytest.fixture
def repository(tmp_path: Path) -> DirectoryRepository:
    return DirectoryRepository(path=tmp_path / "repository")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "built"
    path.write_bytes(b"payload" * 1000)
    return path


def folder(repository: DirectoryRepository) -> Path:
    return repository.path / "com/example/auth/1.0"


def test_checksums_follow_what_is_announced_anew(repository: DirectoryRepository, source: Path) -> None:
    for versions in (["1.0"], ["1.0", "1.1"]):
        repository.put(AUTH, versions[-1], f"auth-{versions[-1]}.zip", source)
        repository.announce(AUTH, versions)
        path = repository.path / "com/example/auth/maven-metadata.xml"
        assert path.with_name("maven-metadata.xml.sha256").read_text() == files.sha256(path)
    assert "1.1" in path.read_text()


def test_files_stand_where_maven_looks_with_their_checksums(repository: DirectoryRepository, source: Path) -> None:
    repository.put(AUTH, "1.0", "auth-1.0.zip", source)
    for kind in ("sha1", "sha256", "md5"):
        written = (folder(repository) / f"auth-1.0.zip.{kind}").read_text()
        assert written == hashlib.new(kind, source.read_bytes()).hexdigest()
    assert len(list(folder(repository).iterdir())) == 4


def test_the_metadata_names_the_last_version_that_is_no_prerelease(repository: DirectoryRepository) -> None:
    repository.announce(AUTH, ["1.0", "1.1", "1.2-rc.1"])
    path = repository.path / "com/example/auth/maven-metadata.xml"
    tree = ElementTree.fromstring(path.read_bytes())
    assert tree.findtext("groupId") == "com.example"
    assert tree.findtext("versioning/latest") == tree.findtext("versioning/release") == "1.1"
    assert [version.text for version in tree.iterfind("versioning/versions/version")] == ["1.0", "1.1", "1.2-rc.1"]
    assert path.with_name("maven-metadata.xml.sha256").read_text() == files.sha256(path)


def test_with_prereleases_only_there_is_a_latest_but_no_release(repository: DirectoryRepository) -> None:
    repository.announce(AUTH, ["1.0-rc.1", "1.0-rc.2"])
    tree = ElementTree.parse(repository.path / "com/example/auth/maven-metadata.xml")
    assert tree.findtext("versioning/latest") == "1.0-rc.2"
    assert tree.find("versioning/release") is None


def test_a_conflict_names_both_checksums(repository: DirectoryRepository, source: Path, tmp_path: Path) -> None:
    repository.put(AUTH, "1.0", "a.zip", source)
    changed_file = tmp_path / "other"
    changed_file.write_bytes(b"other")
    with pytest.raises(Conflict) as caught:
        repository.put(AUTH, "1.0", "a.zip", changed_file)
    assert files.sha256(source) in str(caught.value)
    assert files.sha256(changed_file) in str(caught.value)


def _grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def _shrink(path: Path) -> None:
    os.truncate(path, 10)


def _exchange(path: Path) -> None:
    path.rename(path.with_name("old"))
    path.write_bytes(b"payload" * 1000)


@pytest.mark.parametrize("change", [_grow, _shrink, _exchange, Path.unlink])
def test_a_file_that_changes_while_it_is_read_is_not_published(
    repository: DirectoryRepository,
    source: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sync(handle: int, real: Callable[[int], None] = os.fsync) -> None:
        change(source)
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(IntegrityError, match="changed while it was read"):
        repository.put(AUTH, "1.0", "a.zip", source)
    assert list(folder(repository).iterdir()) == []


class Killed(BaseException):
    """The program ends here."""


def test_broken_off_at_any_call_there_is_no_half_file_and_the_next_put_completes_it(
    repository: DirectoryRepository, source: Path
) -> None:
    for number in range(100):
        version, calls = f"1.{number}", iter(range(1000))

        def kill(name: str, at: int = number, calls: object = calls) -> None:
            if next(calls) == at:  # type: ignore[call-overload]
                raise Killed(name)

        door.watcher = kill
        try:
            repository.put(AUTH, version, "a.zip", source)
        except Killed:
            assert repository.names(AUTH, version) in ((), ("a.zip",))
        else:
            break
        finally:
            door.watcher = None
        final = repository.path / f"com/example/auth/{version}/a.zip"
        assert not final.exists() or final.read_bytes() == source.read_bytes()
        repository.put(AUTH, version, "a.zip", source)
        assert len(list(final.parent.iterdir())) == 4
    assert number == 5


def test_a_file_changed_in_the_repository_is_an_integrity_error(
    repository: DirectoryRepository, source: Path, tmp_path: Path
) -> None:
    repository.put(AUTH, "1.0", "a.zip", source)
    (folder(repository) / "a.zip").write_bytes(b"rotten")
    with pytest.raises(IntegrityError, match="expected"):
        repository.fetch(AUTH, "1.0", "a.zip", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (answering(b"<html>Please log in</html>"), IntegrityError),
        (answering(b"cut off", 200, length=1000), RemoteUnavailable),
        (answering(b"", 302), SluicegateError),
        (answering(b"", 401), Denied),
        (answering(b"", 410), SluicegateError),
        (answering(b"", 404), NotFound),
        (answering(b"", 429), RemoteUnavailable),
        (answering(b"busy", 503), RemoteUnavailable),
    ],
)
def test_a_server_that_gives_something_else_leaves_no_file(
    tmp_path: Path,
    handler: type[BaseHTTPRequestHandler],
    error: type[SluicegateError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    with web_server(handler) as port:
        repository = DirectoryRepository(path=tmp_path / "repository", url=f"http://127.0.0.1:{port}")
        with pytest.raises(error) as caught:
            repository.fetch(AUTH, "1.0", "a.zip", tmp_path / "fetched")
    assert isinstance(caught.value, error)
    assert error is not SluicegateError or type(caught.value) is error
    assert not (tmp_path / "fetched").exists()


def test_where_the_folder_is_served_to_a_login_only_it_is_read_with_that(
    repository: DirectoryRepository, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.put(AUTH, "1.0", "a.zip", source)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] != Login("ci", Secret("pw")).basic():
                self.send_error(401)
            else:
                super().do_GET()

        def log_message(self, *words: object) -> None:
            pass

    monkeypatch.setenv("WHO", "ci:pw")
    with web_server(partial(Handler, directory=str(repository.path))) as port:
        place: dict[str, Plain] = {"path": str(repository.path), "url": f"http://127.0.0.1:{port}"}
        served = DirectoryRepository.configure("releases", settings(**place), CONFIG)
        with pytest.raises(Denied, match="asked as nobody"):
            served.fetch(AUTH, "1.0", "a.zip", tmp_path / "fetched")
        served = DirectoryRepository.configure("releases", settings(**place, credentials={"env": "WHO"}), CONFIG)
        served.fetch(AUTH, "1.0", "a.zip", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == source.read_bytes()


def test_a_repository_that_cannot_be_reached_is_remote(tmp_path: Path, source: Path) -> None:
    (tmp_path / "repository").write_text("a file where the folder should be")
    with pytest.raises(RemoteUnavailable, match="Not a directory"):
        DirectoryRepository(path=tmp_path / "repository").put(AUTH, "1.0", "a.zip", source)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"path": "var/releases"}, "absolute path"),
        ({"path": "/srv", "url": "ftp://x"}, "not of the form https://"),
        ({"path": "/srv", "url": "https://user:secret@x"}, "without a user$"),
        ({"path": "/srv", "format": "raw"}, "expected one of: maven2"),
        ({"path": "/srv", "ulr": "x"}, "Did you mean 'url'"),
        ({}, "'path' is missing"),
    ],
)
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        DirectoryRepository.configure("releases", settings(**wrong), CONFIG)
    assert str(caught.value).startswith("sluicegate.yaml:7: ")


def test_what_a_killed_publisher_left_is_removed_a_day_later(repository: DirectoryRepository, source: Path) -> None:
    repository.put(AUTH, "1.0", "a.zip", source)
    folder = repository.path / "com/example/auth/1.0"
    for name, age in ((".put-old", 25 * 3600), (".put-new", 3600)):
        (folder / name).write_bytes(b"half")
        moment = time.time() - age
        os.utime(folder / name, (moment, moment))
    DirectoryRepository(path=repository.path).put(AUTH, "1.0", "a.zip", source)  # another process
    assert [path.name for path in folder.glob(".put-*")] == [".put-new"]


def test_a_served_folder_is_never_made_by_who_publishes(tmp_path: Path, source: Path) -> None:
    repository = DirectoryRepository(path=tmp_path / "not mounted", url="http://127.0.0.1:9")
    with pytest.raises(RemoteUnavailable, match="is not there"):
        repository.put(AUTH, "1.0", "a.zip", source)
    assert not repository.path.exists()


def test_what_a_killed_removal_left_goes_with_the_next_one(repository: DirectoryRepository, source: Path) -> None:
    for version in ("1.0", "1.1"):
        repository.put(AUTH, version, "a.zip", source)
    left = repository.path / "com/example/auth/.removed-0"
    (left / "below").mkdir(parents=True)
    repository.remove(AUTH, "1.0")
    assert [path.name for path in left.parent.iterdir()] == ["1.1"]


def test_a_removal_that_breaks_off_leaves_no_manifest(
    repository: DirectoryRepository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publications of a SNAPSHOT share a folder, so that it cannot be moved aside: the manifest goes first."""
    version = "1.4.2-20261123.093012-1"
    for ending in ("-docs.zip", "-manifest.json", ".zip"):
        repository.put(AUTH, version, f"auth-{version}{ending}", source)
    repository.put(AUTH, "1.4.2-20261123.093013-2", "auth-1.4.2-20261123.093013-2.zip", source)
    unlink, gone = Path.unlink, []

    def once(path: Path, missing_ok: bool = False) -> None:
        if gone:
            raise OSError(5, "the disk has gone", str(path))
        gone.append(path.name)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", once)
    with pytest.raises(RemoteUnavailable):
        repository.remove(AUTH, version)
    assert gone == [f"auth-{version}-manifest.json"]
