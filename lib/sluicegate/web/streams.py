"""Answers of any size in constant memory: a file or a part of it, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from anyio import to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

BLOCK = 256 << 10


class Slice(Response):
    """`size` bytes of an open file from `start` on; the file is closed afterwards."""

    def __init__(
        self, stream: BinaryIO, start: int, size: int, *, headers: Mapping[str, str], status_code: int = 200
    ) -> None:
        super().__init__(None, status_code=status_code, headers={**headers, "content-length": str(size)})
        self.stream = stream
        self.start = start
        self.size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.stream:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            left = 0 if scope["method"] == "HEAD" else self.size
            self.stream.seek(self.start)
            while left and (block := await to_thread.run_sync(self.stream.read, min(BLOCK, left))):
                left -= len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
