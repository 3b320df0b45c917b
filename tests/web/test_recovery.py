"""A server that met a full disk, a damaged home or an absurd number goes on, and loses nothing that it accepted."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.runner.conftest import shell
from tests.web.conftest import PROGRAM, ROOT, Server, command, ended, serving, until


def post(server: Server, path: str) -> requests.Response:
    return server.session().post(server.url + path, allow_redirects=False)


def make_room(server: Server) -> None:
    assert server.process is not None
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def files_at_most(server: Server, size: int) -> Iterator[None]:
    """Let no file of the server grow beyond `size` bytes, as on a full disk: a write is cut there, the next fails."""
    assert server.process is not None
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)


def builds_still(server: Server, name: str = "ordinary") -> None:
    """An ordinary job is still built."""
    client = server.client()
    client.create_job(name, shell("true").decode())
    client.build_job(name)
    assert ended(client, name)["result"] == "SUCCESS"


@pytest.mark.parametrize("delay", ["", "?delay=999999999sec"])
def test_an_endless_quiet_period_stops_no_executor(fresh: Server, delay: str) -> None:
    client = fresh.client()
    for number in range(3):
        client.create_job(f"calm-{number}", shell("true", quiet=99999999999).decode())
        assert post(fresh, f"job/calm-{number}/build{delay}").status_code == 201
    builds_still(fresh)


def test_a_build_waits_for_room_for_its_number(fresh: Server) -> None:
    client = fresh.client()
    client.create_job("one", shell("true", quiet=1).decode())
    session = fresh.session()
    assert session.post(f"{fresh.url}job/one/build").status_code == 201
    with files_at_most(fresh, 0):
        until(lambda: "No space" in why(session, fresh) or "too large" in why(session, fresh))
        assert not client.get_job_info("one")["builds"]
    assert ended(client, "one")["result"] == "SUCCESS"
    builds_still(fresh)


def why(session: requests.Session, server: Server) -> str:
    return " ".join(str(item["why"]) for item in session.get(f"{server.url}queue/api/json").json()["items"])


def test_a_trigger_that_is_not_on_disk_is_not_accepted_and_harms_no_other(fresh: Server) -> None:
    client, session = fresh.client(), fresh.session()
    for number in range(4):
        client.create_job(f"j{number}", shell("true").decode())
    session.post(f"{fresh.url}quietDown")
    assert session.post(f"{fresh.url}job/j0/build").status_code == 201
    journal = fresh.home / "queue.journal"
    with files_at_most(fresh, journal.stat().st_size + 10):
        for _ in range(2):
            refused = session.post(f"{fresh.url}job/j1/build")
            assert refused.status_code == 503 and refused.headers["Retry-After"]
    assert session.post(f"{fresh.url}job/j2/build").status_code == 201
    fresh.kill()
    fresh.start()
    client = fresh.client()
    for job in ("j0", "j2"):
        assert ended(client, job)["result"] == "SUCCESS"
    assert not client.get_job_info("j1")["builds"]


def test_a_job_that_finds_no_room_is_refused_as_such(fresh: Server) -> None:
    session = fresh.session()
    with files_at_most(fresh, 0):
        answer = session.post(f"{fresh.url}createItem?name=x", data=shell("true"))
        assert answer.status_code == 503
    assert session.get(f"{fresh.url}job/x/api/json").status_code == 404
    builds_still(fresh, "x")


def test_a_change_that_finds_no_room_changes_nothing_and_one_that_was_accepted_stays(fresh: Server) -> None:
    client, session = fresh.client(), fresh.session()
    url = f"{fresh.url}job/x/config.xml"
    client.create_job("x", shell("first").decode())
    journal = fresh.home / "configurations.journal"
    with files_at_most(fresh, journal.stat().st_size + 300):
        for _ in range(2):
            refused = session.post(url, data=shell("refused" * 20))
            assert refused.status_code == 503 and refused.headers["Retry-After"] and refused.headers["X-Error"]
        assert session.get(url).content == shell("first")
        # Room is made by removing something.
        client.create_job("y", "<project/>")
        assert session.post(f"{fresh.url}job/y/doDelete", allow_redirects=False).status_code == 302
    assert session.post(url, data=shell("accepted")).status_code == 200
    fresh.kill()
    (fresh.home / "jobs" / "x" / "config.xml").write_bytes(b"")  # as a power cut may leave what was not synced
    fresh.start()
    assert fresh.client().get_job_config("x").encode() == shell("accepted")
    assert {job["name"] for job in fresh.client().get_jobs()} == {"x"}


@pytest.mark.parametrize("killed", [False, True])
def test_a_server_starts_on_a_full_disk_and_goes_on_when_there_is_room(
    fresh: Server, tmp_path: Path, killed: bool
) -> None:
    client = fresh.client()
    mark = tmp_path / "began"
    client.create_job("old", shell("true").decode())
    client.build_job("old")
    assert ended(client, "old")["result"] == "SUCCESS"
    client.create_job("cut-off", shell(f"touch {mark}; exec sleep 60").decode())
    client.build_job("cut-off")
    until(mark.exists)
    session = fresh.session()
    session.post(f"{fresh.url}quietDown")
    assert post(fresh, "job/old/build").status_code == 201
    fresh.kill() if killed else fresh.stop()
    fresh.full = True
    fresh.start()
    client = fresh.client()
    # What is there is read.
    assert "Finished: SUCCESS" in client.get_build_console_output("old", 1)
    assert {job["name"] for job in client.get_jobs()} == {"old", "cut-off"}
    # What is new is refused, with the cause.
    for path in ("createItem?name=new", "job/old/config.xml", "job/cut-off/build"):
        refused = session.post(fresh.url + path, data=shell("new"), allow_redirects=False)
        assert refused.status_code == 503 and refused.headers["X-Error"], path
    assert session.get(f"{fresh.url}job/cut-off/api/json").json()["builds"][0]["number"] == 1
    make_room(fresh)
    assert ended(client, "old", 2)["result"] == "SUCCESS", "what waited before is built"
    until(lambda: "<result>ABORTED" in (fresh.home / "jobs/cut-off/builds/1/build.xml").read_text())
    if killed:
        console = client.get_build_console_output("cut-off", 1)
        assert console.count("The server died while this build ran") == 1 and console.endswith("Finished: ABORTED\n")
    fresh.full = False
    builds_still(fresh)


def test_a_new_home_on_a_full_disk_says_so(tmp_path: Path) -> None:
    words = [*PROGRAM, "serve", "--home", str(tmp_path / "home"), "--port", "0"]
    words = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *words]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "File too large" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.root
@pytest.mark.parametrize("made", [True, False])
def test_a_home_that_is_read_only_is_named_in_one_line(tmp_path: Path, made: bool) -> None:
    place, home = tmp_path / "mounted", tmp_path / "mounted" / "home"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=True)
    try:
        if made:
            with serving(home):
                pass
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        done = command("serve", "--home", str(home), "--port", "0")
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr.splitlines()[0] and str(home) in done.stderr.splitlines()[0]
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.root
def test_a_home_that_becomes_read_only_is_read_and_what_was_accepted_is_built_later(tmp_path: Path) -> None:
    disk, place = tmp_path / "disk", tmp_path / "mounted"
    place.mkdir()
    with disk.open("wb") as stream:
        stream.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(disk)], check=True)
    mount = ["mount", "-o", "loop", str(disk), str(place)]
    subprocess.run(mount, check=True)
    server = Server(place / "home")
    try:
        server.start()
        client, session = server.client(), server.session()
        go = tmp_path / "go"
        client.create_job("runs", shell(f"echo began; while [ ! -e {go} ]; do sleep 0.05; done; echo on").decode())
        client.create_job("waits", shell("true").decode())
        client.build_job("runs")
        console = f"{server.url}job/runs/1/consoleText"
        until(lambda: "began" in session.get(console).text)
        session.post(f"{server.url}quietDown")
        client.build_job("waits")
        subprocess.run(["mount", "-o", "remount,abort", str(place)], check=True)  # as the kernel does after an error
        for path in ("createItem?name=new", "job/waits/config.xml", "job/runs/build", "job/waits/doDelete"):
            refused = session.post(server.url + path, data=shell("new"), allow_redirects=False)
            assert refused.status_code == 503 and "Read-only" in refused.headers["X-Error"], path
        go.touch()
        assert ended(client, "runs")["result"] == "FAILURE"
        assert server.process is not None
        server.process.terminate()
        assert server.process.wait(20) == 128 + signal.SIGTERM
        subprocess.run(["umount", str(place)], check=True)
        assert subprocess.run(["e2fsck", "-fp", str(disk)], capture_output=True).returncode in (0, 1)
        subprocess.run(mount, check=True)
        server.start()
        client = server.client()
        assert ended(client, "waits")["result"] == "SUCCESS"
        assert client.get_build_info("runs", 1)["result"] == "ABORTED"
    finally:
        server.stop()
        subprocess.run(["umount", str(place)], check=True)


def test_a_build_that_met_the_full_disk_fails_with_the_cause(fresh: Server, tmp_path: Path) -> None:
    client = fresh.client()
    go = tmp_path / "go"
    client.create_job("talks", shell(f"while [ ! -e {go} ]; do sleep 0.05; done; seq 100; sleep 0.2; seq 100").decode())
    client.build_job("talks")
    until(lambda: (fresh.home / "jobs/talks/builds/1/log").exists())
    with files_at_most(fresh, 0):
        go.touch()
        assert ended(client, "talks")["result"] == "FAILURE"
    until(lambda: "<result>FAILURE" in (fresh.home / "jobs/talks/builds/1/build.xml").read_text())
    console = client.get_build_console_output("talks", 1)
    assert "File too large" in console and console.endswith("Finished: FAILURE\n")
    fresh.kill()
    fresh.start()
    assert fresh.client().get_build_info("talks", 1)["result"] == "FAILURE"
    builds_still(fresh)


@pytest.mark.parametrize(
    "line",
    ["[1, 2]", "7", "null", "{}", '{"add": {"id": "x"}}', '{"add": 5}', '{"start": "one"}', "\0\0\0\0", '"\xff'],
    ids=lambda line: line.strip("\0")[:12] or "zeros",
)
def test_a_line_of_the_journal_that_says_nothing_keeps_the_server_from_nothing(tmp_path: Path, line: str) -> None:
    with serving(tmp_path / "home") as server:
        client = server.client()
        client.create_job("one", shell("true").decode())
        server.session().post(f"{server.url}quietDown")
        client.build_job("one")
        server.kill()
        with (server.home / "queue.journal").open("ab") as stream:
            stream.write(line.encode("latin-1") + b"\n")
        server.start()
        assert ended(server.client(), "one")["result"] == "SUCCESS"
        assert line.encode("latin-1") in (server.home / "queue.journal.damaged").read_bytes()


def test_a_folder_is_not_renamed_while_a_child_builds_and_what_waits_comes_along(fresh: Server) -> None:
    client, session = fresh.client(), fresh.session()
    client.create_job("team", "<com.cloudbees.hudson.plugins.folder.Folder/>")
    client.create_job("team/busy", shell("sleep 30").decode())
    client.create_job("team/next", shell("true").decode())
    client.build_job("team/busy")
    until(lambda: client.get_job_info("team/busy")["builds"])
    answer = session.post(f"{fresh.url}job/team/doRename?newName=crew")
    assert answer.status_code == 400 and "busy" in answer.headers["X-Error"]
    client.stop_build("team/busy", 1)
    assert ended(client, "team/busy")["result"] == "ABORTED"
    session.post(f"{fresh.url}quietDown")
    client.build_job("team/next")
    assert session.post(f"{fresh.url}job/team/doRename?newName=crew", allow_redirects=False).status_code == 302
    fresh.kill()
    fresh.start()
    assert ended(fresh.client(), "crew/next")["result"] == "SUCCESS"


def test_the_health_of_what_works_in_the_background_is_shown(fresh: Server) -> None:
    rows = fresh.session().get(f"{fresh.url}computer/api/json?tree=workers[name,alive,trouble]").json()["workers"]
    assert {"executor 0", "executor 1", "configurations", "timers", "poller 0"} <= {row["name"] for row in rows}
    assert all(row["alive"] and not row["trouble"] for row in rows)


@contextmanager
def files_left(server: Server, count: int) -> Iterator[None]:
    """Let the server open so many more files and no further one."""
    assert server.process is not None
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    opened = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = [number for number in range(len(opened) + count + 1) if number not in opened]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[count], before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count", [2, 6, 10])
def test_a_build_for_which_there_are_no_files_to_open_waits_for_them(fresh: Server, count: int) -> None:
    session = fresh.session()
    session.post(f"{fresh.url}createItem?name=one", data=shell("true", quiet=1)).raise_for_status()
    session.post(f"{fresh.url}job/one/build").raise_for_status()
    with files_left(fresh, count):
        until(lambda: "Too many open files" in why(session, fresh))
    assert ended(fresh.client(), "one")["result"] == "SUCCESS"


def test_a_server_without_a_file_to_open_says_so_and_loses_nothing_that_it_took(fresh: Server) -> None:
    session = fresh.session()
    artifact = "<hudson.tasks.ArtifactArchiver><artifacts>a</artifacts></hudson.tasks.ArtifactArchiver>"
    session.post(
        f"{fresh.url}createItem?name=ordinary", data=shell("echo a > a", publishers=artifact)
    ).raise_for_status()
    session.post(f"{fresh.url}job/ordinary/build").raise_for_status()
    ended(fresh.client(), "ordinary")
    with files_left(fresh, 0):
        asked = [
            session.get(f"{fresh.url}job/ordinary/config.xml"),
            session.get(f"{fresh.url}job/ordinary/1/artifact/a"),
            session.post(f"{fresh.url}createItem?name=other", data=shell("true")),
            session.post(f"{fresh.url}job/ordinary/config.xml", data=shell("false")),
        ]
    for answer in asked:
        assert answer.status_code == 503 and "Too many open files" in answer.text, (answer.request.url, answer.text)
        assert answer.headers["Retry-After"] == "10"
    names = session.get(f"{fresh.url}api/json?tree=jobs[name]").json()["jobs"]
    assert [job["name"] for job in names] == ["ordinary"]
    assert "echo a" in session.get(f"{fresh.url}job/ordinary/config.xml").text
    assert session.get(f"{fresh.url}job/ordinary/1/artifact/a").text == "a\n"
