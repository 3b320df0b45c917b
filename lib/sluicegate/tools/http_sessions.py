"""Sessions of `requests` as we want them: patient, with the system's authorities, asking before a large body is sent.

Import it late: requests costs a command five times bare Python.
"""

from __future__ import annotations

import os
import ssl
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util.wait import wait_for_read

from sluicegate.errors import Denied, RemoteUnavailable, SluicegateError, Untrusted, UsageError
from sluicegate.tools.patience import BUSY, TRIES, Patience, certificate, reason, shown

BLOCK = 1 << 20
ASKING = 2.0
"""Seconds for which we wait for a server's word on `Expect: 100-continue`; one that has none gets the body."""
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
CERTIFICATES = {
    10: "it has expired: have it renewed, or set this machine's clock",
    62: "it is of another name: correct the 'url', or the certificate",
}
"""What helps, by OpenSSL's number of what is wrong with a certificate."""


def new_session(
    url: str, *, tries: int = TRIES, environment: bool = True, ca: str = "", proxy: str = ""
) -> requests.Session:
    """A session for the server of `url`, for any number of threads. It keeps no cookies and reads no netrc.

    Without `environment` neither proxies nor authorities come from variables: only `ca` (a file or folder of
    certificates) and `proxy` count. Raises UsageError for a proxy that is none.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "sluicegate"
    session.headers["Accept-Encoding"] = "identity"
    session.proxies = dict(get_environ_proxies(url)) if environment else {"all": proxy} if proxy else {}
    if address := select_proxy(url, session.proxies):
        _check_proxy(address)
    context = (_environments() if environment else _fixed(ca)) if url.startswith("https:") else None
    adapter = Adapter(Patience(total=tries - 1), context)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class Adapter(HTTPAdapter):
    """Blocks of 1 MiB, connections that ask first, and authorities of our choice."""

    def __init__(self, patience: Patience, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_maxsize=16, max_retries=patience)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **settings: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **settings, **self._pools())
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **settings, **self._pools())
        manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave it to the context, which knows the system's authorities and those of the environment."""

    def _pools(self) -> dict[str, Any]:
        return {"blocksize": BLOCK, "ssl_context": self._context}


class _Look(HTTPResponse):
    """An answer whose first line can be looked at before it is read."""

    _first: Any = None

    def look(self) -> int:
        self._first = super()._read_status()  # type: ignore[misc]
        return int(self._first[1])

    def _read_status(self) -> Any:
        first, self._first = self._first, None
        return first or super()._read_status()  # type: ignore[misc]


class _Asking:
    """Sends a body that was announced with `Expect` only when the server wants it.

    So a refusal comes before 200 MB are sent for nothing. http.client does not know `Expect`; urllib3 takes the
    BrokenPipeError as the word that the answer is there already.
    """

    sock: Any
    _asks = _spent = False

    def putheader(self, header: str, *values: Any) -> None:
        self._asks = self._asks or header.lower() == "expect"
        super().putheader(header, *values)  # type: ignore[misc]

    def endheaders(self, *args: Any, **settings: Any) -> None:
        super().endheaders(*args, **settings)  # type: ignore[misc]
        asks, self._asks = self._asks, False
        if not asks or not (_pending(self.sock) or wait_for_read(self.sock, ASKING)):
            return
        early = _Look(self.sock, method=self._method)  # type: ignore[attr-defined]
        self.response_class = lambda *args, **settings: early
        if early.look() != 100:
            self._spent = True
            raise BrokenPipeError("the server has answered before the body was sent")

    def getresponse(self) -> Any:
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            self.__dict__.pop("response_class", None)

    @property
    def is_connected(self) -> bool:
        """False also where the server still waits for the body of a request that it refused."""
        return not self._spent and super().is_connected  # type: ignore[misc]

    def close(self) -> None:
        self._spent = False
        super().close()  # type: ignore[misc]


class _Connection(_Asking, HTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_Asking, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS = {"http": _Pool, "https": _SecurePool}


def failure(problem: Exception, where: str, session: requests.Session, url: str) -> SluicegateError:
    """What a failed request means, in our words; `where` is the request, `url` the server's."""
    if (untrusted := certificate(problem)) is not None:
        return Untrusted(
            f"{shown(url)} shows a certificate that is not trusted: {untrusted.verify_message}",
            hint=CERTIFICATES.get(
                untrusted.verify_code, "for a private authority set SSL_CERT_FILE to its certificate"
            ),
        )
    if isinstance(problem, requests.exceptions.ProxyError):
        address = urlsplit(select_proxy(url, session.proxies) or "")
        named = _named(url)
        if "407" in str(problem):
            return Denied(
                f"the proxy {address.hostname}:{address.port} wants other credentials", hint=f"correct {named}"
            )
        return RemoteUnavailable(
            f"the proxy {address.hostname}:{address.port}, which {named} names, cannot be reached: {reason(problem)}",
            hint=f"correct {named}, or name the server in no_proxy",
        )
    tries = _tries(session)
    many = f" (tried {tries} times)" if tries > 1 else ""
    return RemoteUnavailable(f"{where} broke off: {reason(problem)}{many}", hint="try again later")


def _tries(session: requests.Session) -> int:
    retries = session.get_adapter("http://").max_retries.total  # type: ignore[attr-defined]
    return int(retries or 0) + 1


def _pending(connected: Any) -> bool:
    return bool(connected.pending()) if hasattr(connected, "pending") else False


def _named(url: str) -> str:
    scheme = urlsplit(url).scheme
    names = (name for name in os.environ if name.lower() in (f"{scheme}_proxy", "all_proxy"))
    return next(names, "the configuration")


def _check_proxy(address: str) -> None:
    """Raise for a proxy whose address is none, without the address: it may hold a password."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError(f"the proxy in {_named_by(address)} is not of the form http://host:port")


def _named_by(address: str) -> str:
    names = (name for name, value in os.environ.items() if value == address and name.lower().endswith("_proxy"))
    return next(names, "'proxy'")


def _environments() -> ssl.SSLContext:
    """The system's authorities, and those that the environment names."""
    context = ssl.create_default_context()
    for place in filter(None, (os.environ.get(name) for name in BUNDLES)):
        _add(context, place)
    return context


def _fixed(ca: str) -> ssl.SSLContext:
    """The authorities in `ca`, else the system's; SSL_CERT_FILE and SSL_CERT_DIR, which OpenSSL reads, do not count."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        _add(context, ca)
        return context
    system = ssl.get_default_verify_paths()
    for place in (system.openssl_cafile, system.openssl_capath):
        if os.path.exists(place):
            _add(context, place)
    return context


def _add(context: ssl.SSLContext, place: str) -> None:
    folder = os.path.isdir(place)
    try:
        context.load_verify_locations(cafile=None if folder else place, capath=place if folder else None)
    except OSError as problem:
        raise UsageError(f"the certificates in {place} cannot be read: {reason(problem)}") from problem


__all__ = ["BUSY", "TRIES", "HTTPError", "Patience", "failure", "new_session", "shown"]
