"""The short list of the newest versions answers as all versions would, and never lags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.delivery.artifacts.prune import prune
from sluicegate.delivery.book import resolving
from sluicegate.delivery.book.versions import matching, sort
from sluicegate.errors import UsageError
from sluicegate.model.evidence import Pruned
from tests.worlds import Shop

VERSION = st.builds(
    "{}.{}.{}{}".format, st.integers(0, 3), st.integers(0, 9), st.integers(0, 9), st.sampled_from(["", "", "-rc.1"])
)


def publish(shop: Shop, *versions: str) -> None:
    for version in versions:
        shop.publish("auth", version)


def listed(shop: Shop) -> list[str] | None:
    return resolving.read(shop.state.ledger_file(resolving.newest_path("auth")), "semver")


@given(st.lists(VERSION, unique=True, max_size=30), st.sampled_from(["latest", "1.x", ">=1,<2.5", "2.3.4"]))
def test_the_list_answers_as_all_versions_do(versions: list[str], spec: str) -> None:
    content = None
    for number, version in enumerate(versions):
        content = resolving.extended(content, "semver", [version], lambda n=number: versions[:n])  # type: ignore[misc]
    known = resolving.read(content, "semver") or []
    assert known == sort("semver", versions)[-resolving.LENGTH :]
    assert matching("semver", known, spec)[-1:] == matching("semver", versions, spec)[-1:]


def test_lists_that_a_merge_mixed_still_answer() -> None:
    odd_list = resolving.extended(None, "semver", [f"1.{n}.0" for n in range(100)], list)
    even_list = resolving.extended(None, "semver", [f"1.{n}.0" for n in range(0, 200, 2)], list)
    assert resolving.read(even_list + odd_list, "semver") == resolving.read(odd_list + even_list, "semver")
    assert (resolving.read(odd_list + even_list, "semver") or [])[-1] == "1.198.0"


@pytest.mark.parametrize("content", [None, b"", b"no json\n", b'{"scheme": "maven", "version": "1.0"}\n', b"[]\n"])
def test_a_list_that_cannot_be_trusted_is_made_anew(content: bytes | None) -> None:
    assert resolving.read(content, "semver") is None
    anew = resolving.extended(content, "semver", ["1.1.0"], lambda: ["1.0.0"])
    assert resolving.read(anew, "semver") == ["1.0.0", "1.1.0"]


def test_publishing_extends_the_list_and_resolve_sees_it_at_once(shop: Shop) -> None:
    publish(shop, "1.9.0", "1.10.0", "2.0.0-rc.1")
    assert listed(shop) == ["1.9.0", "1.10.0", "2.0.0-rc.1"]
    assert resolving.resolve(shop.state, "auth") == "1.10.0"
    publish(shop, "1.11.0")
    assert resolving.resolve(shop.state, "auth") == "1.11.0"
    assert resolving.resolve(shop.state, "auth", "1.9.0") == "1.9.0"


def test_evidence_about_a_version_leaves_the_list_as_it_is(shop: Shop) -> None:
    shop.to_integration(auth="1.0.0")
    assert listed(shop) == ["1.0.0"]


def test_a_version_below_the_list_is_found_too(shop: Shop) -> None:
    publish(shop, *(f"2.{number}.0" for number in range(resolving.LENGTH)), "1.0.0")
    assert "1.0.0" not in (listed(shop) or ())
    assert resolving.resolve(shop.state, "auth", "1.x") == "1.0.0"
    assert resolving.resolve(shop.state, "auth", "1.0.0") == "1.0.0"


def test_what_was_pruned_is_not_the_newest(shop: Shop) -> None:
    publish(shop, "1.0.0", "1.1.0", "1.2.0-rc.1", "1.2.0")
    shop.by("ci").change(lambda state, draft: draft.note_pruned("auth", Pruned(version="1.2.0")), "prune by hand")
    assert resolving.resolve(shop.state, "auth") == "1.1.0"
    with pytest.raises(UsageError, match="was pruned"):
        resolving.resolve(shop.state, "auth", "1.2.0")
    prune(shop.by("ci"), "auth", keep=1)
    assert resolving.resolve(shop.state, "auth") == "1.1.0"


def test_a_ledger_without_the_list_gets_it_with_the_next_version(shop: Shop) -> None:
    publish(shop, "1.0.0", "1.1.0")

    def forget(state: object, draft: object) -> None:
        draft.published["auth"] = []  # type: ignore[attr-defined]
        draft._newest = lambda component, added: b""  # type: ignore[attr-defined]

    shop.by("ci").change(forget, "an older ledger")
    assert listed(shop) is None
    assert resolving.resolve(shop.state, "auth") == "1.1.0"
    publish(shop, "0.9.0")
    assert listed(shop) == ["0.9.0", "1.0.0", "1.1.0"]
