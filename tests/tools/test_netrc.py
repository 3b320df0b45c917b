"""A netrc is read as curl reads it, which Git uses for the same file."""

from __future__ import annotations

import subprocess
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sluicegate.errors import UsageError
from sluicegate.tools import netrc
from sluicegate.tools.credentials import Credentials
from tests.real.needs import needs


@pytest.mark.parametrize(
    ("text", "login", "password"),
    [
        (r"machine h login ci password a\b", "ci", r"a\b"),
        (r'machine h login ci password "a\\b\"c d"', "ci", 'a\\b"c d'),
        ("machine other login x\nmachine h login ci password p\nmachine h login no password second", "ci", "p"),
        ("machine h login ci\nmachine h login ci password p\nmachine h login no password second", "ci", "p"),
        ("machine h login ci\nmachine x login no password no\n", "ci", ""),
        ("machine h\n  login ci\n  account x\n  password p#q\n", "ci", "p#q"),
        ("# machine h login no password no\nMACHINE H LOGIN ci PASSWORD p", "ci", "p"),
        ("macdef init\nmachine h login no password no\n\nmachine h login ci password p", "ci", "p"),
        ("default login ci password p", "ci", "p"),
        ("machine h login machine password default", "machine", "default"),
        ('machine h login "" password p', "", "p"),
    ],
)  # fmt: skip
def test_the_first_whole_entry_of_the_host_counts_and_a_backslash_is_one(text: str, login: str, password: str) -> None:
    entry = netrc.entry(text, "h")
    assert entry is not None and (entry.login, entry.password) == (login, password)


def test_other_hosts_have_no_entry() -> None:
    assert netrc.entry("machine h.example.com login ci password p", "h") is None
    assert netrc.entry("", "h") is None


@pytest.mark.parametrize(
    "text",
    ["machine", 'machine h login ci password "secret', "machine h login", "machine h password #secret"],
)
def test_a_mistake_names_its_line_and_quotes_no_password(tmp_path: Path, text: str) -> None:
    path = tmp_path / "netrc"
    path.write_text(f"\n{text}")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="netrc:2 is not in the form") as caught:
        Credentials(kind="netrc", file=str(path)).login("https://h/")
    assert "secret" not in caught.value.message


CURL = "machine 127.0.0.1 login a password"


@pytest.mark.parametrize(
    "text",
    [
        f"{CURL} p # the job's\n", "machine 127.0.0.1 login a # who\n password p\n", f"{CURL} p#q\n", f'{CURL} "#p"\n',
        f"{CURL} p\u2028q\n", f"{CURL} p\x85\xa0q\n", f'{CURL} "p\\nq"\n', f"{CURL.replace(' ', chr(10))}\np\n",
        "machine 127.0.0.1\n port 443\n protocol https\n login a\n password p\n",
        f"{CURL} p for the nightly build\n", f"some words\nmachine other loginn x\n{CURL} p\n",
        "machine 127.0.0.1 login a\nmachine 127.0.0.1 login b password p\n",
        "default machine 127.0.0.1 login a password p",
        "machine 127.0.0.1 login a\ndefault login d password e\n", "machine 127.0.0.1 loginn a password p\n",
        "machine 127.0.0.1 login a login b password p password q\n", f"default login d password e\n{CURL} p\n",
        f"macdef init\n \nmachine 127.0.0.1 login evil password evil\n\r\n{CURL} p\n",
        f"# note\u2028machine 127.0.0.1 login evil password evil\n{CURL} p\r\n",
    ],
)  # fmt: skip
def test_curl_reads_the_same(text: str, tmp_path: Path) -> None:
    needs("curl")
    told: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers.get("Authorization", "").removeprefix("Basic "))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    (tmp_path / "netrc").write_text(text, newline="")
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        subprocess.run(["curl", "-s", "--noproxy", "*", "--netrc-file", tmp_path / "netrc", url], check=True)
    entry = netrc.entry(text, "127.0.0.1")
    assert entry is not None
    assert f"{entry.login}:{entry.password}" == b64decode(told[0]).decode()
