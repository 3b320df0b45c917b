"""What every host does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from sluicegate.errors import Malformed, RemoteUnavailable, SluicegateError
from sluicegate.hosts.local import LocalHost
from sluicegate.model.values import Service
from sluicegate.ports import Host
from tests.fakes import FakeHost
from tests.parts import CONFIG, app_files, free_port, settings, write


@dataclass(kw_only=True)
class Bench:
    """A host, and what a test sees of it from outside."""

    host: Host
    answers: Callable[[str], str | None]
    take_down: Callable[[], None]
    break_service: Callable[[str], None]


@pytest.fixture(params=["fake", "local"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        yield _fake_bench()
        return
    folder = tmp_path / "host"
    folder.mkdir()
    host = LocalHost.configure("int1", settings(folder=str(folder), ports={"auth": str(free_port())}), CONFIG)
    yield Bench(
        host=host,
        answers=lambda name: _http_answer(host, name),
        take_down=lambda: (host.shutdown(), folder.rename(tmp_path / "unplugged"))[0],  # type: ignore[func-returns-value]
        break_service=lambda name: None,
    )
    host.shutdown()


def _fake_bench() -> Bench:
    host = FakeHost("int1")

    def answers(name: str) -> str | None:
        service = host.services.get(name)
        content = host.read(f"{service.folder}/answer") if service else None
        return content.decode() if content else None

    return Bench(
        host=host,
        answers=answers,
        take_down=lambda: setattr(host, "down", True),
        break_service=host.broken.add,
    )


def _http_answer(host: LocalHost, name: str) -> str | None:
    try:
        return requests.get(host.address(name), timeout=5).text
    except requests.ConnectionError:
        return None


def service(folder: str) -> Service:
    return Service(name="auth", command=f"{sys.executable} app.py --port $PORT", folder=folder)


def test_a_file_that_was_sent_is_read(bench: Bench, tmp_path: Path) -> None:
    bench.host.send(write(tmp_path / "one", {"a": "1", "deep/b": "2"}), "apps/auth/releases/1")
    assert bench.host.read("apps/auth/releases/1/deep/b") == b"2"
    assert bench.host.read("apps/auth/releases/1/c") is None
    assert bench.host.read("apps/auth/releases/1/a/below-a-file") is None


def test_sending_replaces_the_whole_folder(bench: Bench, tmp_path: Path) -> None:
    bench.host.send(write(tmp_path / "one", {"a": "1", "b": "1"}), "apps/auth")
    bench.host.send(write(tmp_path / "two", {"a": "2"}), "apps/auth")
    assert bench.host.read("apps/auth/a") == b"2"
    assert bench.host.read("apps/auth/b") is None


def test_sending_an_empty_folder_takes_away_what_was_there(bench: Bench, tmp_path: Path) -> None:
    bench.host.send(write(tmp_path / "one", {"a": "1"}), "apps/auth")
    bench.host.send(write(tmp_path / "empty", {}), "apps/auth")
    bench.host.send(write(tmp_path / "empty", {}), "apps/never")
    assert bench.host.read("apps/auth/a") is None


def test_a_link_leads_to_its_newest_target(bench: Bench, tmp_path: Path) -> None:
    for name in ("1", "2"):
        bench.host.send(write(tmp_path / name, {"a": name}), f"apps/auth/releases/{name}")
        bench.host.link("apps/auth/current", f"apps/auth/releases/{name}")
        assert bench.host.read("apps/auth/current/a") == name.encode()


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "apps/../../up"])
def test_a_path_that_leads_out_is_refused(bench: Bench, tmp_path: Path, path: str) -> None:
    with pytest.raises(Malformed):
        bench.host.read(path)
    with pytest.raises(Malformed):
        bench.host.send(write(tmp_path / "one", {"a": "1"}), path)
    with pytest.raises(Malformed):
        bench.host.link("apps/current", path)


def test_a_service_runs_in_its_folder_until_it_is_stopped(bench: Bench, tmp_path: Path) -> None:
    bench.host.send(write(tmp_path / "one", app_files("first")), "apps/auth/1")
    bench.host.restart(service("apps/auth/1"))
    assert bench.answers("auth") == "first"
    bench.host.stop("auth")
    bench.host.stop("auth")
    assert bench.answers("auth") is None


def test_restarting_replaces_the_running_service(bench: Bench, tmp_path: Path) -> None:
    for answer in ("first", "second", "third"):
        bench.host.send(write(tmp_path / answer, app_files(answer)), f"apps/auth/{answer}")
        bench.host.restart(service(f"apps/auth/{answer}"))
        assert bench.answers("auth") == answer


def test_a_service_that_ends_at_once_is_reported(bench: Bench, tmp_path: Path) -> None:
    bench.break_service("auth")
    bench.host.send(write(tmp_path / "one", {"app.py": "raise SystemExit('no database')"}), "apps/auth/1")
    with pytest.raises(SluicegateError, match="ended at once"):
        bench.host.restart(service("apps/auth/1"))
    assert bench.answers("auth") is None


def test_stopping_what_never_ran_does_nothing(bench: Bench) -> None:
    bench.host.stop("auth")


def test_an_address_has_no_slash_at_the_end(bench: Bench) -> None:
    assert bench.host.address("auth").startswith("http://")
    assert not bench.host.address("auth").endswith("/")


def test_a_host_that_is_down_is_unavailable_for_everything(bench: Bench, tmp_path: Path) -> None:
    bench.take_down()
    folder = write(tmp_path / "one", {"a": "1"})
    calls: tuple[Callable[[], object], ...] = (
        lambda: bench.host.read("a"),
        lambda: bench.host.send(folder, "apps/auth"),
        lambda: bench.host.link("apps/current", "apps/auth"),
        lambda: bench.host.restart(service("apps/auth")),
        lambda: bench.host.stop("auth"),
    )
    for call in calls:
        with pytest.raises(RemoteUnavailable, match="is down"):
            call()
