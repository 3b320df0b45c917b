"""Reads the bodies of requests: after the login, within bounds of size, time and of the memory of all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message

from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from sluicegate.errors import UsageError
from sluicegate.model.numbers import whole
from sluicegate.tools import xml
from sluicegate.web import call as calls
from sluicegate.web.call import Call, Refusal

LARGEST = xml.LIMIT + (1 << 20)
"""A config.xml of the largest size, in a form."""
LARGEST_OPEN = 64 << 10
"""What somebody without a login may send: a login form, a hook."""
ROOM = 48 << 20
"""Bytes of all bodies that are in memory at a time."""
SECONDS, SECONDS_OPEN = 120.0, 20.0
"""How long a body may take, with and without a login."""
BRIEF = 64 << 10
"""Bytes of a form that are read at once."""
PATIENCE = 10.0
"""How long a request waits for room."""


class Bodies:
    """The room for bodies, shared by all requests."""

    def __init__(self) -> None:
        self._left = ROOM
        self._freed = asyncio.Condition()
        self._waiting = 0

    @asynccontextmanager
    async def read(self, request: Request, call: Call) -> AsyncIterator[None]:
        """Fill `call.body` and its form; the room is given back at the end. Raises Refusal."""
        size = _announced(request, LARGEST if call.login else LARGEST_OPEN)
        if not size:
            yield
            return
        if self._left >= size:
            self._left -= size
        else:
            await self._wait_for(size)
        try:
            async with asyncio.timeout(SECONDS if call.login else SECONDS_OPEN):
                call.body = await _whole(request, size)
            await _parse(request, call)
            yield
        except TimeoutError:
            raise Refusal(408, "the body came too slowly", headers={"Connection": "close"}) from None
        finally:
            self._left += size
            if self._waiting:
                async with self._freed:
                    self._freed.notify_all()

    async def _wait_for(self, size: int) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE), self._freed:
                await self._freed.wait_for(lambda: self._left >= size)
                self._left -= size
        except TimeoutError:
            raise Refusal(503, "too many large requests at a time", headers={"Retry-After": "10"}) from None
        finally:
            self._waiting -= 1


def _announced(request: Request, most: int) -> int:
    """How many bytes to make room for: the announced length, or the most when there is none (chunks)."""
    if "transfer-encoding" in request.headers:
        return most
    length = whole(request.headers.get("content-length", "0"), most=most)
    if length is None:
        raise Refusal(413, f"at most {most} bytes are read here")
    return length


async def _whole(request: Request, most: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise Refusal(413, f"at most {most} bytes are read here")
    return bytes(body)


async def _parse(request: Request, call: Call) -> None:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        text = call.body.decode("utf-8", "surrogateescape")
        # A large one takes a while, in which others are answered.
        call.form = calls.pairs(text) if len(text) < BRIEF else await to_thread.run_sync(calls.pairs, text)
    elif kind == "multipart/form-data":
        await _multipart(request, call)


async def _multipart(request: Request, call: Call) -> None:
    async def again() -> dict[str, object]:
        return {"type": "http.request", "body": call.body, "more_body": False}

    kind = Message()
    kind["content-type"] = call.headers.get("content-type", "")
    boundary = str(kind.get_boundary(""))
    if boundary and f"--{boundary}--".encode("utf-8", "replace") not in call.body:  # what began is not as it was meant
        raise UsageError("the multipart body is broken: it does not end")
    try:
        form = await Request(request.scope, again).form(max_files=100, max_fields=1000, max_part_size=1 << 20)
    except MultiPartException as problem:
        raise UsageError(f"the multipart body is broken: {problem.message}") from problem
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            if value.filename or content:  # a browser sends an empty part for a file that nobody chose
                call.uploads[name] = (value.filename or name, content)
        else:
            call.form.setdefault(name, value)
