"""What every host does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.errors import Malformed, RemoteUnavailable, SluicegateError, TimedOut
from sluicegate.hosts.local import LocalHost
from sluicegate.ports import Host
from tests.fakes import FakeHost
from tests.parts import CONFIG, settings, write
from tests.remotes import Line, ShellHost


@dataclass(kw_only=True)
class Bench:
    """A host, and how it goes down."""

    host: Host
    take_down: Callable[[], object]


@pytest.fixture(params=["fake", "local", "remote"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "fake":
        fake = FakeHost("int1")
        return Bench(host=fake, take_down=lambda: setattr(fake, "down", True))
    folder = tmp_path / "host"
    folder.mkdir()
    host: LocalHost | ShellHost
    if request.param == "local":
        host = LocalHost.configure("int1", settings(folder=str(folder), ports={"auth": "8101"}), CONFIG)
    else:
        line = Line(latency=0.002)
        host = ShellHost(name="int1", folder="a 'b", root=folder, reached_at="::1", ports={"auth": 8101}, line=line)
    return Bench(host=host, take_down=lambda: folder.rename(tmp_path / "unplugged"))


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


def test_what_is_removed_is_gone_and_may_be_removed_again(bench: Bench, tmp_path: Path) -> None:
    bench.host.send(write(tmp_path / "one", {"a": "1", "deep/b": "2"}), "apps/auth")
    for _ in range(2):
        bench.host.remove("apps/auth/deep")
        assert (bench.host.read("apps/auth/deep/b"), bench.host.read("apps/auth/a")) == (None, b"1")
        bench.host.remove("apps/auth")
        assert bench.host.read("apps/auth/a") is None
        bench.host.send(tmp_path / "one", "apps/auth")


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


def test_names_that_a_shell_would_read_are_only_names(bench: Bench, tmp_path: Path) -> None:
    name = 'apps/it\'s $(touch x) `touch x` "q" -rf *'
    bench.host.send(write(tmp_path / "one", {"a": "1"}), name)
    bench.host.link("apps/-link", name)
    assert bench.host.read("apps/-link/a") == bench.host.read(f"{name}/a") == b"1"
    bench.host.remove(name)
    assert bench.host.read(f"{name}/a") is None


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
        lambda: bench.host.remove("apps"),
        lambda: bench.host.run(["true"]),
    )
    for call in calls:
        with pytest.raises(RemoteUnavailable, match="is down"):
            call()


@pytest.fixture(params=["local", "remote"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    """A host that runs programs."""
    (tmp_path / "host").mkdir()
    if request.param == "local":
        return LocalHost.configure("int1", settings(folder=str(tmp_path / "host")), CONFIG)
    return ShellHost(name="int1", folder="ours", root=tmp_path / "host")


def test_a_program_gets_its_words_and_its_input_and_gives_its_output_and_status(shell: Host) -> None:
    done = shell.run(["sh", "-c", 'cat; printf "%s|" "$@" >&2; exit 3', "sh", "a b", "$HOME", "it's", ""], stdin=b"in")
    assert (done.status, done.stdout, done.stderr) == (3, b"in", b"a b|$HOME|it's||")


def test_a_program_runs_in_our_folder(shell: Host, tmp_path: Path) -> None:
    shell.send(write(tmp_path / "one", {"a": "1"}), "apps")
    assert shell.run(["cat", "apps/a"]).stdout == b"1"


def test_a_program_that_hangs_is_timed_out(shell: Host) -> None:
    with pytest.raises(TimedOut):
        shell.run(["sleep", "60"], timeout=0.1)


def test_a_folder_that_may_not_be_written_is_told_in_the_host_s_words(shell: Host, tmp_path: Path) -> None:
    shell.send(write(tmp_path / "one", {"a": "1"}), "apps")
    with pytest.raises(SluicegateError, match=r"Not a directory|File exists"):
        shell.send(tmp_path / "one", "apps/a/below")


@pytest.mark.parametrize("bytes_through", [0, 512, 1024, 1536, 2048, 2560])
def test_a_line_that_breaks_while_sending_leaves_what_was_there(tmp_path: Path, bytes_through: int) -> None:
    (tmp_path / "host").mkdir()
    host = ShellHost(name="int1", folder="ours", root=tmp_path / "host")
    host.send(write(tmp_path / "one", {"a": "1", "b": "1"}), "apps/auth")
    host.line.cut_after = bytes_through
    with pytest.raises(RemoteUnavailable):
        host.send(write(tmp_path / "two", {"a": "2", "b": "2"}), "apps/auth")
    assert (host.read("apps/auth/a"), host.read("apps/auth/b")) == (b"1", b"1")
    assert [p.name for p in (tmp_path / "host/ours/apps").iterdir()] == ["auth"]
