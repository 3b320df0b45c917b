"""Users of a trusted proxy and of a directory, at a running server."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from sluicegate.errors import ConfigError
from sluicegate.runner import logins
from tests.web.conftest import Server, command, serving


def proxied(home: Path, addresses: str) -> None:
    home.mkdir()
    line = f"proxy: {{header: X-Forwarded-User, groups: X-Forwarded-Groups, from: {addresses}}}\n"
    (home / logins.FILE).write_text(line)


def who(server: Server, headers: Mapping[str, str | bytes]) -> tuple[int, str]:
    answer = requests.get(f"{server.url}me/api/json", headers=headers, timeout=20)
    return answer.status_code, answer.json()["id"] if answer.ok else ""


def raw(server: Server, head: str) -> bytes:
    host, port = server.url.removeprefix("http://").strip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as wire:
        wire.sendall(f"{head}Host: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while block := wire.recv(65536):
            answer += block
        return answer


def test_a_trusted_proxy_says_who_is_logged_in_and_in_which_groups(tmp_path: Path) -> None:
    proxied(tmp_path / "home", "[127.0.0.1, '::1']")
    with serving(tmp_path / "home") as server:
        rights = tmp_path / "home" / "rights.yaml"
        rights.write_text(rights.read_text() + '- {who: "@keepers", may: configure}\n')
        server.client().create_job("job", "<project/>")
        config = f"{server.url}job/job/config.xml"
        assert who(server, {"X-Forwarded-User": "lena"}) == (200, "lena")
        lena = {"X-Forwarded-User": "lena"}
        assert requests.get(config, headers=lena, timeout=20).status_code == 403
        keeper = lena | {"X-Forwarded-Groups": "qa, keepers"}
        assert requests.get(config, headers=keeper, timeout=20).status_code == 200
        assert who(server, {})[0] == 403
        assert who(server, {"X-Forwarded-User": ""})[0] == 403
        for name in ("../admin", "a/b", ".", "x" * 300, "a\tb"):
            assert who(server, {"X-Forwarded-User": name})[0] == 400, name
        twice = raw(server, "GET /me/api/json HTTP/1.1\r\nX-Forwarded-User: lena\r\nX-Forwarded-User: admin\r\n")
        assert twice.startswith(b"HTTP/1.1 400 ")
        # Nobody is tricked into a change by another site: a crumb is needed as with a password.
        assert requests.post(f"{server.url}job/job/build", headers=lena, timeout=20).status_code == 403
        session = requests.Session()
        session.headers.update(lena)
        crumb = session.get(f"{server.url}crumbIssuer/api/json", timeout=20).json()
        answer = session.post(
            f"{server.url}job/job/build", headers={crumb["crumbRequestField"]: crumb["crumb"]}, timeout=20
        )
        assert answer.status_code == 201


def test_the_header_of_anybody_else_is_not_believed(tmp_path: Path) -> None:
    proxied(tmp_path / "home", "10.11.12.13")
    with serving(tmp_path / "home") as server:
        forged = {"X-Forwarded-User": "admin", "X-Forwarded-For": "10.11.12.13", "Forwarded": "for=10.11.12.13"}
        assert who(server, forged)[0] == 403


def test_a_directory_that_is_down_refuses_its_users_and_no_others(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        (tmp_path / "home").mkdir()
        line = f'ldap: {{url: "ldap://127.0.0.1:{nobody.getsockname()[1]}", users: "dc=x", seconds: "1"}}\n'
        (tmp_path / "home" / logins.FILE).write_text(line)
        with serving(tmp_path / "home") as server:
            begun = time.monotonic()
            answer = requests.get(f"{server.url}api/json", auth=("lena", "word"), timeout=20)
            assert answer.status_code == 503 and "does not answer" in answer.headers["X-Error"]
            assert "word" not in answer.text.replace("password", "")
            assert requests.get(f"{server.url}api/json", auth=("admin", server.password("admin")), timeout=20).ok
            assert time.monotonic() - begun < 10


def test_a_proxy_with_a_secret_is_no_other_program_at_its_address(tmp_path: Path) -> None:
    """As a build, which has the server's own address too."""
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "proxy").write_text("s\u00e9same\n")
    (home / logins.FILE).write_text(
        "proxy: {header: X-Forwarded-User, from: [127.0.0.1], secret: {file: secrets/proxy}}\n"
    )
    with serving(home) as server:
        told = {"X-Forwarded-User": "lena", "X-Forwarded-For": "192.0.2.7"}
        right = "s\u00e9same".encode()
        for wrong in ({}, {"X-Proxy-Secret": b""}, {"X-Proxy-Secret": b"sesame"}, {"X-Proxy-Secret": right + b"x"}):
            assert who(server, told | wrong)[0] == 403, wrong
        assert who(server, told | {"X-Proxy-Secret": right}) == (200, "lena")
        requests.get(f"{server.url}me/api/json", headers=told, auth=("nobody", "wrong"), timeout=20)
        lines = (home / "logs" / "audit.log").read_text()
        assert "192.0.2.7" not in lines, "whoever is not the proxy says whence he comes"


@pytest.mark.parametrize(
    ("secret", "told"), [("", True), (", secret: sesame", False)], ids=["without a secret", "with one"]
)
def test_a_start_says_that_builds_may_speak_as_a_proxy_of_this_machine(tmp_path: Path, secret: str, told: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / logins.FILE).write_text(f"proxy: {{header: X-User, from: [127.0.0.0/30]{secret}}}\n")
    proxy = logins.read(home).proxy
    assert proxy is not None and proxy.is_open_to_builds is told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ldap: {url: 'ldap://far.example.com', users: 'dc=x'}", "in clear"),
        ("ldap: {url: 'ldaps://x', user: 'dc=x'}", "unknown key 'user'"),
        ("ldap: {url: 'ldaps://x', users: 'dc=x', seconds: never}", "seconds"),
        ("ldap: {users: 'dc=x'}", "no address"),
        ("proxy: {header: X-User}", "addresses that may send it"),
        ("proxy: {header: X-User, from: [everywhere]}", "neither an address nor a network"),
        ("proxy: {header: X-User, from: [127.0.0.1], secret: ''}", "it is empty"),
        ("proxy: {header: X-User, from: [127.0.0.1], secret: {file: none}}", "cannot be read"),
        ("oauth: {}", "unknown key 'oauth'"),
    ],
)
def test_mistakes_of_the_file_stop_the_start(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / logins.FILE).write_text(text)
    with pytest.raises(ConfigError) as caught:
        logins.read(tmp_path)
    assert any(words in mistake and mistake.startswith(str(tmp_path)) for mistake in caught.value.mistakes)


def test_a_server_with_such_a_mistake_does_not_start(tmp_path: Path) -> None:
    (tmp_path / logins.FILE).write_text("oauth: {}")
    done = command("serve", "--home", str(tmp_path), "--port", "0")
    assert done.returncode == 2 and "logins.yaml:1" in done.stderr


def test_behind_a_trusted_proxy_everybody_has_an_address_of_his_own(tmp_path: Path) -> None:
    """In the audit log, and where passwords are guessed: who guesses keeps nobody else out."""
    proxied(tmp_path / "home", "[127.0.0.1, 10.1.0.0/16]")
    with serving(tmp_path / "home") as server:

        def status(password: str, forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            answer = requests.get(f"{server.url}api/json", auth=("anna", password), headers=headers, timeout=20)
            return answer.status_code

        guesses = [status(f"guess {number}", "192.0.2.1, 198.51.100.7, 10.1.2.3") for number in range(12)]
        assert guesses[:10] == [401] * 10 and guesses[-1] == 429
        assert status(server.password("anna"), "198.51.100.7") == 429
        assert status(server.password("anna"), "203.0.113.9") == 200
        rows = [json.loads(line) for line in (tmp_path / "home" / "logs" / "audit.log").read_text().splitlines()]
        assert {row["from"] for row in rows if row["status"] in (401, 429)} == {"198.51.100.7"}


def test_who_forges_the_header_of_addresses_stays_where_he_is(tmp_path: Path) -> None:
    proxied(tmp_path / "home", "10.11.12.13")
    with serving(tmp_path / "home") as server:
        for number in range(12):
            headers = {"X-Forwarded-For": f"192.0.2.{number}"}
            answer = requests.get(f"{server.url}api/json", auth=("anna", "wrong"), headers=headers, timeout=20)
        assert answer.status_code == 429


def test_nobody_has_a_name_that_rules_and_logs_use(tmp_path: Path) -> None:
    proxied(tmp_path / "home", "127.0.0.1")
    with serving(tmp_path / "home") as server:
        for name in ("anonymous", "Authenticated", "SYSTEM", "unknown"):
            assert who(server, {"X-Forwarded-User": name})[0] == 400, name
    done = command("serve", "--home", str(tmp_path / "new"), "--port", "0", "--user", "authenticated=configure")
    assert done.returncode == 2 and "nobody can be called 'authenticated'" in done.stderr
    done = command("serve", "--home", str(tmp_path / "new"), "--port", "0", "--user", "Admin=administer")
    assert done.returncode == 2 and "there is a user 'admin'" in done.stderr


def test_somebody_of_a_proxy_uses_the_forms_of_pages(tmp_path: Path) -> None:
    proxied(tmp_path / "home", "127.0.0.1")
    with serving(tmp_path / "home") as server:
        server.client().create_job("job", "<project/>")
        session = requests.Session()
        session.headers.update({"X-Forwarded-User": "lena", "Accept": "text/html"})
        page = session.get(f"{server.url}job/job/", timeout=20)
        crumb = re.search(r'name="Jenkins-Crumb" value="([0-9a-f]+)"', page.text)
        assert crumb is not None
        form = {"Jenkins-Crumb": crumb[1], "sluicegate-form": "1"}
        answer = session.post(f"{server.url}job/job/build?delay=0sec", data=form, timeout=20, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        session.headers.pop("X-Forwarded-User")
        assert session.get(f"{server.url}me/api/json", timeout=20).status_code == 403, "the proxy's word left a session"


def test_a_directory_that_hangs_while_strangers_ask_for_it_holds_nobody_else_up(tmp_path: Path) -> None:
    """Neither a session, nor a change, nor the first login of an own user waits behind those whom it keeps waiting."""
    with socket.create_server(("127.0.0.1", 0), backlog=500) as silent:
        (tmp_path / "home").mkdir()
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "home" / logins.FILE).write_text(f'ldap: {{url: "{url}", users: "dc=x", seconds: "2"}}\n')
        with serving(tmp_path / "home") as server, ThreadPoolExecutor(24) as strangers:
            browser = requests.Session()
            page = browser.get(f"{server.url}login", timeout=20).text
            crumb = re.search(r'name="Jenkins-Crumb" value="([0-9a-f]+)"', page)
            assert crumb is not None
            form = {"j_username": "admin", "j_password": server.password("admin"), "Jenkins-Crumb": crumb[1]}
            assert browser.post(f"{server.url}login", data=form, timeout=20).ok
            token = server.token()

            def ask(number: int) -> None:
                with contextlib.suppress(requests.RequestException):
                    if number % 2:
                        requests.get(f"{server.url}api/json", auth=(f"u{number}", "w"), timeout=60)
                    else:
                        stranger = requests.Session()
                        stranger_page = stranger.get(f"{server.url}login", timeout=60).text
                        own = re.search(r'name="Jenkins-Crumb" value="([0-9a-f]+)"', stranger_page)
                        form = {"j_username": f"u{number}", "j_password": "w", "Jenkins-Crumb": own[1] if own else ""}
                        stranger.post(f"{server.url}login", data=form, timeout=60)

            for number in range(24):
                strangers.submit(ask, number)
            time.sleep(1.0)
            begun = time.monotonic()
            assert browser.get(f"{server.url}me/api/json", timeout=60).json()["id"] == "admin"
            posted = requests.post(
                f"{server.url}createItem?name=new",
                data="<project/>",
                auth=("admin", token),
                timeout=60,
                headers={"Content-Type": "text/xml"},
            )
            assert posted.status_code == 200
            assert requests.get(f"{server.url}api/json", auth=("anna", server.password("anna")), timeout=60).ok
            assert time.monotonic() - begun < 5
            strangers.shutdown(wait=False, cancel_futures=True)
