"""One of two balancers is left alone: whoever looks is told, until it is back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import Call

CONFIG = """
repositories:
  releases: {{driver: directory, path: "{root}/releases"}}
components:
  auth: {{repository: releases, group: com.example}}
environments:
  production:
    hosts: web
    deploy: {{driver: archive}}
    pool:
      driver: haproxy
      at:
        lb1: {{socket: "{root}/lb1.sock", servers: "{root}/lb1.cfg", address: "http://127.0.0.1:1"}}
        lb2: {{socket: "{root}/lb2.sock", servers: "{root}/lb2.cfg", address: "http://127.0.0.1:2"}}
      routes: {{auth: /auth}}
hosts:
  app1: {{driver: local, folder: "{root}/app1"}}
  app2: {{driver: local, folder: "{root}/app2"}}
groups:
  web: [app1, app2]
"""


@pytest.fixture
def call(calls: Callable[[str], Call]) -> Call:
    return calls(CONFIG)


def test_status_and_check_say_which_balancer_is_out_and_why(call: Call) -> None:
    code, printed = call("balancer", "out", "lb2", "--why", "a new disk")
    assert code == 0, printed
    _, shown = call("status")
    assert "production: the balancer lb2 is out since " in shown
    assert "by olle: a new disk" in shown
    (column,) = json.loads(call("status", "--json")[1])["environments"]
    (out,) = column["balancers_out"]
    assert (out["balancer"], out["why"], out["by"]) == ("lb2", "a new disk", "olle")
    assert "the balancer lb2 is out since " in call("check")[1]
    assert "sluicegate balancer in lb2" in call("check")[1]


def test_nothing_is_said_of_balancers_that_are_led_along(call: Call) -> None:
    for words in (("status",), ("check",)):
        assert "is out" not in call(*words)[1]
    assert json.loads(call("status", "--json")[1])["environments"][0]["balancers_out"] == []
