"""What every repository does."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from sluicegate.errors import Conflict, Malformed, NotFound, UnknownName
from sluicegate.model.manifest import Artifact
from sluicegate.ports import Repository
from sluicegate.repositories.apt import AptRepository
from sluicegate.repositories.directory import DirectoryRepository
from sluicegate.repositories.yum import YumRepository
from tests.fakes import FakeRepository
from tests.guide import example
from tests.parts import AUTH, CONFIG, PORTAL, settings, web_server
from tests.real.needs import needs


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(
    params=[
        "fake",
        "the guide's",
        "directory",
        "directory over http",
        "moto",
        *(pytest.param(kind, marks=pytest.mark.real) for kind in ("apt", "yum", "ceph")),
        *(pytest.param(f"nexus {kind}", marks=pytest.mark.real) for kind in ("raw", "maven2", "raw ALLOW")),
    ]
)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    root = tmp_path / "the repository"
    if request.param == "fake":
        yield FakeRepository()
    elif request.param == "the guide's":
        yield example().configure("releases", settings(file=f"{tmp_path}/files.db"), CONFIG)
    elif request.param == "apt":
        needs("aptly", "dpkg-deb")
        yield AptRepository.configure("releases", settings(path=str(root), distribution="bookworm"), CONFIG)
    elif request.param == "yum":
        needs("createrepo_c", "rpm")
        yield YumRepository.configure("releases", settings(path=str(root)), CONFIG)
    elif request.param in ("moto", "ceph"):
        yield request.getfixturevalue(request.param).repository()
    elif request.param.startswith("nexus"):
        nexus = request.getfixturevalue("nexus")
        kind, _, policy = request.param.removeprefix("nexus ").partition(" ")
        snapshots = {"snapshots": nexus.create(kind, versions="SNAPSHOT")} if kind == "maven2" else {}
        yield nexus.repository(nexus.create(kind, policy or "ALLOW_ONCE"), kind, **snapshots)
    elif request.param == "directory":
        yield DirectoryRepository.configure("releases", settings(path=str(root)), CONFIG)
    else:
        root.mkdir()
        with web_server(functools.partial(_Quiet, directory=str(root))) as port:  # type: ignore[arg-type]
            served = settings(path=str(root), url=f"http://127.0.0.1:{port}/", format="maven2")
            yield DirectoryRepository.configure("releases", served, CONFIG)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "built"
    path.write_bytes(b"payload\x00\xff" * 1000)
    return path


@pytest.mark.parametrize(
    "name",
    ["auth-1.0.tar.gz", "with space.zip", "100%.txt", "a#b?c&d=e+f", "ärger-日本.jar", "manifest.json", "%2e%2e%2f"],
)
def test_a_published_file_comes_back_unchanged(repository: Repository, source: Path, tmp_path: Path, name: str) -> None:
    repository.put(AUTH, "1.0+build.7", name, source)
    repository.fetch(AUTH, "1.0+build.7", name, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == source.read_bytes()
    assert repository.names(AUTH, "1.0+build.7") == (name,)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "/etc/passwd", "-rf", "a\nb", "a\0b", "a\x1bb", "a\\b", ".hidden", "a\u0301.zip",
     "\udcff", "n" * 300, "auth.tar.gz.sha256", "maven-metadata.xml"],
)  # fmt: skip
def test_a_name_that_would_not_come_back_is_refused(
    repository: Repository, source: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(Malformed):
        repository.put(AUTH, "1.0", name, source)
    with pytest.raises(Malformed):
        repository.fetch(AUTH, "1.0", name, tmp_path / "fetched")
    assert repository.names(AUTH, "1.0") == ()


def test_a_version_cannot_lead_out_of_the_component(repository: Repository, source: Path) -> None:
    with pytest.raises(Malformed, match="version"):
        repository.put(AUTH, "../portal", "a.zip", source)


def test_equal_content_again_is_fine(repository: Repository, source: Path) -> None:
    repository.put(AUTH, "1.0", "a.zip", source)
    repository.put(AUTH, "1.0", "a.zip", source)
    assert repository.names(AUTH, "1.0") == ("a.zip",)


def test_other_content_under_the_name_is_a_conflict_and_changes_nothing(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    repository.put(AUTH, "1.0", "a.zip", source)
    changed_file = tmp_path / "other"
    changed_file.write_bytes(b"other")
    with pytest.raises(Conflict, match="already published"):
        repository.put(AUTH, "1.0", "a.zip", changed_file)
    repository.fetch(AUTH, "1.0", "a.zip", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == source.read_bytes()


def test_of_two_publishers_at_once_one_wins(repository: Repository, tmp_path: Path) -> None:
    results: list[str] = []

    def publish(number: int) -> None:
        mine = tmp_path / f"mine-{number}"
        mine.write_bytes(str(number).encode() * 100_000)
        try:
            repository.put(AUTH, "1.0", "a.zip", mine)
            results.append(f"won {number}")
        except Conflict:
            results.append("conflict")

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [result for result in results if result != "conflict"]
    repository.fetch(AUTH, "1.0", "a.zip", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == winner.split()[1].encode() * 100_000
    assert results.count("conflict") == 7


def test_a_missing_file_is_not_found_and_leaves_nothing(repository: Repository, source: Path, tmp_path: Path) -> None:
    repository.put(AUTH, "1.0", "a.zip", source)
    for version, name in (("1.0", "b.zip"), ("2.0", "a.zip")):
        with pytest.raises(NotFound, match="no file"):
            repository.fetch(AUTH, version, name, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_missing_source_is_an_unknown_name(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no file"):
        repository.put(AUTH, "1.0", "a.zip", tmp_path / "never-built")
    assert repository.names(AUTH, "1.0") == ()


def test_names_are_sorted_and_apart_for_each_version_and_component(repository: Repository, source: Path) -> None:
    for component, version, name in ((AUTH, "1.0", "b"), (AUTH, "1.0", "a"), (AUTH, "1.1", "c"), (PORTAL, "1.0", "d")):
        repository.put(component, version, name, source)
    repository.announce(AUTH, ["1.0", "1.1"])
    assert repository.names(AUTH, "1.0") == ("a", "b")
    assert repository.names(AUTH, "1.1") == ("c",)
    assert repository.names(AUTH, "1.2") == ()


def test_an_address_names_the_file(repository: Repository) -> None:
    address = repository.address(AUTH, "1.0", "a.zip")
    assert "auth" in address
    assert address.endswith("1.0/a.zip")


def test_put_says_what_went_out(repository: Repository, source: Path) -> None:
    content = source.read_bytes()
    sent = Artifact(name="a.zip", size=len(content), sha256=hashlib.sha256(content).hexdigest())
    assert repository.put(AUTH, "1.0", "a.zip", source) == sent
    assert repository.put(AUTH, "1.0", "a.zip", source) == sent


def test_a_removed_version_is_gone_and_the_others_stay(repository: Repository, source: Path, tmp_path: Path) -> None:
    for component, version in ((AUTH, "1.0"), (AUTH, "1.0.1"), (AUTH, "1.1"), (PORTAL, "1.0")):
        repository.put(component, version, "a.zip", source)
    repository.announce(AUTH, ["1.0", "1.0.1", "1.1"])
    repository.remove(AUTH, "1.0")
    repository.remove(AUTH, "1.0")
    repository.announce(AUTH, ["1.0.1", "1.1"])
    assert repository.names(AUTH, "1.0") == ()
    with pytest.raises(NotFound, match="no file"):
        repository.fetch(AUTH, "1.0", "a.zip", tmp_path / "fetched")
    for component, version in ((AUTH, "1.0.1"), (AUTH, "1.1"), (PORTAL, "1.0")):
        assert repository.names(component, version) == ("a.zip",)


def test_removing_cannot_lead_out_of_the_component(repository: Repository, source: Path) -> None:
    repository.put(PORTAL, "1.0", "a.zip", source)
    for version in ("..", "../portal/1.0", "", "."):
        with pytest.raises(Malformed):
            repository.remove(AUTH, version)
    assert repository.names(PORTAL, "1.0") == ("a.zip",)


def test_publications_of_a_snapshot_share_a_folder_and_are_apart(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    first, second, tenth = (f"1.0-20261123.093011-{n}" for n in (1, 2, 10))  # names that begin alike
    for version in (first, second, tenth):
        repository.put(AUTH, version, f"auth-{version}.zip", source)
        repository.put(AUTH, version, f"auth-{version}-docs.zip", source)
    repository.announce(AUTH, ["0.9", first, second, tenth])
    for version in (first, second, tenth):
        assert repository.names(AUTH, version) == (f"auth-{version}-docs.zip", f"auth-{version}.zip")
    repository.announce(AUTH, ["0.9", second])
    for version in (first, tenth):
        repository.remove(AUTH, version)
        assert repository.names(AUTH, version) == ()
    repository.fetch(AUTH, second, f"auth-{second}.zip", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == source.read_bytes()
    repository.remove(AUTH, second)
    assert repository.names(AUTH, second) == ()


def test_a_file_of_a_snapshot_says_which_publication_it_is_of(repository: Repository, source: Path) -> None:
    with pytest.raises(Malformed, match="does not begin with"):
        repository.put(AUTH, "1.0-20261123.093011-1", "auth.zip", source)
