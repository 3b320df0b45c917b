"""Users and groups of a real slapd: the driver, and logins at a running server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sluicegate.directories.ldap import LdapDirectory
from sluicegate.errors import Denied, NotFound, RemoteUnavailable, UsageError
from sluicegate.runner import logins
from sluicegate.tools.credentials import Secret
from tests.real import slapd as slapds
from tests.real.needs import needs
from tests.real.slapd import BASE, READER, Slapd
from tests.web.conftest import serving

pytestmark = pytest.mark.real
QA = f"cn=qa,ou=groups,{BASE}"


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    needs("slapd", "slapadd", "ldapmodify")
    with slapds.running(tmp_path / "slapd") as server:
        yield server


def directory(slapd: Slapd, **more: object) -> LdapDirectory:
    settings = {
        "url": slapd.url,
        "users": f"ou=people,{BASE}",
        "groups": f"ou=groups,{BASE}",
        "bind": READER,
        "password": Secret("reader-word"),
        "seconds": 1.0,
    }
    return LdapDirectory(**(settings | more))  # type: ignore[arg-type]


def test_a_user_is_known_by_password_and_has_groups(slapd: Slapd) -> None:
    ours = directory(slapd)
    assert ours.login("lena", "lena-word") == {"qa"}
    assert ours.login("gerd", "gerd-word") == {"unix"}
    assert ours.groups_of("lena") == {"qa"} and ours.groups_of("nobody") is None
    assert ours.members(QA) == {"lena"}
    assert ours.members(f"cn=unix,ou=groups,{BASE}") == {"gerd"}
    with pytest.raises(NotFound, match="no group"):
        ours.members(f"cn=nobody,ou=groups,{BASE}")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("lena", ""),
        ("lena", "wrong"),
        ("lena", "gerd-word"),
        ("LENA", "lena-word"),
        ("*", "lena-word"),
        ("lena)(uid=*", "lena-word"),
        ("nobody", "lena-word"),
        ("", ""),
        ("le\0na", "lena-word"),
        ("lena ", "lena-word"),
    ],
)
def test_who_is_not_exactly_a_user_with_the_right_password_is_nobody(slapd: Slapd, name: str, password: str) -> None:
    assert directory(slapd).login(name, password) is None


def test_a_directory_that_does_not_answer_is_no_empty_one(slapd: Slapd) -> None:
    with pytest.raises(Denied, match="refuses the login of 'cn=reader"):
        directory(slapd, password=Secret("wrong")).login("lena", "lena-word")
    slapd.freeze()
    begun = time.monotonic()
    for ask in (lambda: directory(slapd).login("lena", "lena-word"), lambda: directory(slapd).members(QA)):
        with pytest.raises(RemoteUnavailable, match="does not answer"):
            ask()
    assert time.monotonic() - begun < 10
    slapd.thaw()
    slapd.stop()
    with pytest.raises(RemoteUnavailable, match="does not answer"):
        directory(slapd).groups_of("lena")


def test_passwords_go_nowhere_in_clear() -> None:
    for url in ("ldap://ldap.example.com", "http://ldap.example.com", "ldap://127.0.0.1.evil.example", "ldaps://"):
        with pytest.raises(UsageError):
            LdapDirectory(url=url, users=BASE)
    LdapDirectory(url="ldaps://ldap.example.com", users=BASE)
    LdapDirectory(url="ldap://ldap.example.com", users=BASE, plain=True)


def test_users_of_a_directory_log_in_with_the_rights_of_their_groups(
    slapd: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    ldap = {"url": slapd.url, "users": f"ou=people,{BASE}", "groups": f"ou=groups,{BASE}", "bind": READER}
    ldap |= {"password": {"text": "reader-word"}, "seconds": "1"}  # type: ignore[dict-item]
    (home / logins.FILE).write_text(json.dumps({"ldap": ldap}))
    with serving(home) as server:
        rights = home / "rights.yaml"
        rights.write_text(rights.read_text() + '- {who: "@qa", may: configure}\n')

        def status(path: str, user: str, word: str) -> int:
            return requests.get(f"{server.url}{path}", auth=(user, word), timeout=20).status_code

        server.client().create_job("job", "<project/>")
        assert status("job/job/config.xml", "lena", "lena-word") == 200
        assert status("job/job/config.xml", "gerd", "gerd-word") == 403  # he may build, as everybody does
        assert status("job/job/api/json", "gerd", "gerd-word") == 200
        assert status("api/json", "lena", "wrong") == 401
        assert status("api/json", "lena", "") == 401
        assert status("api/json", "admin", "else-word") == 401, "the server's own admin is not the directory's"
        assert status("api/json", "Admin", "else-word") == 401

        session = requests.Session()
        session.auth = ("lena", "lena-word")
        crumb = session.get(f"{server.url}crumbIssuer/api/json", timeout=20).json()
        made = session.post(
            f"{server.url}me/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken",
            headers={crumb["crumbRequestField"]: crumb["crumb"]},
            timeout=20,
        )
        token = made.json()["data"]["tokenValue"]
        assert status("job/job/config.xml", "lena", token) == 200
        changed = session.post(
            f"{server.url}me/password",
            data={"current": "lena-word", "new": "another-word"},
            headers={crumb["crumbRequestField"]: crumb["crumb"]},
            timeout=20,
        )
        assert changed.status_code == 400 and "the directory's" in changed.headers["X-Error"]

        # A directory that hangs holds nobody up but its own users, who are told.
        slapd.freeze()
        begun = time.monotonic()
        answer = requests.get(f"{server.url}api/json", auth=("gerd", "another"), timeout=20)
        assert answer.status_code == 503 and "does not answer" in answer.headers["X-Error"]
        assert status("api/json", "admin", server.password("admin")) == 200
        assert time.monotonic() - begun < 10
        slapd.thaw()


def test_who_leaves_the_directory_loses_session_and_token(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = logins.Outside(directory(slapd))
    assert outside.login("lena", "lena-word") and outside.groups("lena") == {"qa"}
    slapd.change(f"dn: uid=lena,ou=people,{BASE}\nchangetype: delete\n")
    monkeypatch.setattr(logins, "FRESH", 0.0)
    assert outside.groups("lena") is None
    assert not outside.login("lena", "lena-word")
