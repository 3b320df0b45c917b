"""Publish: once, provably; what is fetched is what was published."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.delivery.publish import Origin, fetch, manifest_name, publish
from sluicegate.errors import Conflict, IntegrityError, RemoteUnavailable, UsageError
from tests.delivery.world import START, World, raising

ORIGIN = Origin(commit="c" * 40, author="nils", committed=START, build="http://ci.invalid/job/auth-build/1/")


def test_a_version_is_published_with_its_origin(world: World) -> None:
    file = world.file("auth", "1.0.0")
    done = publish(world.as_("ci"), "auth", "1.0.0", [file], ORIGIN)
    assert done.addresses == ("fake:auth/1.0.0/auth-1.0.0.tar.gz",)
    assert not done.existed
    (built,) = world.story("auth=1.0.0", "built")
    assert (built.get("commit"), built.get("author")) == ("c" * 40, "nils")
    assert built.get("manifest") == done.manifest.sha256
    assert built.get("committed") == "2026-11-23T08:00:00.000000Z"
    assert world.drivers.repositories["releases"].announced == {"auth": ("1.0.0",)}


def test_equal_content_again_is_fine_and_writes_nothing(world: World) -> None:
    world.publish("auth=1.0.0")
    before = world.tips()
    assert publish(world.as_("other"), "auth", "1.0.0", [world.file("auth", "1.0.0")], ORIGIN).existed
    assert world.tips() == before


def test_other_content_under_a_published_version_is_a_conflict(world: World) -> None:
    world.publish("auth=1.0.0")
    before = dict(world.drivers.repositories["releases"].files)
    with raising(Conflict, "auth=1.0.0 is published with other content: auth-1.0.0.tar.gz differ") as found:
        publish(world.as_(), "auth", "1.0.0", [world.file("auth", "1.0.0", "changed")], ORIGIN)
    assert found.value.hint == "publish the change under a new version"
    assert world.drivers.repositories["releases"].files == before


def test_versions_are_announced_in_their_order(world: World) -> None:
    world.publish("auth=1.10.0", "auth=1.9.0", "auth=1.2.0")
    assert world.drivers.repositories["releases"].announced["auth"] == ("1.2.0", "1.9.0", "1.10.0")


def test_what_died_between_upload_and_record_is_finished_by_the_next_try(world: World) -> None:
    repository, names = world.drivers.repositories, ("auth-1.0.0.tar.gz", manifest_name("auth", "1.0.0"))
    world.publish("auth=1.0.0")
    uploaded = {key: content for key, content in repository["releases"].files.items() if key[2] in names}
    other = World(world.folder / "other")
    other.drivers.repository(other.state.config, "releases")
    other.drivers.repositories["releases"].files.update(uploaded)
    done = publish(other.as_(), "auth", "1.0.0", [other.file("auth", "1.0.0")], Origin(author="somebody"))
    assert not done.existed and done.manifest.author == "nils"
    assert len(other.story("auth=1.0.0", "built")) == 1
    other.close()


def test_a_repository_that_is_down_leaves_the_ledger_untouched(world: World) -> None:
    world.publish("auth=1.0.0")
    world.drivers.repositories["releases"].down = True
    before = world.tips()
    with raising(RemoteUnavailable, "the repository is down"):
        world.publish("auth=1.1.0")
    assert world.tips() == before


@pytest.mark.parametrize(
    ("version", "words"),
    [("latest", "is a word for a version that moves"), ("../1", "is not a version"), ("", "is not a version"),
     ("one", "is not a version that semver can order")],
)  # fmt: skip
def test_what_is_no_version_is_refused_before_anything_is_uploaded(world: World, version: str, words: str) -> None:
    with raising(UsageError, words):
        publish(world.as_(), "auth", version, [world.file("auth", "1")], ORIGIN)
    assert not world.drivers.repositories


def test_publishing_nothing_or_two_files_of_one_name_is_a_mistake(world: World) -> None:
    with raising(UsageError, "no file to publish was named"):
        publish(world.as_(), "auth", "1.0.0", [], ORIGIN)
    one, other = world.folder / "a" / "x.jar", world.folder / "b" / "x.jar"
    for path in (one, other):
        path.parent.mkdir()
        path.write_text("x")
    with raising(UsageError, "two files would be published as auth-1.0.0-x.jar"):
        publish(world.as_(), "auth", "1.0.0", [one, other], ORIGIN)


def test_fetched_files_are_checked_against_the_manifest(world: World) -> None:
    world.publish("auth=1.0.0")
    to = world.folder / "fetched"
    release = fetch(world.state, "auth", "1.0.0", to)
    assert (to / release.files[0]).read_text() == "auth 1.0.0"
    files = world.drivers.repositories["releases"].files
    files["auth", "1.0.0", "auth-1.0.0.tar.gz"] = b"changed behind our back"
    (to / release.files[0]).unlink()
    with raising(IntegrityError, "auth-1.0.0.tar.gz: the SHA-256 is"):
        fetch(world.state, "auth", "1.0.0", to)
    assert list(to.iterdir()) == []


def test_a_manifest_that_was_changed_is_not_believed(world: World) -> None:
    world.publish("auth=1.0.0")
    files = world.drivers.repositories["releases"].files
    key = ("auth", "1.0.0", manifest_name("auth", "1.0.0"))
    files[key] = files[key].replace(b'"nils"', b'"olga"')
    with raising(IntegrityError, "the ledger says"):
        fetch(world.state, "auth", "1.0.0", world.folder / "fetched")
    with raising(IntegrityError, "the repository's manifest is"):
        world.publish("auth=1.0.0")
    files[key] = b"{"
    with raising(IntegrityError, "cannot be read"):
        fetch(world.state, "auth", "1.0.0", world.folder / "fetched")


def test_a_version_whose_files_were_lost_is_not_replaced_by_another_build(world: World) -> None:
    world.publish("auth=1.0.0")
    world.drivers.repositories["releases"].files.clear()
    with raising(Conflict, "auth=1.0.0 was published with another manifest"):
        publish(world.as_(), "auth", "1.0.0", [world.file("auth", "1.0.0", "changed")], ORIGIN)
    assert world.drivers.repositories["releases"].files == {}


def test_a_dry_publish_uploads_and_records_nothing(world: World) -> None:
    before = world.tips()
    publish(world.as_(), "auth", "1.0.0", [world.file("auth", "1.0.0")], ORIGIN, dry_run=True)
    assert world.tips() == before
    assert world.drivers.repositories["releases"].files == {}


def test_a_new_clone_sees_what_another_has_published(world: World) -> None:
    mirror = world.open(f"file://{world.bare}")
    world.publish("auth=1.0.0", repo=world.as_(store=mirror))
    assert world.state.versions("auth") == ["1.0.0"]
    world.later(seconds=timedelta(minutes=1).total_seconds())
    world.publish("auth=1.1.0")
    assert world.as_(store=mirror).state().versions("auth") == ["1.0.0", "1.1.0"]
