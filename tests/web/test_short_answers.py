"""What a job is called, or that there is none, comes from memory: `jenkins-jobs update` asks it again and again."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import h11
import pytest
from starlette.types import Message

from sluicegate.runner.service import Runner
from sluicegate.runner.triggers import Triggers
from sluicegate.tools import beneath
from sluicegate.web.app import READERS, Application
from sluicegate.web.connection import Heads
from sluicegate.web.routes import Routes

FOLDER = b"<com.cloudbees.hudson.plugins.folder.Folder/>"


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path / "home", url="http://127.0.0.1:8080/")
    runner.users.create("admin")
    runner.items.create("", "one", b"<project/>")
    runner.items.create("", "team", FOLDER)
    runner.items.create("team", "inner", b"<project/>")
    try:
        yield runner
    finally:
        runner.stop()


@pytest.fixture
def application(runner: Runner) -> Application:
    return Application(Routes(runner, Triggers(runner)), hosts=frozenset())


async def ask(application: Application, path: str, query: str) -> tuple[int, bytes]:
    """Status and body of a GET by an administrator's token."""
    users = application.users
    token = users.new_token("admin", "test")["tokenValue"]
    users.login("admin", token)
    login = b"Basic " + b64encode(f"admin:{token}".encode())
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1:8080"), (b"authorization", login)],
        "client": ("127.0.0.1", 4000),
    }
    answer: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answer.append(message)

    await application(scope, receive, send)
    return answer[0]["status"], answer[1]["body"]


def test_a_job_is_known_while_all_readers_wait(application: Application, runner: Runner) -> None:
    job = runner.items.needed("one")
    hold, held = threading.Event(), threading.Event()

    def keep() -> None:
        with job.history._lock:  # as while a build's record is written to a disk that hangs
            held.set()
            hold.wait(30)

    keeper = threading.Thread(target=keep)
    keeper.start()
    assert held.wait(10)

    async def busy() -> list[tuple[int, bytes]]:
        waiting = [asyncio.create_task(ask(application, "/job/one/api/json", "depth=0")) for _ in range(READERS)]
        try:
            while application.readers.borrowed_tokens < READERS:
                await asyncio.sleep(0.01)
            places = ("/job/one", "/job/none", "/job/team/job/inner", "/job/team/job/none", "/job/none/job/inner")
            async with asyncio.timeout(10):
                return [await ask(application, f"{place}/api/json", "tree=name") for place in places]
        finally:
            hold.set()
            await asyncio.gather(*waiting)

    answers = asyncio.run(busy())
    keeper.join(10)
    assert [status for status, _ in answers] == [200, 404, 200, 404, 404]
    assert answers[0][1] == b'{"_class":"hudson.model.FreeStyleProject","name":"one"}'


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/job/unread/api/json", "tree=name"),
        ("/job/team/api/json", "tree=name"),
        ("/job/one/api/json", "tree=name,color"),
        ("/job/one/api/json", "tree=*"),
        ("/job/one/api/json", "depth=0"),
        ("/job/one/api/json", ""),
        ("/job/one/api/xml", "tree=name"),
        ("/job/one/config.xml", "tree=name"),
        ("/api/json", "tree=name"),
        ("/view/all/api/json", "tree=name"),
        ("/job/one" * 51 + "/api/json", "tree=name"),
    ],
)
def test_what_may_read_a_file_or_wait_has_a_thread(
    application: Application, runner: Runner, monkeypatch: pytest.MonkeyPatch, path: str, query: str
) -> None:
    runner.items.create("", "unread", b"<project/>")
    runner.items.by_name["unread"]._config = None  # as after a start
    threads: list[str] = []
    answer = application.routes.answer
    monkeypatch.setattr(
        application.routes, "answer", lambda call: (threads.append(threading.current_thread().name), answer(call))[1]
    )
    asyncio.run(ask(application, path, query))
    assert threads == ["AnyIO worker thread"]


def test_a_short_answer_reads_no_file(
    application: Application, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a file is read")

    monkeypatch.setattr(beneath, "read", refused)
    monkeypatch.setattr(beneath, "reading", refused)
    for query in ("tree=name", "tree=name,url,fullName"):
        assert asyncio.run(ask(application, "/job/team/job/inner/api/json", query))[0] == 200


@pytest.mark.parametrize(
    ("method", "headers", "body", "end"),
    [
        (b"GET", [(b"content-length", b"2")], b"ok", b"\r\n\r\nok"),
        (b"HEAD", [(b"content-length", b"2")], b"", b"\r\n\r\n"),
        (b"GET", [], b"ok", b"\r\n\r\n2\r\nok\r\n"),
    ],
)
def test_an_answer_goes_out_in_one_write(
    method: bytes, headers: list[tuple[bytes, bytes]], body: bytes, end: bytes
) -> None:
    heads = Heads(h11.SERVER)
    heads.receive_data(method + b" / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert isinstance(heads.next_event(), h11.Request)
    assert isinstance(heads.next_event(), h11.EndOfMessage)
    writes = [heads.send(event) for event in (h11.Response(status_code=200, headers=headers), h11.Data(data=body))]
    assert writes[0] == b"" and writes[1] is not None
    assert writes[1].startswith(b"HTTP/1.1 200") and writes[1].endswith(end)
    heads.send(h11.EndOfMessage())
    heads.start_next_cycle()
    heads.receive_data(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert [type(heads.next_event()) for _ in range(2)] == [h11.Request, h11.EndOfMessage]
    assert heads.send(h11.Response(status_code=200, headers=[])) == b""
    assert (heads.send(h11.Data(data=b"two")) or b"").count(b"HTTP/1.1") == 1
