"""Search, show, verify, copy; resolve by commit and by evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.copying import copy
from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.artifacts.search import search, show
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.artifacts.verify import verify
from sluicegate.delivery.book import resolving
from sluicegate.delivery.moves import evidence
from sluicegate.errors import Conflict, IntegrityError, Malformed, UnknownName, UsageError
from tests.worlds import TWO_REPOSITORIES, Shop

COMMIT = "ab12" * 10


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop.opened(tmp_path, TWO_REPOSITORIES)) as opened:
        opened.publish_file("auth", "1.0.0", origin=Origin(commit=COMMIT, author="anna", figures={"coverage": "87"}))
        opened.publish_file("auth", "1.1.0")
        opened.publish_file("portal", "1.0.0")
        yield opened


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("auth", ["auth=1.1.0", "auth=1.0.0"]),
        ("AUTH=1.0", ["auth=1.0.0"]),
        ("1.0.0", ["portal=1.0.0", "auth=1.0.0"]),
        ("ab12ab12", ["auth=1.0.0"]),
        ("coverage=87", ["auth=1.0.0"]),
        ("portal-1.0.0.tar", ["portal=1.0.0"]),
        ("nothing of this", []),
    ],
)
def test_search_finds_by_name_version_commit_figure_and_file(shop: Shop, text: str, hits: list[str]) -> None:
    assert [f"{hit.component}={hit.version}" for hit in search(shop.state, text)] == hits


def test_search_finds_by_checksum_and_says_of_what(shop: Shop) -> None:
    (artifact,) = show(shop.state, "auth", "1.1.0").manifest.artifacts
    (hit,) = search(shop.state, artifact.sha256[:16])
    assert (hit.version, hit.why) == ("1.1.0", ("sha256 of auth-1.1.0.tar.gz",))


def test_searching_for_nothing_is_a_usage_error(shop: Shop) -> None:
    with pytest.raises(UsageError):
        search(shop.state, "  ")


def test_show_has_files_addresses_and_evidence(shop: Shop) -> None:
    shown = show(shop.state, "auth", "1.0.0")
    assert [a.name for a in shown.files] == ["auth-1.0.0.tar.gz", "auth-1.0.0-provenance.json"]
    assert shown.addresses["auth-1.0.0.tar.gz"] == "fake:auth/1.0.0/auth-1.0.0.tar.gz"
    assert shown.figures == {"coverage": "87"}
    assert [entry.record.what for entry in shown.evidence] == ["built"]


def test_an_untouched_version_verifies(shop: Shop) -> None:
    checks = verify(shop.state, "auth", "1.0.0")
    assert [check.fault for check in checks] == ["", "", ""]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("auth-1.0.0.tar.gz", b"rotten", "bytes"),
        ("auth-1.0.0.tar.gz", b"auth 1.0.1", "SHA-256"),
        ("auth-1.0.0.tar.gz", None, "no file"),
        ("auth-1.0.0-provenance.json", None, "no file"),
        ("auth-1.0.0-manifest.json", None, "no file"),
        ("auth-1.0.0-manifest.json", b"{}", "cannot be read"),
        ("auth-1.0.0-more.zip", b"smuggled", "not in the manifest"),
    ],
)
def test_verify_names_what_differs(shop: Shop, name: str, content: bytes | None, fault: str) -> None:
    if content is None:
        del shop.releases.files["auth", "1.0.0", name]
    else:
        shop.releases.files["auth", "1.0.0", name] = content
    faults = {check.name: check.fault for check in verify(shop.state, "auth", "1.0.0") if check.fault}
    assert list(faults) == [name]
    assert fault in faults[name]


def test_another_manifest_than_the_ledgers_is_named(shop: Shop) -> None:
    key = ("auth", "1.0.0", "auth-1.0.0-manifest.json")
    shop.releases.files[key] = shop.releases.files[key].replace(b"anna", b"eve!")
    (fault, *_) = verify(shop.state, "auth", "1.0.0")
    assert "ledger" in fault.fault


def test_a_copy_is_the_same_byte_by_byte_and_recorded(shop: Shop) -> None:
    copy(shop.repo, "auth", "1.0.0", "archive")
    copy(shop.repo, "auth", "1.0.0", "archive")
    assert shop.archive.files == {
        key: content for key, content in shop.releases.files.items() if key[:2] == ("auth", "1.0.0")
    }
    copied = [r for r in shop.state.story("auth", "1.0.0") if r.what == "copied"]
    assert [r.to for r in copied] == ["archive"]
    assert shop.archive.announced["auth"] == ("1.0.0",)


def test_a_rotten_source_is_not_copied(shop: Shop) -> None:
    shop.releases.files["auth", "1.0.0", "auth-1.0.0.tar.gz"] = b"rotten"
    with pytest.raises(IntegrityError):
        copy(shop.repo, "auth", "1.0.0", "archive")
    assert shop.archive.files == {}


def test_other_content_on_the_other_side_is_a_conflict(shop: Shop) -> None:
    shop.archive.files["auth", "1.0.0", "auth-1.0.0.tar.gz"] = b"other"
    with pytest.raises(Conflict):
        copy(shop.repo, "auth", "1.0.0", "archive")
    assert ("auth", "1.0.0", "auth-1.0.0-manifest.json") not in shop.archive.files


def test_a_copy_that_reads_back_differently_is_found_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.archive, "fetch", lambda component, version, name, to: to.write_bytes(b"rotten"))
    with pytest.raises(IntegrityError, match="reads back"):
        copy(shop.repo, "auth", "1.0.0", "archive")
    assert not [r for r in shop.state.story("auth", "1.0.0") if r.what == "copied"]


def test_copying_goes_to_a_repository_that_there_is_and_is_another(shop: Shop) -> None:
    with pytest.raises(UsageError, match="Did you mean 'archive'"):
        copy(shop.repo, "auth", "1.0.0", "archiv")
    with pytest.raises(UsageError, match="already"):
        copy(shop.repo, "auth", "1.0.0", "releases")
    copy(shop.repo, "auth", "1.0.0", "archive", dry_run=True)
    assert shop.archive.files == {}


def test_resolve_by_commit(shop: Shop) -> None:
    state = shop.state
    assert resolving.resolve(state, "auth", f"commit:{COMMIT[:8]}") == "1.0.0"
    assert resolving.resolve(state, "auth", f"commit:{COMMIT.upper()}") == "1.0.0"
    with pytest.raises(UnknownName):
        resolving.resolve(state, "auth", "commit:ffffffff")
    for wrong in ("commit:ab", "commit:"):
        with pytest.raises(Malformed):
            resolving.resolve(state, "auth", wrong)


def test_resolve_by_evidence(shop: Shop) -> None:
    with pytest.raises(UsageError, match="has no version 'tested:integration'"):
        resolving.resolve(shop.state, "auth", "tested:integration")
    with pytest.raises(UsageError, match="Did you mean"):
        resolving.resolve(shop.state, "auth", "tested:integratoin")

    def tested(version: str, failed: int, digest: str) -> None:
        shop.run("integration", {"auth": version})
        run = evidence.TestRun(passed=20, failed=failed, skipped=0, digest=digest)
        evidence.record_tests(shop.repo, "auth", version, "integration", "regression", run)

    tested("1.0.0", 0, "a" * 64)
    tested("1.1.0", 1, "b" * 64)
    assert resolving.resolve(shop.state, "auth", "tested:integration") == "1.0.0"
    assert resolving.resolve(shop.state, "auth", "deployed:integration") == "1.1.0"
    tested("1.1.0", 0, "c" * 64)
    assert resolving.resolve(shop.state, "auth", "tested:integration") == "1.1.0"


def test_what_search_and_show_say_can_be_fetched(shop: Shop, tmp_path: Path) -> None:
    release = fetch(shop.state, "auth", "1.0.0", tmp_path / "to")
    assert release.files == ("auth-1.0.0.tar.gz",)
