"""Connections to one server: kept for the next request, made over a proxy and TLS as the environment says."""

from __future__ import annotations

import os
import select
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from sluicegate.errors import RemoteUnavailable, UsageError
from sluicegate.tools.answers import Busy, reason
from sluicegate.tools.credentials import Login, Secret
from sluicegate.tools.wire import Wire

if TYPE_CHECKING:
    import ssl

CERTIFICATES = {
    10: "it has expired: have it renewed, or set this machine's clock",
    62: "it is of another name: correct the 'url', or the certificate",
}
"""What helps, by OpenSSL's number of what is wrong with a certificate."""


class Connections:
    """The connections to the server of a URL, for any number of threads."""

    def __init__(self, parts: SplitResult, timeout: float) -> None:
        self._parts = parts
        self._shown = parts.geturl()
        self._timeout = timeout
        self._free: list[Wire] = []
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._found_proxy: tuple[Proxy | None] | None = None

    def lease(self) -> Wire:
        while True:
            with self._lock:
                wire = self._free.pop() if self._free else None
            if wire is None:
                return self._connect()
            if not select.select([wire.socket], [], [], 0)[0]:
                return wire
            wire.close()  # the server has closed it, or says something that nobody asked for

    def give_back(self, wire: Wire) -> None:
        """Keep a connection that can serve another request, and close any other."""
        if wire.idle:
            with self._lock:
                self._free.append(wire)
        else:
            wire.close()

    def _connect(self) -> Wire:
        host, secure = self._parts.hostname or "", self._parts.scheme == "https"
        port = self._parts.port or (443 if secure else 80)
        proxy = self.proxy()
        connected: socket.socket | None = None
        try:
            goal = (proxy.host, proxy.port) if proxy else (host, port)
            try:
                connected = socket.create_connection(goal, timeout=self._timeout)
            except OSError as problem:
                if proxy:
                    raise proxy.unreachable(problem) from problem
                raise
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure and proxy:
                _tunnel(connected, proxy, host, port)
            if secure:
                self._context = self._context or _trust()
                connected = self._context.wrap_socket(connected, server_hostname=host)
            return Wire(connected)
        except OSError as problem:
            if connected is not None:
                connected.close()
            raise self._unreachable(problem) from problem

    def _unreachable(self, problem: OSError) -> RemoteUnavailable:
        if type(problem).__name__ == "SSLCertVerificationError":
            code = getattr(problem, "verify_code", 0)
            return RemoteUnavailable(
                f"{self._shown} shows a certificate that is not trusted: {getattr(problem, 'verify_message', '')}",
                hint=CERTIFICATES.get(code, "for a private authority set SSL_CERT_FILE to its certificate"),
            )
        return Busy(f"{self._shown} cannot be reached: {reason(problem)}")

    def proxy(self) -> Proxy | None:
        """What the environment says once; a request asks three times, and looking there costs more than a request."""
        if self._found_proxy is None:
            self._found_proxy = (self._look_for_proxy(),)
        return self._found_proxy[0]

    def _look_for_proxy(self) -> Proxy | None:
        scheme = self._parts.scheme
        if not any(name.lower() in (f"{scheme}_proxy", "all_proxy") for name in os.environ):
            return None
        from urllib.request import getproxies, proxy_bypass

        found = getproxies()
        address = found.get(scheme) or found.get("all")
        if not address or proxy_bypass(self._parts.netloc.rpartition("@")[2]):
            return None
        names = (name for name, value in os.environ.items() if value == address and name.lower().endswith("_proxy"))
        return Proxy.read(address, next(names, "the environment"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    host: str
    port: int
    named: str
    authorization: Secret | None = None

    @classmethod
    def read(cls, address: str, named: str) -> Proxy:
        """The proxy of a variable. The address is not shown: it may hold a password."""
        wrong = UsageError(f"the proxy in {named} is not of the form http://host:port")
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            port = parts.port or 80
        except ValueError:
            raise wrong from None
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise wrong
        login = Login(unquote(parts.username), Secret(unquote(parts.password or ""))) if parts.username else None
        known = Secret(login.basic()) if login else None
        return cls(host=parts.hostname, port=port, named=named, authorization=known)

    def unreachable(self, problem: OSError) -> Busy:
        return Busy(
            f"the proxy {self.host}:{self.port}, which {self.named} names, cannot be reached: {reason(problem)}",
            hint=f"correct {self.named}, or name the server in no_proxy",
        )


def _tunnel(connected: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Have the proxy connect to an https server. Read byte by byte: what follows belongs to TLS."""
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    lines += [f"Proxy-Authorization: {proxy.authorization.reveal()}"] if proxy.authorization else []
    connected.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    answer = b""
    while not answer.endswith(b"\r\n\r\n") and len(answer) < 1 << 16:
        if not (byte := connected.recv(1)):
            break
        answer += byte
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise OSError(f"the proxy {proxy.host}:{proxy.port} answered {answer[:100].decode('latin-1').splitlines()[:1]}")


def _trust() -> ssl.SSLContext:
    """The system's authorities or SSL_CERT_FILE's, and those of the variables that requests, curl and AWS know."""
    import ssl

    context = ssl.create_default_context()
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"):
        if place := os.environ.get(variable):
            folder = os.path.isdir(place)
            context.load_verify_locations(cafile=None if folder else place, capath=place if folder else None)
    return context
