"""The pool drivers without a balancer: their settings, the `server` lines of a file, commands on hosts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluicegate.balancers.command_pool import CommandPool
from sluicegate.balancers.haproxy.servers import edited, read_servers
from sluicegate.config import read_config
from sluicegate.errors import ConfigError, NotFound, SluicegateError
from sluicegate.hosts.local import LocalHost
from sluicegate.model.settings import Plain
from tests.parts import settings
from tests.pool import configured

FILE = """\
# ours
backend web_auth
    balance roundrobin
    server app1 10.0.0.1:80 check weight 50 cookie app1   # the small one
    server app2 10.0.0.2:80 check
backend other
    server app1 10.0.0.1:81 check
"""


def test_a_host_is_drained_and_made_ready_with_its_own_weight_and_nothing_else_changes() -> None:
    drained = edited(FILE, {"web_auth"}, {"app1"}, "drain")
    assert "    server app1 10.0.0.1:80 check cookie app1 weight 0  # weight 50\n" in drained
    assert drained.splitlines()[4:] == FILE.splitlines()[4:]
    out = edited(drained, {"web_auth"}, {"app1", "app2"}, "out")
    assert [(s.host, s.standing, s.weight) for s in read_servers(out, {"web_auth"})] == [
        ("app1", "out", 50),
        ("app2", "out", 100),
    ]
    ready = edited(out, {"web_auth"}, {"app1", "app2"}, "ready")
    assert "    server app1 10.0.0.1:80 check cookie app1 weight 50\n" in ready
    assert edited(ready, {"web_auth"}, {"app1"}, "ready") == ready


@pytest.mark.parametrize("to", ["ready", "drain", "out"])
def test_what_is_written_is_what_is_read(to: str) -> None:
    text = edited(FILE, {"web_auth"}, {"app1", "app2"}, to)  # type: ignore[arg-type]
    assert {server.standing for server in read_servers(text, {"web_auth"})} == {to}
    assert {server.standing for server in read_servers(text, {"other"})} == {"ready"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"idle": ""}, "needs a bound"),
        ({"socket": "10.0.0.1:9999"}, "name with 'host' where the servers file is written"),
        ({"servers": ""}, "the key 'servers' is missing"),
        ({"routes": ""}, "'routes' is missing"),
        ({"way": "health"}, "go together"),
        ({"file": "drained"}, "go together"),
        ({"way": "agent"}, "expected one of: socket, health"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, more: dict[str, Plain], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        configured(tmp_path, "http://127.0.0.1:1", ["app1"], **more)


ORGANISATION = b"""
repositories: {releases: {driver: directory, path: /nonexistent}}
components: {auth: {repository: releases, group: com.example}}
hosts: {work1: {driver: local}, work2: {driver: local}}
groups: {workers: [work1, work2]}
environments: {production: {hosts: workers, deploy: {driver: archive}, pool: {driver: command}}}
"""


def workers(folder: Path, **more: Plain) -> CommandPool:
    values: dict[str, Plain] = {
        "drain": ("touch", "stopping"),
        "ready": ("rm", "-f", "stopping"),
        "busy": ("cat", "busy"),
    }

    def host(name: str) -> LocalHost:
        (folder / name).mkdir(exist_ok=True)
        return LocalHost(name=name, folder=folder / name, ports={})

    driver_settings = settings(**{key: value for key, value in (values | more).items() if value})
    return CommandPool.configure("production", driver_settings, read_config(ORGANISATION), host)


def test_workers_are_drained_by_a_command_on_each_host(tmp_path: Path) -> None:
    pool = workers(tmp_path)
    pool.turn(["work1"], "drain")
    assert (tmp_path / "work1" / "stopping").exists()
    assert not (tmp_path / "work2" / "stopping").exists()
    for name, busy in (("work1", "3\n"), ("work2", "0\n")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "busy").write_text(busy)
    assert {name: serving.in_flight for name, serving in pool.survey().items()} == {"work1": 3, "work2": 0}
    pool.turn(["work1"], "ready")
    assert not (tmp_path / "work1" / "stopping").exists()


def test_a_worker_that_cannot_say_how_busy_it_is_is_told(tmp_path: Path) -> None:
    with pytest.raises(SluicegateError, match=r"work[12]: cat ended with 1: .*busy"):
        workers(tmp_path).survey()
    with pytest.raises(SluicegateError, match="printed 'many', expected how much"):
        workers(tmp_path, busy=("echo", "many")).survey()
    assert {serving.in_flight for serving in workers(tmp_path, busy="").survey().values()} == {None}


def test_a_worker_that_is_unknown_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="work9"):
        workers(tmp_path).turn(["work9"], "drain")
