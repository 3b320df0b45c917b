"""Hosts and groups of an inventory outside sluicegate.yaml."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.config import read_config
from sluicegate.errors import ConfigError
from sluicegate.model.config import Config
from sluicegate.wiring import EntryPointDrivers

CONFIG = """\
repositories: {releases: {driver: directory, path: /srv/releases}}
components: {auth: {repository: releases, group: com.example}}
environments:
  production: {hosts: web, deploy: {driver: archive}}
inventory: INVENTORY
"""
IN_REPO = "{ansible: inventory.json, hosts: {user: deploy, ports: {auth: 8080}}}"
LISTED = {
    "_meta": {
        "hostvars": {
            "app1": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "colour": "red"},
            "app2": {"ansible_user": "other", "sluicegate": {"ports": {"auth": 8081}, "variables": {"DB": "db1"}}},
        }
    },
    "all": {"children": ["ungrouped", "web", "old"]},
    "web": {"children": ["north"], "hosts": ["app1"]},
    "north": {"hosts": ["app2"]},
    "old": ["app3"],
}


def config(content: object, inventory: str = IN_REPO, text: str = CONFIG) -> Config:
    text_ = content if isinstance(content, str) else json.dumps(content)
    return read_config(text.replace("INVENTORY", inventory).encode(), {"inventory.json": text_.encode()}.get)


def mistakes(content: object, inventory: str = IN_REPO, text: str = CONFIG) -> str:
    with pytest.raises(ConfigError) as caught:
        dict(config(content, inventory, text).hosts)
    return caught.value.message


def test_ansibles_hosts_and_groups_are_ours() -> None:
    read = config(LISTED)
    assert read.groups["web"] == ("app1", "app2")
    assert read.groups["old"] == ("app3",)
    assert set(read.groups["all"]) == {"app1", "app2", "app3"}
    assert dict(read.hosts["app1"].settings.values) == {
        "user": "deploy", "ports": {"auth": "8080"}, "address": "10.0.0.1", "port": "2222"
    }  # fmt: skip
    assert read.hosts["app2"].settings.values["user"] == "other"
    assert read.variables["app2"] == {"DB": "db1"}
    host = EntryPointDrivers().host(read, "app2")
    assert host.address("auth") == "http://app2:8081"


def test_hosts_of_the_file_stand_beside_those_of_the_inventory() -> None:
    text = CONFIG + "hosts: {lb1: {driver: ssh}}\ngroups: {edge: [lb1, app1]}\n"
    read = config(LISTED, text=text)
    assert (read.groups["edge"], set(read.hosts)) == (("lb1", "app1"), {"lb1", "app1", "app2", "app3"})


def test_a_program_is_asked_once_and_only_when_somebody_wants_to_know(tmp_path: Path) -> None:
    program, calls = tmp_path / "list.py", tmp_path / "calls"
    program.write_text(f"open({str(calls)!r}, 'a').write('x')\nprint({json.dumps(LISTED)!r})\n")
    read = config("", f'{{command: ["{sys.executable}", {program}]}}')
    assert not calls.exists()
    assert read.groups["web"] == ("app1", "app2")
    assert config("", f'{{command: ["{sys.executable}", {program}]}}').groups["old"] == ("app3",)
    assert calls.read_text() == "x"


def test_a_program_that_fails_is_told_in_its_own_words(tmp_path: Path) -> None:
    program = tmp_path / "list.py"
    program.write_text("import sys\nsys.exit('the cmdb is closed')\n")
    message = mistakes("", f'{{command: ["{sys.executable}", {program}]}}')
    assert message.startswith("sluicegate.yaml:5: the inventory could not be asked") and "the cmdb is closed" in message


def test_an_inventory_that_is_no_json_is_given_to_ansible_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.ini").write_text("[web]\napp1\n")
    stand_in = tmp_path / "ansible-inventory"
    stand_in.write_text(f"#!/bin/sh\n[ \"$*\" = '-i {tmp_path}/hosts.ini --list' ] && echo '{json.dumps(LISTED)}'\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert config("", f"{{ansible: {tmp_path}/hosts.ini}}").groups["web"] == ("app1", "app2")
    (tmp_path / "inventory.json").write_text(json.dumps(LISTED))
    assert config("", f"{{ansible: {tmp_path}/inventory.json}}").groups["old"] == ("app3",)


def without(change: Callable[[dict[str, object]], object]) -> object:
    copy = json.loads(json.dumps(LISTED))
    change(copy)
    return copy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"web": {"hosts": ["-oProxyCommand=x"]}}, "the name of the host '-oProxyCommand=x' may hold letters"),
        ({"web": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {"ansible_host": "-oProxyCommand=x"}}}},
         "'address' of the host 'a' is '-oProxyCommand=x', expected a plain word"),
        ({"web": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {"ansible_user": "-lroot"}}}}, "'user' of the host 'a'"),
        ({"web": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {"ansible_host": "{{ ip }}"}}}}, "'{{ ip }}'"),
        ({"web": {"hosts": ["a", "b", "a"]}}, "the group 'web' names the host 'a' twice"),
        ('{"web": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {}, "a": {}}}}', "'a' stands there twice"),
        ({"web": {"hosts": ["a", "b"]},
          "_meta": {"hostvars": {"a": {"ansible_host": "10.0.0.1"}, "b": {"ansible_host": "10.0.0.1"}}}},
         "'a' and 'b' are one host: both are reached at 10.0.0.1"),
        ({"web": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {"ansible_connection": "winrm"}}}},
         "the host 'a' is reached by 'winrm', expected ssh"),
        ({"web": {"hosts": "a"}}, "'hosts' of the group 'web' is no list of names"),
        ({"old": {"hosts": ["a"]}}, "no group is called 'web'. Known: old."),
        ("[1]", "inventory.json is not JSON"),
        ('{"web": ', "this is not JSON"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_inventory_is_named(content: object, message: str) -> None:
    assert message in mistakes(content)


def test_a_host_that_is_named_in_both_places_is_refused() -> None:
    text = CONFIG + "hosts: {app1: {driver: ssh}}\n"
    assert mistakes(LISTED, text=text) == "sluicegate.yaml:6: the host 'app1' is in the inventory too"


def test_an_inventory_needs_one_source() -> None:
    for wrong in ("{}", "{ansible: a.json, command: [b]}"):
        assert "either 'ansible', a file, or 'command'" in mistakes("", wrong)
    assert "the delivery repo has no file 'b.json'" in mistakes("", "{ansible: b.json}")
    assert "Did you mean 'ansible'" in mistakes("", "{ansibel: b.json}")
