"""`promote` and `swap` ask the builds of approvals again, and `deploy` for pins that no promotion brought: what Jenkins
says now counts; `explain` asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluicegate.delivery.answers.explain import explain
from sluicegate.delivery.moves import evidence
from sluicegate.errors import GateRefused
from sluicegate.model.values import Actor
from tests.parts import Replying, free_port, web_server
from tests.signers import VARIABLE, allowed, made_key
from tests.worlds import CONFIG, Shop

ROLES = CONFIG.replace(b"[anna, olle]}", b"[anna, olle], jobs: {approve: [seal]}}").replace(
    b"[rita, olle]}", b"[rita, olle], jobs: {approve: [seal]}}"
)
BUILD: dict[str, Any] = {}


class Build(Replying):
    """One build for every address; none where BUILD is empty."""

    def do_GET(self) -> None:
        self.reply(json.dumps(BUILD).encode(), 200 if BUILD else 404)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("JENKINS_TOKEN", "t0ken")
    with web_server(Build) as port:
        yield f"http://127.0.0.1:{port}"


def tell(user: str = "anna", **parameters: str) -> None:
    """What Jenkins says of the build."""
    values = {"COMPONENT": "auth", "VERSION": "2.0.0", "TO": "staging", "ROLE": "qa"} | parameters
    BUILD.clear()
    pairs = [{"name": name, "value": value} for name, value in values.items()]
    BUILD["actions"] = [{"causes": [{"userId": user}]}, {"parameters": pairs}]


def configured(shop: Shop, url: str, more: bytes = b"") -> None:
    server = f'jenkins: {{url: "{url}", user: ci, token: {{env: JENKINS_TOKEN}}}}\n'.encode()
    shop.edited("sluicegate.yaml", more + server + ROLES)


def approved(shop: Shop, url: str, job: str = "seal") -> None:
    """anna's approval as a build wrote it, which is at an end."""
    repo = shop.opened_by(Actor(user="anna", source=f"{url}/job/{job}/7/", verified=True))
    evidence.judge(repo, "auth", "2.0.0", "staging", "qa", approve=True, why="")
    repo.store.close()


@pytest.fixture
def sealed(live: Shop, url: str) -> Shop:
    """auth 2.0.0 runs in integration, tested, and sealed by a build that says so."""
    live.to_integration(auth="2.0.0")
    configured(live, url)
    approved(live, url)
    tell()
    return live


def reason(shop: Shop) -> str:
    with shop.unchanged(), pytest.raises(GateRefused) as caught:
        shop.promote(auth="2.0.0")
    (only_reason,) = caught.value.reasons
    assert all(verdict.passed for verdict in explain(shop.state, "auth", "2.0.0", "staging").verdicts)
    return only_reason


def test_a_build_that_says_the_same_is_taken(sealed: Shop) -> None:
    assert [move.after for move in sealed.promote(auth="2.0.0")] == ["2.0.0"]


@pytest.mark.parametrize(
    ("user", "parameters", "message"),
    [
        ("mallory", {}, "mallory started it"),
        ("anna", {"VERSION": "1.9.0"}, "the build's parameter VERSION is '1.9.0', not '2.0.0'"),
        ("anna", {"ROLE": "release-manager"}, "the build's parameter ROLE is 'release-manager', not 'qa'"),
    ],
)
def test_a_build_that_says_otherwise_refuses(sealed: Shop, user: str, parameters: dict[str, str], message: str) -> None:
    tell(user, **parameters)
    objection = reason(sealed)
    assert "approval qa: refused: anna's approval: its build" in objection and message in objection


def test_a_line_that_names_a_build_of_another_job_refuses(live: Shop, url: str) -> None:
    live.to_integration(auth="2.0.0")
    configured(live, url)
    approved(live, url, "mallorys")
    tell()
    assert "the job 'mallorys' is not one that may approve in the role: seal" in reason(live)


def test_a_build_that_is_gone_proves_nothing_unless_the_record_is_signed(
    sealed: Shop, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BUILD.clear()
    assert f"anna's does not count: unverified: {url}/job/seal/7/ is gone" in reason(sealed)
    key = made_key(tmp_path / "key")
    sealed.edited("allowed-signers", allowed(key))
    configured(sealed, url, b"name: shop\nevidence: {signed-by: allowed-signers}\n")
    monkeypatch.setenv(VARIABLE, str(key))
    approved(sealed, url)
    assert sealed.promote(auth="2.0.0")


def test_a_source_that_is_no_build_proves_nothing(sealed: Shop, url: str) -> None:
    configured(sealed, f"http://127.0.0.1:{free_port()}")
    assert "anna's does not count: unverified: it is from no build of" in reason(sealed)


def test_a_jenkins_that_is_silent_is_an_error(sealed: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JENKINS_TOKEN")
    assert "approval qa: error: anna's approval: its build cannot be asked: the variable JENKINS_TOKEN" in reason(
        sealed
    )


def test_a_swap_asks_too(sealed: Shop, url: str) -> None:
    sealed.promote(auth="2.0.0")
    sealed.sync("staging", end_sessions=True)
    sealed.tested("auth", "2.0.0", "staging")
    repo = sealed.opened_by(Actor(user="rita", source=f"{url}/job/seal/8/", verified=True))
    evidence.judge(repo, "auth", "2.0.0", "production", "release-manager", approve=True, why="")
    repo.store.close()
    with sealed.unchanged(), pytest.raises(GateRefused, match="anna started it"):
        sealed.swap()
    tell("rita", TO="production", ROLE="release-manager")
    sealed.swap()


def test_a_deploy_asks_for_a_pin_that_a_commit_brought(sealed: Shop) -> None:
    sealed.pin_by_hand("staging", auth="2.0.0")
    tell("mallory")
    with pytest.raises(GateRefused) as caught:
        sealed.sync("staging", end_sessions=True)
    assert "mallory started it" in caught.value.reasons[0]
    assert sealed.kinds("auth", "2.0.0").count("deployed") == 1  # integration's
    tell()
    sealed.sync("staging", end_sessions=True)
    assert sealed.kinds("auth", "2.0.0").count("deployed") == 2


def test_a_deploy_of_what_was_promoted_asks_no_build_that_may_be_gone_by_now(sealed: Shop) -> None:
    sealed.promote(auth="2.0.0")
    BUILD.clear()
    sealed.sync("staging", end_sessions=True)
    assert sealed.kinds("auth", "2.0.0").count("deployed") == 2


def test_a_resumed_deploy_asks_for_a_pin_that_a_commit_brought(sealed: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed.pin_by_hand("staging", auth="2.0.0")

    def dying(*words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sealed.drivers.deployers, "install", dying)
    with pytest.raises(KeyboardInterrupt):
        sealed.sync("staging", end_sessions=True)
    monkeypatch.undo()
    monkeypatch.setenv("JENKINS_TOKEN", "t0ken")
    tell("mallory")
    with pytest.raises(GateRefused, match="is given up"):
        sealed.resume()
