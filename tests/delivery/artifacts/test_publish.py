"""Publishing, fetching and resolving versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.artifacts.publish import publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book import resolving
from sluicegate.errors import Conflict, IntegrityError, Malformed, RemoteUnavailable, UsageError
from sluicegate.model.values import Actor
from sluicegate.repositories.directory import DirectoryRepository
from tests.worlds import Shop

MANIFEST = ("auth", "1.0.0", "auth-1.0.0-manifest.json")
FILE = ("auth", "1.0.0", "auth-1.0.0.tar.gz")


def test_a_published_version_has_files_a_manifest_and_the_evidence_built(shop: Shop) -> None:
    published = shop.publish("auth", "1.0.0", "the files", author="ada")
    assert shop.drivers.releases.files[FILE] == b"the files"
    (built,) = shop.story("auth", "1.0.0")
    assert built.what == "built" and built.manifest == published.manifest.sha256
    assert built.author == "ada" and built.by.user == "ci"
    assert shop.drivers.releases.announced["auth"] == ("1.0.0",)


def test_34_publishing_equal_content_again_changes_nothing(shop: Shop) -> None:
    shop.publish("auth", "1.0.0")
    with shop.unchanged():
        assert shop.publish("auth", "1.0.0", build=2).existed


def test_a_file_that_the_repository_has_lost_is_told_and_comes_back_with_the_same_content(
    shop: Shop, tmp_path: Path
) -> None:
    shop.publish("auth", "1.0.0")
    content = shop.drivers.releases.files.pop(FILE)
    with pytest.raises(IntegrityError, match=r"has lost auth-1\.0\.0\.tar\.gz of auth=1"):
        fetch(shop.state, "auth", "1.0.0", tmp_path / "there")
    published = shop.publish("auth", "1.0.0")
    assert (published.existed, published.again) == (True, (FILE[2],))
    assert shop.drivers.releases.files[FILE] == content


def test_34_other_content_under_a_version_is_a_conflict_and_changes_nothing(shop: Shop) -> None:
    shop.publish("auth", "1.0.0")
    with shop.unchanged(), pytest.raises(Conflict, match=r"auth-1\.0\.0\.tar\.gz differ"):
        shop.publish("auth", "1.0.0", "other")


@pytest.mark.parametrize("content", ["other", ""])
def test_the_number_of_a_version_that_the_repository_has_lost_is_not_given_again(shop: Shop, content: str) -> None:
    shop.publish("auth", "1.0.0")
    shop.drivers.releases.files.clear()
    with shop.unchanged(), pytest.raises(IntegrityError, match="the repository has lost it"):
        shop.publish("auth", "1.0.0", *filter(None, [content]))
    assert not shop.drivers.releases.files


def test_a_repository_whose_manifest_was_changed_is_an_integrity_error(shop: Shop) -> None:
    shop.publish("auth", "1.0.0", author="ada")
    changed = shop.drivers.releases.files[MANIFEST].replace(b"ada", b"eve")
    shop.drivers.releases.files[MANIFEST] = changed
    with shop.unchanged(), pytest.raises(IntegrityError, match="the ledger says"):
        shop.publish("auth", "1.0.0")


def test_a_changed_manifest_is_not_fetched(shop: Shop, tmp_path: Path) -> None:
    shop.publish("auth", "1.0.0", author="ada")
    shop.drivers.releases.files[MANIFEST] = shop.drivers.releases.files[MANIFEST].replace(b"ada", b"eve")
    with pytest.raises(IntegrityError, match="the ledger says"):
        fetch(shop.state, "auth", "1.0.0", tmp_path / "out")
    shop.drivers.releases.files[MANIFEST] = b"{"
    with pytest.raises(IntegrityError, match="cannot be read"):
        fetch(shop.state, "auth", "1.0.0", tmp_path / "out")


def test_a_changed_file_is_not_fetched_and_nothing_half_is_left(shop: Shop, tmp_path: Path) -> None:
    shop.publish("auth", "1.0.0")
    shop.drivers.releases.files[FILE] = b"changed"
    with pytest.raises(IntegrityError, match="the manifest says"):
        fetch(shop.state, "auth", "1.0.0", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_was_published_comes_back(shop: Shop, tmp_path: Path) -> None:
    shop.publish("auth", "1.0.0", "the files")
    release = fetch(shop.state, "auth", "1.0.0", tmp_path / "out")
    assert [(tmp_path / "out" / name).read_text() for name in release.files] == ["the files"]


def test_a_repository_that_is_down_leaves_nothing_announced(shop: Shop) -> None:
    shop.drivers.releases.down = True
    with pytest.raises(RemoteUnavailable):
        shop.publish("auth", "1.0.0")
    assert shop.state.versions("auth") == []


def test_versions_are_announced_in_their_order(shop: Shop) -> None:
    for version in ("1.10.0", "1.9.0", "1.2.0"):
        shop.publish("auth", version)
    assert shop.drivers.releases.announced["auth"] == ("1.2.0", "1.9.0", "1.10.0")


def test_a_clone_sees_what_another_has_published(shop: Shop, tmp_path: Path) -> None:
    clone = shop.opened_by(Actor(user="ci", source="ci", verified=True), f"file://{shop.bare}", tmp_path / "cache")
    shop.publish("auth", "1.0.0")
    assert clone.state().versions("auth") == ["1.0.0"]
    shop.publish("auth", "1.1.0")
    assert clone.state().versions("auth") == ["1.0.0", "1.1.0"]
    clone.store.close()


def test_the_list_of_versions_is_announced_again_when_that_had_failed(shop: Shop) -> None:
    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    announce = shop.drivers.releases.announce
    shop.drivers.releases.announce = die  # type: ignore[method-assign]
    with pytest.raises(Died):
        shop.publish("auth", "1.0.0")
    shop.drivers.releases.announce = announce  # type: ignore[method-assign]
    shop.publish("auth", "1.0.0", build=2)
    assert shop.drivers.releases.announced["auth"] == ("1.0.0",)


@pytest.mark.parametrize("version", ["latest", "", "1..2", "-1.0", "../x", "1 0", "x" * 500, "1.0\n", "release"])
def test_38_what_is_no_version_is_not_published(shop: Shop, version: str) -> None:
    with shop.unchanged(), pytest.raises(Malformed):
        shop.publish("auth", version)


def test_an_unknown_component_is_named_with_a_suggestion(shop: Shop) -> None:
    with pytest.raises(UsageError, match="Did you mean 'auth'"):
        shop.publish("aut", "1.0.0")


def test_a_dry_run_stores_nothing(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "auth.tar.gz"
    path.write_text("x")
    with shop.unchanged():
        published = publish(shop.by("ci"), "auth", "1.0.0", [path], Origin(), dry_run=True)
    assert not published.existed


def test_a_dry_run_names_the_manifest_that_will_be(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "auth.tar.gz"
    path.write_text("x")
    origin = Origin(commit="c" * 40, build="https://ci.example.com/job/auth/1/")
    planned = publish(shop.by("ci"), "auth", "1.0.0", [path], origin, dry_run=True)
    assert publish(shop.by("ci"), "auth", "1.0.0", [path], origin).manifest == planned.manifest


def test_two_files_that_would_have_one_name_are_refused(shop: Shop, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "auth.zip").write_text(folder)
    paths = [tmp_path / "a" / "auth.zip", tmp_path / "b" / "auth.zip"]
    with pytest.raises(UsageError, match="two files"):
        publish(shop.by("ci"), "auth", "1.0.0", paths, Origin())


@pytest.mark.parametrize(
    ("spec", "newest"),
    [("latest", "2.1.0"), ("1.x", "1.10.0"), ("1.9.*", "1.9.1"), (">=1.2,<1.10", "1.9.1"), ("1.2.0", "1.2.0"),
     ("2.2.0-rc1", "2.2.0-rc1"), ("!=2.1.0", "1.10.0"), ("<=1.9.0", "1.9.0")],
)  # fmt: skip
def test_a_range_is_resolved_to_the_newest_release_within(shop: Shop, spec: str, newest: str) -> None:
    for version in ("1.2.0", "1.10.0", "1.9.0", "1.9.1", "2.1.0", "2.2.0-rc1"):
        shop.publish("auth", version)
    assert resolving.resolve(shop.state, "auth", spec) == newest


@pytest.mark.parametrize("spec", ["3.x", ">=9", "7.7.7", "1.0-gone"])
def test_resolve_of_what_is_not_there_names_the_newest(shop: Shop, spec: str) -> None:
    shop.publish("auth", "1.9.0")
    with pytest.raises(UsageError, match=r"newest: 1\.9\.0"):
        resolving.resolve(shop.state, "auth", spec)
    with pytest.raises(UsageError, match="none is published yet"):
        resolving.resolve(shop.state, "portal")


def test_a_range_is_no_version_where_one_version_is_wanted(live: Shop) -> None:
    with pytest.raises(UsageError, match=r"no version '1\.x'"):
        live.veto("auth", "1.x")


def test_a_changed_file_is_found_when_it_is_published_again(shop: Shop) -> None:
    shop.publish("auth", "1.0.0")
    shop.drivers.releases.files[FILE] = b"tampered"
    with pytest.raises(IntegrityError, match="not any more what was published"):
        shop.publish("auth", "1.0.0")
    with pytest.raises(IntegrityError, match="not any more what was published"):
        publish(shop.by("ci"), "auth", "1.0.0", [shop.root / "auth.tar.gz"], Origin(), dry_run=True)


def test_what_a_broken_publication_left_in_the_way_is_told_as_that(shop: Shop) -> None:
    shop.drivers.releases.files[FILE] = b"of another build"
    shop.drivers.releases.files["auth", "1.1.0", "auth-1.1.0-docs.zip"] = b"of another build"
    with pytest.raises(Conflict, match=r"auth=1\.0\.0 itself was never announced"):
        shop.publish("auth", "1.0.0")
    with pytest.raises(Conflict, match=r"auth=1\.0\.0 itself was never announced"):
        publish(shop.by("ci"), "auth", "1.0.0", [shop.root / "auth.tar.gz"], Origin(), dry_run=True)
    (note,) = shop.publish("auth", "1.1.0").notes
    assert note == "auth-1.1.0-docs.zip stands beside the files of auth=1.1.0, and is no part of it"


def test_a_repository_that_is_not_mounted_is_not_taken_for_a_new_one(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mnt" / "releases"
    with monkeypatch.context() as patch:
        patch.setattr(shop.drivers, "releases", DirectoryRepository(path=folder))
        shop.publish("auth", "1.0.0")
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(RemoteUnavailable, match="is not there"):
            shop.publish("auth", "1.1.0")
        assert not folder.exists()
    (note,) = shop.publish("auth", "1.1.0").notes  # a component may move to a repository that has none of it yet
    assert note.startswith("is the repository another one than before? the repository has lost auth-1.0.0-manifest")


def test_a_folder_in_the_way_of_a_fetched_file_is_told(shop: Shop, tmp_path: Path) -> None:
    shop.publish("auth", "1.0.0")
    (tmp_path / "there" / FILE[2]).mkdir(parents=True)
    with pytest.raises(UsageError, match="is a folder"):
        fetch(shop.state, "auth", "1.0.0", tmp_path / "there")
