"""Many small HTTP servers and many logged-in users, all in one thread's event loop: what a rollout is proved on."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """One host's application. While it is changed it must not be asked: each such request is an `intrusion`."""

    name: str
    version: str = "1.0.0"
    port: int = 0
    busy: int = 0
    changing: bool = False
    failing: int = 0  # of a hundred answers
    answered: int = 0
    intrusions: int = 0


@dataclass
class User:
    """Somebody with a cookie and a browser, which asks again where a connection that it had kept is closed on it.

    `spans`: how long each answer took, in seconds. `moves`: how old each session was, in seconds, when another version
    answered. `cut`: when requests were begun on a kept connection that ended without a byte of an answer. With `anew`
    each request is made on a connection of its own.
    """

    anew: bool = False
    cookie: str = ""
    version: str = ""
    began: float = 0.0
    spans: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)
    link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, port: int) -> None:
        """Raises what a browser would show: no connection, or one that ended within an answer."""
        if self.link is not None and self.link[0].at_eof():
            self.hang_up()
        if self.link is not None:
            began = time.monotonic()
            try:
                await self._ask(*self.link)
                return
            except (ConnectionError, asyncio.IncompleteReadError) as problem:
                if getattr(problem, "partial", b""):
                    raise
                self.cut.append(began)
                self.hang_up()
        self.link = await asyncio.open_connection("127.0.0.1", port)
        await self._ask(*self.link)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await _visit(self, reader, writer) or self.anew:
            self.hang_up()

    def hang_up(self) -> None:
        if self.link is not None:
            self.link[1].close()
        self.link = None


class Crowd:
    """The servers by the name of their host, and the users of one address."""

    def __init__(self, names: Sequence[str]) -> None:
        self.servers: Mapping[str, Server] = {name: Server(name) for name in names}
        self.users: list[User] = []
        self.loop = asyncio.new_event_loop()
        self.closing = False
        self._tasks: list[asyncio.Task[None]] = []

    @contextmanager
    def serving(self, at: Mapping[str, str]) -> Iterator[Mapping[str, int]]:
        """The servers listen, each on its address; gives the port of each."""
        thread = threading.Thread(target=self.loop.run_forever)
        thread.start()
        try:
            self._run(self._listen(at))
            yield {name: server.port for name, server in self.servers.items()}
        finally:
            self._run(self._end())
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()
            self.loop.close()

    def arrive(self, port: int, users: int, pause: float, *, anew: int = 0) -> None:
        """So many users ask the address again and again, `pause` seconds after each answer; `anew` of them anew."""
        self.users = [User(anew=number < anew) for number in range(users)]

        async def begin() -> None:
            for number, user in enumerate(self.users):
                task = asyncio.create_task(self._visits(user, port, pause, pause * number / users))
                self._tasks.append(task)

        self._run(begin())

    def spans(self) -> list[float]:
        """How long the answers since the last call took."""
        spans = [span for user in self.users for span in user.spans]
        for user in self.users:
            user.spans = []
        return spans

    def leave(self) -> None:
        """The users end what they are doing, and go."""
        self.closing = True
        self._run(asyncio.wait(self._tasks) if self._tasks else asyncio.sleep(0))
        self._tasks.clear()

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=30)  # type: ignore[arg-type]

    async def _listen(self, at: Mapping[str, str]) -> None:
        for server in self.servers.values():
            listening = await asyncio.start_server(
                lambda r, w, s=server: _serve(s, r, w), at[server.name], 0, backlog=200
            )  # type: ignore[misc]
            server.port = listening.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _visits(self, user: User, port: int, pause: float, first: float) -> None:
        await asyncio.sleep(first)
        try:
            while not self.closing:
                try:
                    await asyncio.wait_for(user.ask(port), 20)
                except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as problem:
                    user.lost.append(repr(problem))
                    user.hang_up()
                await asyncio.sleep(pause)
        finally:
            user.hang_up()


async def _serve(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            probing = head.startswith(b"GET /version")
            server.busy += not probing
            server.answered += not probing
            if server.changing and not probing:
                server.intrusions += 1
            broken = not probing and server.answered * server.failing % 100 < server.failing
            body = json.dumps({"version": server.version, "host": server.name}).encode()
            status = b"500 Broken" if broken else b"200 OK"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()
            server.busy -= not probing
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _visit(user: User, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request and its answer; whether the connection stays for another."""
    asked_at = time.monotonic()
    cookie = f"Cookie: SLUICEGATE={user.cookie}\r\n" if user.cookie else ""
    writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{cookie}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    body = json.loads(await reader.readexactly(length) or b"{}")
    if " 200 " not in head.partition("\r\n")[0]:
        user.lost.append(head.partition("\r\n")[0])
        return "connection: close" not in head.lower()
    user.spans.append(time.monotonic() - asked_at)
    if user.version and body["version"] != user.version:
        user.moves.append(time.monotonic() - user.began)
    user.version = body["version"]
    if "set-cookie: SLUICEGATE=" in head:
        cookie = head.partition("set-cookie: SLUICEGATE=")[2].partition(";")[0].strip()
        if _session(cookie) != _session(user.cookie):
            user.began = time.monotonic()
        user.cookie = cookie
    return "connection: close" not in head.lower()


def _session(cookie: str) -> tuple[str, str]:
    """The host, and when the session began, in HAProxy's own words."""
    host, _, times = cookie.partition("|")
    return host, times.rpartition("|")[2]
