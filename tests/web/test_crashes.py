"""What a crash leaves, and two servers on one home."""

from __future__ import annotations

import time
from pathlib import Path

from sluicegate.runner import processes
from sluicegate.tools import process
from tests.runner.conftest import shell
from tests.web.conftest import Server, command, ended, serving, until


def running(mark: str) -> list[int]:
    """The processes `sleep MARK`, by the numbers that they have outside a sandbox."""
    line = f"sleep {mark}"
    return [pid for pid in processes.pids() if process.command_line(pid) == line and processes.alive(pid)]


def test_after_kill_9_waiting_builds_run_and_running_ones_are_marked(tmp_path: Path) -> None:
    mark = f"60.{time.time_ns()}"
    with serving(tmp_path / "home", "--executors", "3") as server:
        client, session = server.client(), server.session()
        for number in (1, 2, 3):
            client.create_job(f"run-{number}", shell(f"touch {tmp_path}/{number}; exec sleep {mark}").decode())
            client.build_job(f"run-{number}")
        until(lambda: all((tmp_path / str(n)).exists() for n in (1, 2, 3)) and len(running(mark)) == 3)
        for number in (1, 2):
            client.create_job(f"wait-{number}", shell("true").decode())
        answers = [session.post(f"{server.url}job/wait-{number}/build") for number in (1, 2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        server.kill()

        server.start()
        client = server.client()
        for number in (1, 2):
            assert ended(client, f"wait-{number}")["result"] == "SUCCESS"
        for number in (1, 2, 3):
            info = ended(client, f"run-{number}")
            assert info["result"] == "ABORTED"
            console = client.get_build_console_output(f"run-{number}", 1)
            assert "The server died while this build ran" in console and console.endswith("Finished: ABORTED\n")
        assert not running(mark), "the dead server's builds must not go on"
        item = client.build_job("wait-1")
        assert item > 5
        assert ended(client, "wait-1", 2)["number"] == 2


def test_an_ordinary_stop_keeps_the_queue_and_aborts_builds(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--executors", "1") as server:
        client = server.client()
        client.create_job("slow", shell("sleep 60").decode())
        client.create_job("next", shell("true").decode())
        client.build_job("slow")
        until(lambda: client.get_job_info("slow")["builds"])
        client.build_job("next")
        server.stop()
        server.start()
        client = server.client()
        assert ended(client, "slow")["result"] == "ABORTED"
        assert ended(client, "next")["result"] == "SUCCESS"


def test_tokens_sessions_and_crumbs_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--port", "0") as server:
        client, token = server.client(), server.token()
        client.create_job("before", "<project/>")
        server.kill()
        server.start()
        client.server = server.url
        client.create_job("after", "<project/>")
        assert server.token() != token
        assert client.get_jobs()[0]["name"] == "after"


def test_a_second_server_on_one_home_ends_and_names_the_holder(fresh: Server) -> None:
    done = command("serve", "--home", str(fresh.home), "--port", "0")
    assert done.returncode == 4
    assert fresh.process is not None
    assert f"process {fresh.process.pid}" in done.stderr and fresh.url in done.stderr


def test_a_taken_port_is_a_usage_error_and_leaves_the_home_alone(fresh: Server, tmp_path: Path) -> None:
    port = fresh.url.rstrip("/").rpartition(":")[2]
    done = command("serve", "--home", str(tmp_path / "other"), "--port", port)
    assert done.returncode == 2 and "cannot listen" in done.stderr
    assert not (tmp_path / "other").exists()
