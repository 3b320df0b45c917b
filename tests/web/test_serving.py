"""How the server listens: TLS, no passwords in clear beyond this machine, and a delivery repository that hangs."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.web.conftest import Server, command, serving, until


def certify(folder: Path) -> tuple[Path, Path]:
    """A new certificate of this machine, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(words, check=True, capture_output=True)
    return cert, key


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return certify(tmp_path)


def test_with_a_certificate_everything_is_https(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    with serving(tmp_path / "home", "--tls-cert", cert, "--tls-key", key) as server:
        assert server.url.startswith("https://")
        login = ("admin", server.password("admin"))
        answer = requests.get(f"{server.url}api/json?tree=url", auth=login, verify=cert)
        assert answer.json()["url"] == server.url
        page = requests.get(f"{server.url}login", headers={"Accept": "text/html"}, verify=cert)
        assert "; Secure" in page.headers["Set-Cookie"]
        with pytest.raises(requests.RequestException):
            requests.get(server.url.replace("https", "http"), timeout=5).raise_for_status()


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), 60)


@pytest.mark.parametrize("beginning", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_handshakes_that_never_end_keep_nobody_out(
    tmp_path: Path, certificate: tuple[Path, Path], beginning: bytes
) -> None:
    cert, key = map(str, certificate)
    with serving(tmp_path / "home", "--tls-cert", cert, "--tls-key", key, open_files=256) as server:
        idle = []
        try:
            for _ in range(600):
                idle.append(connect(server))
                idle[-1].sendall(beginning)
            assert requests.get(f"{server.url}login", verify=cert, timeout=10).status_code == 200
        finally:
            for connection in idle:
                connection.close()


def test_a_handshake_has_an_end(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = map(str, certificate)
    with serving(tmp_path / "home", "--tls-cert", cert, "--tls-key", key) as server, connect(server) as wire:
        wire.settimeout(40)
        assert wire.recv(1) == b""


def test_bodies_that_strangers_never_end_keep_nobody_out(tmp_path: Path) -> None:
    with serving(tmp_path / "home", open_files=256) as server:
        request = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nj_username="
        sending = []
        try:
            for _ in range(300):
                sending.append(connect(server))
                sending[-1].sendall(request)
            time.sleep(1)
            assert requests.get(f"{server.url}login", timeout=10).status_code == 200
        finally:
            for connection in sending:
                connection.close()


def serial(server: Server) -> bytes:
    """The certificate that a new connection is shown."""
    address = urlsplit(server.url)
    return ssl.get_server_certificate((str(address.hostname), int(address.port or 0))).encode()


def test_a_renewed_certificate_is_taken_by_sighup_and_a_broken_one_is_not(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    with serving(tmp_path / "home", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        assert server.process is not None
        login = ("admin", server.password("admin"))
        session = requests.Session()
        assert session.get(f"{server.url}api/json", auth=login, verify=str(cert)).status_code == 200
        before = serial(server)
        certify(tmp_path)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: serial(server) not in (before, b""))
        renewed = serial(server)
        assert renewed.strip() == cert.read_bytes().strip()
        assert (
            session.get(f"{server.url}api/json", auth=login, verify=str(cert)).status_code == 200
        )  # the connection from before
        cert.write_text("half a certi")
        server.process.send_signal(signal.SIGHUP)
        log = server.home / "logs" / "server.log"
        until(lambda: "the one from before stays" in log.read_text())
        assert serial(server) == renewed and server.process.poll() is None


def test_sighup_ends_no_service(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as server:
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert requests.get(f"{server.url}login", timeout=10).status_code == 200


@pytest.mark.parametrize(
    "words",
    [
        ("--host", "0.0.0.0"),
        ("--host", "::"),
        ("--tls-cert", "cert.pem"),
        ("--tls-cert", "/dev/null", "--tls-key", "/dev/null"),
    ],
)
def test_nothing_listens_beyond_this_machine_without_a_usable_certificate(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = command("serve", "--home", str(tmp_path / "home"), "--port", "0", *words)
    assert (done.returncode == 2 and "tls-cert" in done.stderr) or "certificate" in done.stderr
    assert not (tmp_path / "home").exists()


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = map(str, certificate)
    words = ["openssl", "pkey", "-aes256", "-passout", "pass:sesame", "-in", key, "-out", f"{key}.encrypted"]
    subprocess.run(words, check=True, capture_output=True)
    words = ["serve", "--home", str(tmp_path / "home"), "--port", "0", "--tls-cert", cert]
    done = command(*words, "--tls-key", f"{key}.encrypted")
    assert (
        done.returncode == 2 and "the key of --tls-key is encrypted" in done.stderr and "pass phrase" not in done.stderr
    )


def test_who_asks_for_it_listens_everywhere_in_clear(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--host", "0.0.0.0", "--plain-http") as server:
        assert requests.get(f"{server.url}login").status_code == 200


def test_a_delivery_repository_that_hangs_holds_up_no_other_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "hangs"
    helper.write_text("#!/bin/sh\nexec sleep 60\n")
    helper.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(helper))
    with serving(tmp_path / "home", "--delivery", "ssh://git@localhost/none.git") as server:
        session = server.session()
        statuses: list[int] = []

        def look() -> None:
            statuses.append(requests.get(f"{server.url}delivery/api/json", auth=session.auth, timeout=90).status_code)

        lookers = [threading.Thread(target=look, daemon=True) for _ in range(60)]
        for looker in lookers:
            looker.start()
        until(lambda: statuses.count(503) >= 50)
        began = time.monotonic()
        assert session.get(f"{server.url}api/json", timeout=15).status_code == 200
        assert time.monotonic() - began < 15


def test_a_server_that_is_asked_to_end_as_soon_as_it_listens_ends(tmp_path: Path) -> None:
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        server = Server(tmp_path / "home")
        server.start()
        assert server.process is not None
        server.process.send_signal(number)
        assert server.process.wait(20) == code
        server.stop()
