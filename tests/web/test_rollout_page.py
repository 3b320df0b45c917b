"""The delivery page shows how far a pool's rollout is, in the words of the command."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader

from sluicegate.web import delivery
from sluicegate.web.delivery import Delivery

STATUS = {
    "environments": [
        {"name": "staging", "group": "", "set": "", "pooled": False},
        {"name": "production", "group": "web", "set": "", "pooled": True},
    ],
    "components": [],
}
ROLLOUT = {
    "environment": "production", "state": "paused", "why": "qa lets it go on", "target": {"auth": "2.0.0"},
    "back": False, "minimum": 1, "problem": "",
    "batches": [
        {"number": 1, "stage": "analysis", "verdict": "inconclusive", "why": "3 requests", "hosts": [], "left": 0}
    ],
    "hosts": [
        {"host": "web1", "version": "new", "standing": "ready", "healthy": True, "in_flight": 3, "quiet": 1.0},
        {"host": "<web2>", "version": "old", "standing": None, "healthy": None, "in_flight": None, "quiet": None},
    ],
}  # fmt: skip


def read(monkeypatch: pytest.MonkeyPatch, answers: dict[str, object]) -> Any:
    """What the page is made from, where the commands print these; '' ends with an error."""

    def command(repo: str, *words: str) -> list[str]:
        answer = answers[words[0] if words else "status"]
        code = f"import json; print(json.dumps({answer!r}))" if answer else "raise SystemExit('the pool is gone')"
        return [sys.executable, "-c", code]

    monkeypatch.setattr(delivery, "command", command)
    return Delivery("/srv/git/delivery.git").status()


def page(matrix: Any) -> str:
    environment = Environment(loader=PackageLoader("sluicegate.web", "templates"), autoescape=True)
    return environment.get_template("delivery.html").render(
        matrix=matrix, error="", user="", crumb="", with_delivery=True
    )


def test_the_page_shows_state_hosts_and_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = read(monkeypatch, {"status": STATUS, "rollout": ROLLOUT})
    assert "rollout" not in matrix["environments"][0]
    text = " ".join(page(matrix).split())
    assert "Rollout of production" in text and "Rollout of staging" not in text
    assert "paused: <bdi>qa lets it go on</bdi>; to auth=2.0.0" in text
    assert "At least 1 of 2 hosts take new users" in text
    assert "<td>new</td><td>ready</td><td>healthy</td><td>3</td>" in text
    assert "&lt;web2&gt;</th><td>old</td><td>unknown</td><td></td><td></td>" in text
    assert "batch 1: inconclusive: 3 requests" in text


def test_a_rollout_that_cannot_be_read_is_told_beside_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = read(monkeypatch, {"status": STATUS, "rollout": ""})
    assert "the pool is gone" in page(matrix)
