"""One HTTP/1.1 connection: heads and bodies over a socket, with `Expect: 100-continue`.

Own because http.client can neither wait for `100 Continue`, so that a refusal would come after 200 MB were sent for
nothing, nor read 300 answers a second without taking the processor from the server beside it.
"""

from __future__ import annotations

import io
import re
import select
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sluicegate.model.numbers import whole

LONGEST_LINE = 1 << 16
MOST_HEADERS = 200
BLOCK = 1 << 18


class BrokenAnswer(OSError):
    """What came is no HTTP, or ended too early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Status, reason and headers of an answer; names of headers in small letters."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Wire:
    """A connection to a server. Not for two threads at once. `idle` is true between two requests."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._reader = io.BufferedReader(connected.makefile("rb", 0), BLOCK)
        self.idle = True
        self.used = False

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def start(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send the head, and a small body with it."""
        self.idle = False
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line break in an HTTP header")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if len(body) > BLOCK:
            self.write(head)  # not one more copy of it
            self.write(body)
        else:
            self.write(head + body)

    def write(self, block: bytes | memoryview) -> None:
        self.socket.sendall(block)

    def early(self, seconds: float) -> Head | None:
        """After a head with `Expect`: None when the body is wanted or nothing comes, else the final answer."""
        pending = getattr(self.socket, "pending", None)
        if not (pending and pending()) and not select.select([self.socket], [], [], seconds)[0]:
            return None
        head = self._head()
        return None if head.status < 200 else head

    def answer(self) -> Head:
        """The final answer's head."""
        while (head := self._head()).status < 200:
            pass
        return head

    def body(self, method: str, head: Head) -> Iterator[bytes]:
        """The answer's body in blocks; to be read to its end before the next request."""
        self.used = True
        if method == "HEAD" or head.status in (204, 304):
            pass
        elif head.headers.get("transfer-encoding", "").lower() == "chunked":
            yield from self._chunks()
        elif "content-length" in head.headers:
            length = whole(head.headers["content-length"])
            if length is None:
                raise BrokenAnswer("the answer's Content-Length is no number")
            yield from self._exactly(length)
        else:
            while block := self._reader.read1(BLOCK):
                yield block
            return
        self.idle = head.headers.get("connection", "").lower() != "close"

    def _exactly(self, left: int) -> Iterator[bytes]:
        while left:
            block = self._reader.read1(min(left, BLOCK))
            if not block:
                raise BrokenAnswer(f"the connection ended {left} bytes too early")
            left -= len(block)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        while True:
            digits = self._line().partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", digits):
                raise BrokenAnswer("a chunk of the answer has no size")
            size = int(digits, 16)
            if size == 0:
                break
            yield from self._exactly(size)
            self._line()
        while self._line():
            pass

    def _line(self) -> bytes:
        line = self._reader.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise BrokenAnswer(
                "the connection ended" if len(line) < LONGEST_LINE else "a line of the answer is too long"
            )
        return line.rstrip(b"\r\n")

    def _head(self) -> Head:
        lines = self._lines()
        version, _, rest = next(lines, "").partition(" ")
        status, _, reason = rest.partition(" ")
        code = whole(status, least=100, most=999)
        if not version.startswith("HTTP/1.") or code is None:
            raise BrokenAnswer("the answer is no HTTP")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
            if len(headers) > MOST_HEADERS:
                raise BrokenAnswer("the answer has too many headers")
        return Head(status=code, reason=reason.strip(), headers=headers)

    def _lines(self) -> Iterator[str]:
        """The lines of a head; in one piece where it came in one, as it nearly always does."""
        end = self._reader.peek().find(b"\r\n\r\n", 0, LONGEST_LINE)
        if end > 0:
            yield from self._reader.read(end + 4)[:-4].decode("latin-1").split("\r\n")
            return
        while line := self._line():
            yield line.decode("latin-1")
