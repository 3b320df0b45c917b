"""Users and groups of a real slapd: the driver, and logins at a running server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from sluicegate.cli.main import run
from sluicegate.config import read_config
from sluicegate.directories.ldap import LdapDirectory
from sluicegate.errors import ConfigError, Denied, Malformed, NotFound, RemoteUnavailable, UsageError
from sluicegate.runner import logins
from sluicegate.tools.credentials import Secret
from sluicegate.wiring import EntryPointDrivers
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
        "seconds": 3.0,
    }
    return LdapDirectory(**(settings | more))  # type: ignore[arg-type]


def test_a_user_is_known_by_password_and_has_groups(slapd: Slapd) -> None:
    ours = directory(slapd)
    assert ours.login("lena", "lena-word") == {"qa", "everybody"}
    direct, around = {"unix", "leads", "odd, (name)"}, {"round", "everybody"}
    assert ours.login("gerd", "gerd-word") == ours.groups_of("gerd") == direct | around, "groups of groups, too"
    assert ours.groups_of("lena") == {"qa", "everybody"} and ours.groups_of("nobody") is None


def test_a_group_holds_whom_it_names_and_whom_groups_in_it_hold(slapd: Slapd) -> None:
    ours = directory(slapd)

    def of(group: str) -> set[str]:
        people = ("lena", "gerd", "admin", "gone", "LENA", "*", "lena)(uid=*", "", "le\0na")
        return {name for name in people if ours.holds(f"{group},ou=groups,{BASE}", name)}

    assert of("cn=qa") == of("CN = QA") == {"lena"}, "who is gone from the people is in no group"
    assert of("cn=unix") == {"gerd"}
    assert of("cn=empty") == set()
    assert of("cn=leads") == of("cn=round") == {"gerd"}, "two groups that hold each other"
    assert of("cn=everybody") == {"gerd", "lena"}
    assert of(r"cn=odd\, (name)") == {"gerd"}
    assert not directory(slapd, groups="").holds(f"cn=everybody,ou=groups,{BASE}", "lena"), "nothing says where to look"
    for group in ("cn=nobody", r"cn=*", "cn=qa)(cn=*"):
        with pytest.raises(NotFound, match="no group"):
            ours.holds(f"{group},ou=groups,{BASE}", "lena")
    with pytest.raises(Malformed, match="no distinguished name"):
        ours.holds("qa", "lena")


def test_a_large_group_is_asked_about_one_person(slapd: Slapd) -> None:
    """Servers cut long lists off: 500 entries (OpenLDAP), 1,500 values (Active Directory)."""
    many = "\n".join(f"member: uid=p{number},ou=people,{BASE}" for number in range(3000))
    slapd.change(f"dn: {QA}\nchangetype: modify\nadd: member\n{many}\n")
    assert directory(slapd).holds(QA, "lena") and not directory(slapd).holds(QA, "gerd")


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
    for ask in (lambda: directory(slapd).login("lena", "lena-word"), lambda: directory(slapd).holds(QA, "lena")):
        with pytest.raises(RemoteUnavailable, match="does not answer"):
            ask()
    assert time.monotonic() - begun < 10
    slapd.thaw()
    slapd.stop()
    with pytest.raises(RemoteUnavailable, match="does not answer"):
        directory(slapd).groups_of("lena")


def test_an_answer_that_drips_is_too_late_as_well() -> None:
    """Each byte comes within the limit of a read, the whole never does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(1000)
                connection.sendall(b"\x30\x82\xff\xff")
                while True:
                    connection.sendall(b"\x04")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        url = f"ldap://127.0.0.1:{listening.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(RemoteUnavailable, match=r"does not answer within 0\.5 s"):
            LdapDirectory(url=url, users=BASE, seconds=0.5).holds(QA, "lena")
        assert time.monotonic() - begun < 5


ROLE = """\
directories:
  ldap: {{driver: ldap, url: "{url}", users: "ou=people,{base}", groups: "ou=groups,{base}", seconds: 3,
         credentials: {{file: {root}/login}}}}
repositories: {{releases: {{driver: directory, path: {root}/releases, url: "http://127.0.0.1"}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
roles: {{qa: {{members: ["ldap:{group}"]}}}}
environments:
  integration: {{}}
  staging: {{from: integration, gates: [approval: {{role: qa, accept: unverified}}]}}
"""


def test_the_command_takes_the_seal_of_who_is_in_the_group(
    slapd: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a user writes it: a file with the reader's login, a role with a group, an approval, and what comes after."""
    for name in ("BUILD_URL", "JOB_NAME", "BUILD_NUMBER", "SLUICEGATE_REPO"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "releases").mkdir()
    (tmp_path / "auth.tar.gz").write_text("auth")
    (tmp_path / "login").write_text(f"{READER}:reader-word\n")
    (tmp_path / "login").chmod(0o600)

    def call(*words: str, user: str = "ci", repo: str = "delivery.git") -> tuple[int, str]:
        for part in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{part}_NAME", user)
            monkeypatch.setenv(f"GIT_{part}_EMAIL", f"{user}@example.com")
        capfd.readouterr()
        code = run(["-C", str(tmp_path / repo), *words])
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    def begun(group: str, repo: str) -> tuple[int, str]:
        config = tmp_path / "config.yaml"
        config.write_text(ROLE.format(url=slapd.url, base=BASE, root=tmp_path, group=group))
        assert run(["init", "--bare", "--config", str(config), str(tmp_path / repo)]) == 0
        return call("check", repo=repo)

    assert begun(QA, "delivery.git")[0] == 0
    code, printed = begun(f"cn=qs,ou=groups,{BASE}", "mistyped.git")
    assert code == 2 and f"sluicegate.yaml:6: the role 'qa': the directory {slapd.url} has no group 'cn=qs," in printed
    code, printed = begun("qa", "short.git")
    assert (
        code == 2
        and "sluicegate.yaml:6: the member 'ldap:qa' is none, expected 'ldap:' and the distinguished" in printed
    )

    assert call("publish", "auth=1.0.0", str(tmp_path / "auth.tar.gz"))[0] == 0
    words = ("approve", "auth=1.0.0", "--to", "staging", "--as", "qa")
    code, printed = call(*words, user="gerd")
    assert code == 3 and f"members: ldap:{QA}" in printed
    slapd.freeze()
    code, printed = call(*words, user="lena")
    assert code == 5 and "does not answer" in printed
    slapd.thaw()
    assert call(*words, user="lena")[0] == 0
    assert "approved by lena" in call("explain", "auth=1.0.0", "--to", "staging")[1]
    slapd.freeze()
    printed = call("explain", "auth=1.0.0", "--to", "staging")[1]
    assert "error" in printed and "does not answer" in printed and "approved by" not in printed
    code, printed = call("promote", "auth=1.0.0", "--to", "staging")
    assert code == 3 and "does not answer" in printed
    assert "the groups of 'ldap' were not looked for" in call("check")[1]
    slapd.thaw()
    assert call("promote", "auth=1.0.0", "--to", "staging")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("driver: ldap", "driver: ldp", "no directory driver is called 'ldp'. Did you mean 'ldap'?"),
        ("seconds: 3", "seconds: soon", "'seconds' is 'soon', expected a number from 0.1 to 60"),
        ("ldap://127.0.0.1", "ldap://far.example.com", "passwords would travel to far.example.com in clear"),
        ("ou=people", "people", "'users' is 'people,dc=example,dc=com', expected a distinguished name"),
        ("groups: ", "group: ", "unknown key 'group'. Did you mean 'groups'?"),
        ("seconds: 3", "ca: here.pem", "'ca' is 'here.pem', expected an absolute path"),
    ],
)
def test_mistakes_in_a_directory_are_named(tmp_path: Path, old: str, new: str, mistake: str) -> None:
    text = ROLE.format(url="ldap://127.0.0.1", base=BASE, root=tmp_path, group=QA)
    assert old in text
    with pytest.raises(ConfigError) as caught:
        EntryPointDrivers().check(read_config(text.replace(old, new, 1).encode()))
    assert mistake in "\n".join(caught.value.mistakes)


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
    ldap |= {"password": {"text": "reader-word"}, "seconds": "3"}  # type: ignore[dict-item]
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
        token_answer = session.post(
            f"{server.url}me/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken",
            headers={crumb["crumbRequestField"]: crumb["crumb"]},
            timeout=20,
        )
        token = token_answer.json()["data"]["tokenValue"]
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
    assert outside.login("lena", "lena-word") and outside.groups("lena") == {"qa", "everybody"}
    slapd.change(f"dn: uid=lena,ou=people,{BASE}\nchangetype: delete\n")
    monkeypatch.setattr(logins, "FRESH", 0.0)
    assert outside.groups("lena") is None
    assert not outside.login("lena", "lena-word")


def test_a_password_that_the_directory_has_changed_opens_nothing(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was right is remembered, as scripts ask often, but no longer than the directory's word counts."""
    outside = logins.Outside(directory(slapd))
    assert outside.login("lena", "lena-word")
    slapd.change(
        f"dn: uid=lena,ou=people,{BASE}\nchangetype: modify\nreplace: userPassword\nuserPassword: another-word\n"
    )
    monkeypatch.setattr(logins, "FRESH", 0.0)
    assert not outside.login("lena", "lena-word")
    assert outside.login("lena", "another-word")
