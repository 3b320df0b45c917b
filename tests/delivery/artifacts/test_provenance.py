"""Provenance, SBOM and signatures: what they say, and that they are checked."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.copying import copy
from sluicegate.delivery.artifacts.fetch import read_manifest
from sluicegate.delivery.artifacts.provenance import (
    WORKSTATION,
    Extras,
    builder_id,
    check_statement,
    read_sbom,
    statement,
)
from sluicegate.delivery.artifacts.publish import publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.artifacts.verify import check_version, verify
from sluicegate.errors import Conflict, IntegrityError, Malformed, RemoteUnavailable, SluicegateError
from sluicegate.model.config import Component, Config, Jenkins
from sluicegate.model.manifest import Artifact, Manifest
from sluicegate.model.values import Json
from tests.worlds import TWO_REPOSITORIES, Shop

COMMIT = "ab12" * 10
MANIFEST = Manifest(
    component="auth",
    version="1.0.0",
    artifacts=(Artifact(name="auth-1.0.0.zip", size=3, sha256="0" * 64),),
    commit=COMMIT,
    build="https://jenkins.example.com/job/auth/7/",
)
AUTH = Component(name="auth", repository="releases", git="ssh://olle:t0ken@git.example.com/auth.git")
ORIGIN = Origin(commit=COMMIT, build_started=datetime(2026, 11, 23, 9, tzinfo=UTC))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop.opened(tmp_path, TWO_REPOSITORIES)) as opened:
        yield opened


def provenance(manifest: Manifest = MANIFEST) -> bytes:
    return statement(manifest, ORIGIN, AUTH, builder="https://jenkins.example.com", parameters={"BRANCH": "main"})


def test_the_statement_is_slsa_provenance_in_an_in_toto_statement() -> None:
    value = json.loads(provenance())
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    assert value["subject"] == [{"name": "auth-1.0.0.zip", "digest": {"sha256": "0" * 64}}]
    definition, details = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    source = f"git+ssh://git.example.com/auth.git@{COMMIT}"
    assert definition["resolvedDependencies"] == [{"uri": source, "digest": {"gitCommit": COMMIT}}]
    assert definition["externalParameters"]["parameters"] == {"BRANCH": "main"}
    assert details["builder"] == {"id": "https://jenkins.example.com"}
    assert details["metadata"]["invocationId"] == MANIFEST.build
    assert details["metadata"]["startedOn"] == "2026-11-23T09:00:00.000000Z"
    assert b"t0ken" not in provenance()


def test_the_same_build_writes_the_same_bytes() -> None:
    assert provenance() == provenance()


def _changed(**change: Json) -> bytes:
    value = json.loads(provenance())
    value.update(change)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "content",
    [
        provenance(replace(MANIFEST, artifacts=())),
        provenance(replace(MANIFEST, version="1.0.1")),
        provenance(replace(MANIFEST, commit="")),
        provenance(replace(MANIFEST, commit="cd34" * 10)),
        _changed(_type="https://in-toto.io/Statement/v0.1"),
        _changed(predicateType="https://slsa.dev/provenance/v0.2"),
        _changed(subject=None),
        b"[]",
        b"null",
        b"\xff",
        b"<html>",
        b"[" * 100_000,
    ],
)
def test_a_statement_about_something_else_is_an_integrity_error(content: bytes) -> None:
    check_statement(provenance(), MANIFEST)
    with pytest.raises(IntegrityError):
        check_statement(content, MANIFEST)


@pytest.mark.parametrize(
    ("git", "uri"),
    [
        ("ssh://git@git.example.com/auth.git", f"git+ssh://git.example.com/auth.git@{COMMIT}"),
        ("git@git.example.com:team/auth.git", f"git+ssh://git.example.com/team/auth.git@{COMMIT}"),
        ("https://git.example.com/auth", f"git+https://git.example.com/auth@{COMMIT}"),
        ("/srv/git/auth.git", f"git+file:/srv/git/auth.git@{COMMIT}"),
        ("", f"git+file:auth@{COMMIT}"),
    ],
)
def test_the_source_is_a_uri_without_a_login(git: str, uri: str) -> None:
    value = json.loads(statement(MANIFEST, ORIGIN, replace(AUTH, git=git), builder="b", parameters={}))
    assert value["predicate"]["buildDefinition"]["resolvedDependencies"][0]["uri"] == uri


def test_the_builder_is_the_build_server_or_a_workstation() -> None:
    config = Config(repositories={}, components={}, environments={}, jenkins=Jenkins(url="https://ci.example.com/j"))
    assert builder_id(config, "https://ci.example.com/j/job/auth/7/") == "https://ci.example.com/j"
    assert builder_id(config, "https://other.example.com/job/auth/7/") == "https://other.example.com"
    assert builder_id(config, "https://user:t0ken@other.example.com/job/7/") == WORKSTATION
    assert builder_id(config, "") == WORKSTATION


def bom(folder: Path, **change: Json) -> Path:
    path = folder / "bom.json"
    path.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [], **change}))
    return path


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
def test_an_sbom_in_cyclonedx_is_taken_as_it_is(tmp_path: Path, version: str) -> None:
    path = bom(tmp_path, specVersion=version)
    assert read_sbom(path) == path.read_bytes()


@pytest.mark.parametrize("change", [{"bomFormat": "SPDX"}, {"specVersion": "1.3"}, {"specVersion": 1.6}])
def test_another_sbom_is_a_usage_error(tmp_path: Path, change: dict[str, Json]) -> None:
    with pytest.raises(Malformed, match="expected 'CycloneDX'"):
        read_sbom(bom(tmp_path, **change))


@pytest.mark.parametrize("content", [b"", b"<bom/>", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_document_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bom"
    path.write_bytes(content)
    with pytest.raises(Malformed):
        read_sbom(path)


def test_attachments_are_in_the_manifest_and_verified(shop: Shop, tmp_path: Path) -> None:
    shop.publish_file("auth", "1.0.0", extras=Extras(sbom=bom(tmp_path)))
    manifest = read_manifest(shop.releases, shop.state.component("auth"), "1.0.0")
    assert [a.name for a in manifest.attachments] == ["auth-1.0.0-sbom.cdx.json", "auth-1.0.0-provenance.json"]
    assert not any(check.fault for check in verify(shop.state, "auth", "1.0.0"))
    check_version(shop.state, "auth", "1.0.0", signed=False)
    shop.releases.files["auth", "1.0.0", "auth-1.0.0-sbom.cdx.json"] += b" "
    with pytest.raises(IntegrityError):
        check_version(shop.state, "auth", "1.0.0", signed=False)


def test_a_forged_provenance_is_found_out(shop: Shop) -> None:
    shop.publish_file("auth", "1.0.0")
    key = ("auth", "1.0.0", "auth-1.0.0-provenance.json")
    shop.releases.files[key] = shop.releases.files[key].replace(b"workstation", b"elsewhere!!")
    with pytest.raises(IntegrityError):
        check_version(shop.state, "auth", "1.0.0", signed=False)


def test_another_build_of_equal_files_is_no_conflict(shop: Shop) -> None:
    first = shop.publish_file("auth", "1.0.0", origin=Origin(commit=COMMIT, build="https://ci.example.com/job/auth/7/"))
    again = shop.publish_file("auth", "1.0.0", origin=Origin(commit=COMMIT, build="https://ci.example.com/job/auth/8/"))
    assert again.existed
    assert again.manifest == first.manifest


def test_what_a_broken_publication_left_is_taken_over(shop: Shop) -> None:
    shop.publish_file("auth", "1.0.0", origin=Origin(commit=COMMIT, build="https://ci.example.com/job/auth/7/"))
    kept = {key: content for key, content in shop.releases.files.items() if "provenance" in key[2]}
    with closing(Shop.opened(shop.root / "other", TWO_REPOSITORIES)) as second_shop:
        second_shop.releases.files.update(kept)
        second_shop.publish_file(
            "auth", "1.0.0", origin=Origin(commit=COMMIT, build="https://ci.example.com/job/auth/8/")
        )
        assert not any(check.fault for check in verify(second_shop.state, "auth", "1.0.0"))
        assert read_manifest(second_shop.releases, second_shop.state.component("auth"), "1.0.0").build.endswith("/7/")
        with pytest.raises(Conflict, match="never announced"):
            second_shop.releases.files.update({("auth", "1.1.0", "auth-1.1.0-provenance.json"): b"{}"})
            second_shop.publish_file("auth", "1.1.0")


def broken_off(shop: Shop, monkeypatch: pytest.MonkeyPatch, origin: Origin, extras: Extras) -> None:
    """A publication of auth 1.0.0 that stored everything but the manifest."""
    real = shop.releases.put

    def put(component: Component, version: str, name: str, source: Path) -> Artifact:
        if name.endswith("manifest.json"):
            raise RemoteUnavailable("the line is cut")
        return real(component, version, name, source)

    with monkeypatch.context() as patch:
        patch.setattr(shop.releases, "put", put)
        with pytest.raises(RemoteUnavailable):
            shop.publish_file("auth", "1.0.0", origin=origin, extras=extras)


def test_a_publication_that_broke_off_is_completed_by_another_build(
    shop: Shop, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first has sent is all there but the manifest; the second build's SBOM has another number."""
    first, second = (Origin(commit=COMMIT, build=f"https://ci.example.com/job/auth/{number}/") for number in (7, 8))
    broken_off(shop, monkeypatch, first, Extras(sbom=bom(tmp_path), key="ci@example.com"))
    second_bom = bom(tmp_path, serialNumber="urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79")
    published = shop.publish_file("auth", "1.0.0", origin=second, extras=Extras(sbom=second_bom, key="ci@example.com"))
    assert published.manifest.build == first.build
    assert published.notes == ("auth=1.0.0 has the SBOM of the publication before, which had broken off",)
    assert not any(check.fault for check in verify(shop.state, "auth", "1.0.0"))
    assert check_version(shop.state, "auth", "1.0.0", signed=True) == keys["ci@example.com"]


def test_a_completion_that_does_not_fit_the_signature_is_refused_and_spoils_nothing(
    shop: Shop, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Origin(commit=COMMIT, build="https://ci.example.com/job/auth/7/")
    broken_off(shop, monkeypatch, first, Extras(key="ci@example.com"))
    left = dict(shop.releases.files)
    for extras in (Extras(sbom=bom(tmp_path)), Extras(sbom=bom(tmp_path), key="ci@example.com")):
        with pytest.raises(Conflict, match="signature of something else"):
            shop.publish_file("auth", "1.0.0", origin=first, extras=extras)
        assert shop.releases.files == left
    shop.publish_file("auth", "1.0.0", origin=first, extras=Extras(key="ci@example.com"))
    assert check_version(shop.state, "auth", "1.0.0", signed=True) == keys["ci@example.com"]


@pytest.mark.parametrize("commit", ["", "cd" * 20])
def test_the_provenance_of_another_commit_is_not_taken_over(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, commit: str
) -> None:
    broken_off(shop, monkeypatch, Origin(commit=COMMIT), Extras())
    with pytest.raises(Conflict, match="names another commit"):
        shop.publish_file("auth", "1.0.0", origin=Origin(commit=commit, author="anna"))


def test_a_dry_run_plans_with_what_was_left_and_facts_of_two_builds_are_not_mixed(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Origin(commit=COMMIT, build="https://ci.example.com/job/auth/7/", build_started=ORIGIN.build_started)
    broken_off(shop, monkeypatch, first, Extras(sbom=bom(tmp_path)))
    second = replace(
        first, build="https://ci.example.com/job/auth/8/", build_started=datetime(2026, 11, 24, tzinfo=UTC)
    )
    extras = Extras(sbom=bom(tmp_path, serialNumber="urn:uuid:1"))
    paths = [tmp_path / "auth-1.0.0.tar.gz"]
    planned = publish(shop.repo, "auth", "1.0.0", paths, second, extras=extras, dry_run=True)
    published = publish(shop.repo, "auth", "1.0.0", paths, second, extras=extras)
    assert published.manifest == planned.manifest
    assert shop.state.built("auth", "1.0.0").build == first.build
    assert shop.state.built("auth", "1.0.0").build_started is None


def test_a_bad_signature_is_found_by_verify_and_by_a_dry_run(shop: Shop, keys: dict[str, str]) -> None:
    shop.publish_file("auth", "1.0.0", extras=Extras(key="ci@example.com"))
    assert [check.name for check in verify(shop.state, "auth", "1.0.0")][-1] == "auth-1.0.0-manifest.json.asc"
    shop.releases.files["auth", "1.0.0", "auth-1.0.0-manifest.json.asc"] = b"junk"
    assert [check.name for check in verify(shop.state, "auth", "1.0.0") if check.fault] == [
        "auth-1.0.0-manifest.json.asc"
    ]
    for dry_run in (True, False):
        with pytest.raises(IntegrityError, match="not good"):
            path = shop.root / "auth-1.0.0.tar.gz"
            publish(shop.repo, "auth", "1.0.0", [path], Origin(), extras=Extras(key="ci@example.com"), dry_run=dry_run)
    copied = shop.archive.files
    copied["auth", "1.0.0", "auth-1.0.0-manifest.json.asc"] = b"of somebody else"
    with pytest.raises(Conflict, match="is there with other content"):
        copy(shop.repo, "auth", "1.0.0", "archive")
    assert len(copied) == 1


def test_what_is_asked_of_a_standing_version_is_done_or_said(shop: Shop, keys: dict[str, str], tmp_path: Path) -> None:
    shop.publish_file("auth", "1.0.0", origin=Origin(commit=COMMIT, figures={"coverage": "87"}))
    extras = Extras(sbom=bom(tmp_path), key="ci@example.com")
    again = shop.publish_file("auth", "1.0.0", origin=Origin(commit=COMMIT, figures={"coverage": "88"}), extras=extras)
    assert again.signed
    assert again.notes == ("auth=1.0.0 keeps having no SBOM", "auth=1.0.0 keeps its first figures: coverage=87")
    assert check_version(shop.state, "auth", "1.0.0", signed=True) == keys["ci@example.com"]
    assert not shop.publish_file(
        "auth", "1.0.0", origin=Origin(commit=COMMIT), extras=Extras(key="ci@example.com")
    ).signed


def test_what_is_lost_beside_the_files_is_made_again_where_it_can_be(shop: Shop, tmp_path: Path) -> None:
    built = replace(ORIGIN, build="https://ci.example.com/job/auth/7/")
    shop.publish_file("auth", "1.0.0", origin=built, extras=Extras(sbom=bom(tmp_path)))
    kept = dict(shop.releases.files)
    for kind in ("provenance.json", "sbom.cdx.json"):
        del shop.releases.files["auth", "1.0.0", f"auth-1.0.0-{kind}"]
    later = replace(built, build="https://ci.example.com/job/auth/8/", build_started=None)
    published = shop.publish_file("auth", "1.0.0", origin=later)
    assert published.again == ("auth-1.0.0-provenance.json",)
    assert [note.partition(":")[0] for note in published.notes] == ["the repository has lost auth-1.0.0-sbom.cdx.json"]
    assert shop.publish_file("auth", "1.0.0", origin=later, extras=Extras(sbom=bom(tmp_path))).notes == ()
    assert shop.releases.files == kept


def test_a_lost_provenance_is_an_integrity_error(shop: Shop) -> None:
    shop.publish_file("auth", "1.0.0")
    del shop.releases.files["auth", "1.0.0", "auth-1.0.0-provenance.json"]
    with pytest.raises(IntegrityError, match=r"has lost auth-1\.0\.0-provenance"):
        check_version(shop.state, "auth", "1.0.0", signed=False)


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Two keys of a GnuPG home of its own: fingerprints by address."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    fingerprints = {}
    for who in ("ci@example.com", "eve@example.com"):
        command = ["--quick-gen-key", who, "ed25519", "sign", "never"]
        subprocess.run(["gpg", "--batch", "--quiet", "--passphrase", "", *command], check=True, capture_output=True)
        listed = subprocess.run(
            ["gpg", "--with-colons", "--list-keys", who], check=True, capture_output=True, text=True
        )
        fingerprints[who] = next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr"))
    yield fingerprints
    subprocess.run(["gpgconf", "--kill", "all"], check=False)


def test_a_signed_version_says_who_signed(shop: Shop, keys: dict[str, str]) -> None:
    ci = keys["ci@example.com"]
    shop.publish_file("auth", "1.0.0", extras=Extras(key="ci@example.com"))
    assert check_version(shop.state, "auth", "1.0.0", signed=True) == ci
    assert check_version(shop.state, "auth", "1.0.0", signed=True, signers=[ci]) == ci
    with pytest.raises(IntegrityError, match="none of"):
        check_version(shop.state, "auth", "1.0.0", signed=True, signers=[keys["eve@example.com"]])
    with pytest.raises(Malformed, match="fingerprint"):
        check_version(shop.state, "auth", "1.0.0", signed=True, signers=[ci[-8:]])
    assert not any(check.fault for check in verify(shop.state, "auth", "1.0.0"))
    copy(shop.repo, "auth", "1.0.0", "archive")
    assert ("auth", "1.0.0", "auth-1.0.0-manifest.json.asc") in shop.archive.files


def test_an_unsigned_version_does_not_pass_as_signed(shop: Shop, keys: dict[str, str]) -> None:
    shop.publish_file("auth", "1.0.0")
    with pytest.raises(IntegrityError, match="is not signed"):
        check_version(shop.state, "auth", "1.0.0", signed=True)


def test_a_signature_of_something_else_is_not_good(shop: Shop, keys: dict[str, str]) -> None:
    shop.publish_file("auth", "1.0.0", extras=Extras(key="ci@example.com"))
    shop.publish_file("auth", "1.1.0", extras=Extras(key="ci@example.com"))
    asc = "manifest.json.asc"
    shop.releases.files["auth", "1.0.0", f"auth-1.0.0-{asc}"] = shop.releases.files[
        "auth", "1.1.0", f"auth-1.1.0-{asc}"
    ]
    with pytest.raises(IntegrityError, match="BADSIG"):
        check_version(shop.state, "auth", "1.0.0", signed=True)
    shop.releases.files["auth", "1.0.0", f"auth-1.0.0-{asc}"] = b"not a signature"
    with pytest.raises(IntegrityError, match="not good"):
        check_version(shop.state, "auth", "1.0.0", signed=True)


def test_a_signature_left_behind_by_another_manifest_is_a_conflict(shop: Shop, keys: dict[str, str]) -> None:
    shop.publish_file("auth", "1.1.0", extras=Extras(key="ci@example.com"))
    files = shop.releases.files
    files["auth", "1.0.0", "auth-1.0.0-manifest.json.asc"] = files["auth", "1.1.0", "auth-1.1.0-manifest.json.asc"]
    with pytest.raises(Conflict):
        shop.publish_file("auth", "1.0.0", extras=Extras(key="ci@example.com"))


@pytest.mark.parametrize("key", ["nobody@example.com", "--output=/tmp/x", "a\nb"])
def test_a_key_that_cannot_sign_publishes_nothing(shop: Shop, keys: dict[str, str], key: str) -> None:
    with pytest.raises(SluicegateError):
        shop.publish_file("auth", "1.0.0", extras=Extras(key=key))
    assert shop.state.versions("auth") == []
    assert not shop.releases.files, "nothing is in the way of the next try"
