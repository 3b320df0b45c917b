"""TLS: the server's certificate, which is taken anew while it runs, and handshakes, which hold no place for long."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.web.connection import HEAD_SECONDS, Connection, make_room

CLOSING_SECONDS = 2.0
"""How long a client may take to agree that the connection is closed."""

log = logging.getLogger(__name__)


class Certificate:
    """A certificate and its key (PEM). Raises UsageError for files that cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate, self.key = certificate, key
        self.context = self._read()

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ssl.SSLError) as problem:
            message = f"the certificate {self.certificate} with the key {self.key} cannot be used: {problem}"
            raise UsageError(message) from problem
        return context

    def renew(self) -> None:
        """Take the files as they are now for new connections; what cannot be used leaves the one from before."""
        try:
            self.context = self._read()
        except SluicegateError as problem:
            log.error("%s; the one from before stays until SIGHUP comes again", problem.message)
        else:
            log.warning("the certificate %s was read anew", self.certificate)

    def protocol(self, **options: Any) -> Handshake:
        """What a new connection begins with."""
        return Handshake(self.context, lambda: Connection(**options))


def certificate_of(certificate: Path | None, key: Path | None) -> Certificate | None:
    """Both files of a certificate, or none. Raises UsageError for one alone, and for files that do not fit together."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--tls-cert and --tls-key belong together")
    return Certificate(certificate, key)


def _no_password() -> str:
    """Else OpenSSL asks at the terminal, which a service has none of."""
    raise UsageError(
        "the key of --tls-key is encrypted", hint="openssl pkey -in KEY -out PLAIN.pem, and chmod 600 PLAIN.pem"
    )


class Handshake(asyncio.Protocol):
    """A connection until both sides agree on TLS. It counts as an idle one, and goes for a newer one like these.

    asyncio's own way (`create_server(ssl=...)`) tells nobody of a connection before its handshake has ended.
    """

    def __init__(self, context: ssl.SSLContext, agreed: Callable[[], Connection]) -> None:
        self.context = context
        self.connection = agreed()
        self._early: list[bytes] = []
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.connection.connections.add(self)  # type: ignore[arg-type]
        Connection.idle[self] = None
        make_room(self, len(self.connection.connections))
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._agree(loop))
        # Its first step puts TLS in our place; one turn of the loop later that has begun, and nothing was read since.
        loop.call_soon(loop.call_soon, self._pass_on)

    async def _agree(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the handshake, and hand the connection over with what the client sent right behind it."""
        encrypted: asyncio.Transport | None = None
        try:
            encrypted = await loop.start_tls(
                self.transport,
                self,
                self.context,
                server_side=True,
                ssl_handshake_timeout=HEAD_SECONDS,
                ssl_shutdown_timeout=CLOSING_SECONDS,
            )
        except OSError:
            self.transport.abort()
        finally:
            Connection.idle.pop(self, None)
            self.connection.connections.discard(self)
        if encrypted is None or self._is_lost or encrypted.is_closing():
            self.transport.abort()
            return
        encrypted.set_protocol(self.connection)
        self.connection.connection_made(encrypted)
        for part in self._early:
            self.connection.data_received(part)

    def _pass_on(self) -> None:
        """Give TLS what came before it was in our place; what comes to us from now on it has decrypted."""
        early, self._early = b"".join(self._early), []
        encrypting = self.transport.get_protocol()
        while early and encrypting is not self:
            # uvloop's has the methods of a BufferedProtocol, but is none by class.
            encrypting = cast(asyncio.BufferedProtocol, encrypting)
            room = memoryview(encrypting.get_buffer(len(early)))
            part = early[: len(room)]
            room[: len(part)] = part
            encrypting.buffer_updated(len(part))
            early = early[len(part) :]

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self.connection.transport is not None:
            self.connection.connection_lost(exc)

    def abort(self) -> None:
        Connection.idle.pop(self, None)
        self.transport.abort()

    def shutdown(self) -> None:
        """uvicorn asks it when the server ends."""
        self.abort()
