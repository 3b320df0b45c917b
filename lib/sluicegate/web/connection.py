"""One HTTP connection with an end to each wait: nobody holds a place by silence, or by a byte a second.

And one reading of each head: what a proxy before us may understand in another way would smuggle a request in.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""How long a connection may take to send a request's head, from its start or from the answer before."""
HEAD_BYTES = 64 << 10
"""How long a head, a chunk's first line or all trailers may be."""
WRITE_SECONDS = 60.0
"""How long a client may leave an answer untaken."""
MOST = 4000
"""Connections at a time; beyond, the longest idle one goes for the newest, else who sends his body the longest."""

ENDS = re.compile(rb"\n(content[-_]length|transfer[-_]encoding)[ \t]*:([^\r\n]*)", re.IGNORECASE)
"""The lines of a head that say where its body ends, or that somebody takes for such."""


class Heads(h11.Connection):
    """Refuses what h11 takes: a length that is said twice or by a list, even where both are equal, and bent lines.

    And sends an answer's head along with what comes next: uvloop writes at once, and each write wakes the client.
    """

    _held: Sequence[bytes] = ()

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        parts = super().send_with_data_passthrough(event)
        if isinstance(event, h11.Response):
            self._held = parts or ()
            return []
        if self._held and parts is not None:
            parts, self._held = [*self._held, *parts], ()
        return parts

    def next_event(self) -> Any:
        idle = self.their_state is h11.IDLE
        before = self.trailing_data[0] if idle else b""
        event = super().next_event()
        if isinstance(event, h11.Request):
            head = before[: len(before) - len(self.trailing_data[0])]
            ends = ENDS.findall(head)
            if _is_bent(head) or len(ends) > 1 or any(b"_" in name or b"," in value for name, value in ends):
                raise h11.RemoteProtocolError("the request says twice where it ends, or not plainly")
            if event.http_version != b"1.1" and any(name[:1] in b"Tt" for name, _ in ends):
                raise h11.RemoteProtocolError("chunks are of HTTP/1.1 alone")
        if isinstance(event, h11.EndOfMessage) and event.headers:
            raise h11.RemoteProtocolError("fields after a body are not read, and others may end them elsewhere")
        return event


def _is_bent(head: bytes) -> bool:
    """Whether a line ends by LF alone, or is continued by the next one."""
    return head.count(b"\n") != head.count(b"\r\n") or b"\n " in head or b"\n\t" in head


class Waiting(Protocol):
    """A connection whose client is waited for."""

    def abort(self) -> None: ...


class Connection(H11Protocol):
    """uvicorn's connection with limits of time for heads, idling and answers (the body's stands in body.py)."""

    idle: ClassVar[dict[Waiting, None]] = {}
    """The connections of this process that are between two requests or in a handshake, the longest idle first."""
    sending: ClassVar[dict[Waiting, None]] = {}
    """Those of which the rest of a body is awaited, the oldest request first."""
    most: ClassVar[int] = MOST
    """How many of them there may be, where fewer files may be open."""
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _said_all: bool = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = Heads(h11.SERVER, HEAD_BYTES)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        make_room(self, len(self.connections))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        self.sending.pop(self, None)
        self._cancel_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_asked():
            self._head_is_there()
        self._note_body()

    def _note_body(self) -> None:
        """Whether the client owes the rest of a body."""
        if self._is_asked() and self.cycle.more_body:
            self.sending.setdefault(self)
        else:
            self.sending.pop(self, None)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Who ends his side of the connection may still read: what he asked is answered first. (TLS has no halves.)"""
        self._said_all = True
        return self.scheme == "http" and self._is_asked() and not self.cycle.more_body

    def _is_asked(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def on_response_complete(self) -> None:
        self._await_head()
        super().on_response_complete()
        if self._is_asked():
            self._head_is_there()  # the next request was sent along with the one before
        elif self._said_all:
            self.transport.close()
        self._note_body()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cancel_write_timer()
        self._write_timer = self.loop.call_later(WRITE_SECONDS, self.abort)

    def resume_writing(self) -> None:
        self._cancel_write_timer()
        super().resume_writing()

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        self.idle.pop(self, None)
        self.sending.pop(self, None)
        if self.transport is not None:
            self.transport.abort()

    def _await_head(self) -> None:
        self._head_is_there()
        self.idle[self] = None
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.abort)

    def _head_is_there(self) -> None:
        self.idle.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def make_room(newest: Waiting, connections: int) -> None:
    """Where there are too many connections, close the one whose client is waited for the longest, else the newest."""
    if connections > Connection.most:
        next((waiting for places in (Connection.idle, Connection.sending) for waiting in places), newest).abort()
