"""Certificates, proxies, credentials, and answers that are no HTTP."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sluicegate.errors import RemoteUnavailable, UsageError
from sluicegate.tools import meter, patience
from sluicegate.tools.credentials import Credentials, Login, Secret
from sluicegate.tools.server import Server
from tests.parts import web_server

seen: list[tuple[str, str]] = []


class Hello(BaseHTTPRequestHandler):
    """Answers every GET, also those that are meant for another server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen.append((self.path, self.headers.get("Proxy-Authorization", "")))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    seen.clear()
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)


def certificate(folder: Path, days: int) -> Path:
    """A self-signed certificate of localhost with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=10)).not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
    return path


@contextmanager
def secure_server(pem: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("days", "cause"), [(10, "self-signed"), (-1, "expired|self-signed")])
def test_a_certificate_that_is_not_trusted_is_remote_with_its_cause(tmp_path: Path, days: int, cause: str) -> None:
    with secure_server(certificate(tmp_path, days)) as url, pytest.raises(RemoteUnavailable, match=cause) as caught:
        Server(url).ask("GET", "/x")
    assert "SSL_CERT_FILE" in caught.value.hint
    assert seen == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_private_authority_is_trusted_by_the_usual_variables(
    tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path, 10)
    monkeypatch.setenv(variable, str(pem))
    with secure_server(pem) as url:
        server = Server(url)
        assert [server.ask("GET", "/x").body for _ in range(3)] == [b"hello"] * 3


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://me:pass@127.0.0.1:9", "the proxy 127.0.0.1:9, which http_proxy names, cannot be reached"),
        ("nonsense:x", "the proxy in http_proxy is not of the form"),
        ("socks5://127.0.0.1:9", "the proxy in http_proxy is not of the form"),
    ],
)
def test_a_proxy_that_is_none_is_not_taken_for_the_server(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    waits: list[str] = []
    monkeypatch.setattr(meter, "listener", waits.append)
    with pytest.raises((RemoteUnavailable, UsageError), match=message) as caught:
        Server("http://nexus.example.com").ask("GET", "/")
    assert "pass" not in f"{caught.value}{waits}"
    assert len(waits) == (4 if "cannot be reached" in message else 0)


def test_a_proxy_is_asked_by_the_usual_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server(Hello) as port:
        monkeypatch.setenv("http_proxy", f"http://me:pass@127.0.0.1:{port}")
        assert Server("http://nexus.invalid/base").ask("GET", "/x").body == b"hello"
        assert seen == [("http://nexus.invalid/base/x", Login("me", Secret("pass")).basic())]
        monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
        assert Server(f"http://127.0.0.1:{port}").ask("GET", "/direct").status == 200
        assert seen[1] == ("/direct", "")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a" * 99999,
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"h%d: x\r\n" % n for n in range(300)) + b"\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_remote(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()

        def serve() -> None:
            listening.settimeout(0.1)
            while not ended.is_set():
                try:
                    connected, _ = listening.accept()
                except TimeoutError:
                    continue
                with connected:
                    connected.recv(65536)
                    connected.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(RemoteUnavailable):
                Server(f"http://127.0.0.1:{listening.getsockname()[1]}").ask("GET", "/x")
        finally:
            ended.set()
            thread.join()


def test_a_line_break_never_gets_into_a_request() -> None:
    with web_server(Hello) as port, pytest.raises(ValueError, match="return character"):
        Server(f"http://127.0.0.1:{port}").ask("GET", "/x", headers={"X": "a\r\nEvil: b"})
    assert seen == []


def test_a_server_that_is_not_there_is_remote() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(RemoteUnavailable, match="tried 5 times"):
        Server(f"http://127.0.0.1:{port}").ask("GET", "/x")


def test_credentials_come_from_the_environment_a_netrc_or_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Login("ci", Secret("pa:ss"))
    monkeypatch.setenv("U", "ci")
    monkeypatch.setenv("P", "pa:ss")
    monkeypatch.setenv("UP", "ci:pa:ss")
    (tmp_path / "netrc").write_text(
        "machine other.example.com login x password y\nmachine n.example.com login ci password pa:ss\n"
    )
    (tmp_path / "pair").write_text("ci:pa:ss\n")
    for name in ("netrc", "pair"):
        (tmp_path / name).chmod(0o600)
    for credentials in (
        Credentials(kind="env", names=("U", "P")),
        Credentials(kind="env", names=("UP",)),
        Credentials(kind="netrc", file=str(tmp_path / "netrc")),
        Credentials(kind="file", file=str(tmp_path / "pair")),
    ):
        assert credentials.login("https://n.example.com/base") == expected
    assert Credentials().login("https://n.example.com") is None
    assert "pa:ss" not in repr(expected)


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("ci:secret\n", 0o644, "chmod 600|0600"),
        ("secret\n", 0o600, "user:password"),
        ("ci:secret\nmore", 0o600, "user:password"),
        (None, 0, "cannot be read"),
    ],
)
def test_a_file_of_credentials_that_will_not_do_is_a_usage_error_without_its_content(
    tmp_path: Path, text: str | None, mode: int, message: str
) -> None:
    path = tmp_path / "pair"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(UsageError, match=message) as caught:
        Credentials(kind="file", file=str(path)).login("https://n")
    assert "secret" not in str(caught.value)


def test_a_broken_netrc_is_named_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine n login ci\npasswrd secret\n")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="netrc") as caught:
        Credentials(kind="netrc", file=str(path)).login("https://n")
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
