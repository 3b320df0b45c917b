"""Who may do what, and what strangers may not."""

from __future__ import annotations

import re
import socket
from urllib.parse import urlsplit

import pytest
import requests

from tests.runner.conftest import shell
from tests.web.conftest import Server, ended, until


def raw(server: Server, request: bytes) -> bytes:
    """Send bytes as they are; what came back."""
    address = urlsplit(server.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), 5) as connection:
        connection.sendall(request)
        received = b""
        while block := connection.recv(65536):
            received += block
        return received


def test_anonymous_is_refused_and_wrong_credentials_are_401(server: Server) -> None:
    anonymous = requests.get(f"{server.url}api/json")
    assert anonymous.status_code == 403 and anonymous.headers["X-You-Are-Authenticated-As"] == "anonymous"
    for secret in ("wrong", server.password("admin")[:-1], server.token()[:-1] + "z"):
        assert requests.get(f"{server.url}api/json", auth=("admin", secret)).status_code == 401
        assert requests.get(f"{server.url}login", auth=("admin", secret)).status_code == 401
    assert requests.get(f"{server.url}api/json", auth=("../admin", "x")).status_code == 401


def test_a_password_needs_a_crumb_and_a_token_does_not(server: Server, name: str) -> None:
    url = f"{server.url}createItem?name={name}"
    headers = {"Content-Type": "text/xml"}
    password = requests.Session()
    password.auth = ("admin", server.password("admin"))
    refused = password.post(url, data=shell("true"), headers=headers)
    assert refused.status_code == 403 and "No valid crumb" in refused.text
    crumb = password.get(f"{server.url}crumbIssuer/api/json").json()["crumb"]
    stranger = requests.post(
        url, data=shell("true"), headers={**headers, "Jenkins-Crumb": crumb}, auth=("admin", server.password("admin"))
    )
    assert stranger.status_code == 403, "a crumb without its session must not count"
    assert password.post(url, data=shell("true"), headers={**headers, "Jenkins-Crumb": crumb}).status_code == 200
    stale = {**headers, "Jenkins-Crumb": "stale"}
    assert server.session().post(f"{url}-2", data=shell("true"), headers=stale).status_code == 200


def test_users_have_their_own_rights(server: Server) -> None:
    anna = server.session("anna")
    answer = anna.get(f"{server.url}credentials/store/system/domain/_/api/json")
    assert answer.status_code == 403 and answer.headers["X-You-Are-Authenticated-As"] == "anna"
    path = "user/admin/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken"
    assert anna.post(server.url + path).status_code == 403
    assert anna.post(f"{server.url}quietDown").status_code == 403


def test_tokens_are_kept_hashed_and_can_be_revoked(server: Server) -> None:
    token = server.token("anna")
    stored = (server.home / "users" / "anna" / "tokens.json").read_text()
    assert token not in stored
    session = requests.Session()
    session.auth = ("anna", token)
    assert session.get(f"{server.url}me/api/json").json()["id"] == "anna"
    session.post(f"{server.url}me/descriptorByName/jenkins.security.ApiTokenProperty/revokeAll")
    assert session.get(f"{server.url}me/api/json").status_code == 401


def test_passwords_are_private_files(server: Server) -> None:
    for user in ("admin", "anna"):
        assert (server.home / "secrets" / "passwords" / user).stat().st_mode & 0o077 == 0
    assert (server.home / "secrets").stat().st_mode & 0o077 == 0


POST_ONLY = (
    "build",
    "buildWithParameters",
    "doDelete",
    "enable",
    "disable",
    "doRename",
    "doWipeOutWorkspace",
    "polling",
)


@pytest.mark.parametrize("action", POST_ONLY)
def test_a_get_changes_nothing(server: Server, name: str, action: str) -> None:
    session = server.session()
    session.post(f"{server.url}createItem?name={name}", data=shell("true"), headers={"Content-Type": "text/xml"})
    answer = session.get(f"{server.url}job/{name}/{action}?newName=x", allow_redirects=False)
    assert answer.status_code == 405 and answer.headers["Allow"] == "POST"
    assert session.get(f"{server.url}job/{name}/api/json").json()["nextBuildNumber"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "/job/..%2f..%2fetc/passwd",
        "/job/%2F%2F..%2F",
        "/job/%252e%252e/config.xml",
        "/job/..\\..\\x/config.xml",
        "/job/a%00b/config.xml",
        "/job/%c0%ae%c0%ae/config.xml",
        "/job/../../secrets/master.key",
        "/static/..%2f..%2fapp.py",
        "/static/../app.py",
        "/userContent/../secrets/master.key",
    ],
)
def test_no_path_leads_out_of_the_home(server: Server, path: str) -> None:
    import base64

    login = base64.b64encode(f"admin:{server.password('admin')}".encode())
    request = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Basic "
    answer = raw(server, request + login + b"\r\n\r\n")
    assert answer.split(b" ", 2)[1] in (b"400", b"404"), answer[:200]


def test_links_among_the_artifacts_are_not_followed(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    archive = "<hudson.tasks.ArtifactArchiver><artifacts>*.txt</artifacts></hudson.tasks.ArtifactArchiver>"
    client.create_job(name, shell("echo x > a.txt", publishers=archive).decode())
    client.build_job(name)
    ended(client, name)
    folder = server.home / "jobs" / name / "builds" / "1" / "archive"
    (folder / "soft.txt").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("..")
    for path in ("soft.txt", "up/build.xml", "..%2fbuild.xml", "../build.xml"):
        assert session.get(f"{server.url}job/{name}/1/artifact/{path}").status_code in (400, 404)
    assert session.get(f"{server.url}job/{name}/1/artifact/a.txt").status_code == 200


def test_foreign_hosts_get_no_answer(server: Server) -> None:
    session = server.session()
    answer = session.get(f"{server.url}api/json", headers={"Host": "evil.example.com"})
    assert answer.status_code == 421
    ours = session.get(f"{server.url}api/json?tree=url", headers={"X-Forwarded-Host": "evil.example.com"})
    assert ours.json()["url"] == server.url


def test_headers_cannot_be_injected(server: Server, name: str) -> None:
    session = server.session()
    answer = session.post(f"{server.url}createItem?name=a%0d%0aX-Evil:%201", data=shell("true"))
    assert answer.status_code == 400 and "X-Evil" not in answer.headers


def test_two_lengths_are_refused(server: Server) -> None:
    head = b"POST /createItem?name=x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n"
    for second in (b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"):
        answer = raw(server, head + second + b"\r\nxx")
        assert answer.split(b" ", 2)[1] in (b"400", b"403"), answer[:100]


def test_wild_trees_are_refused_quickly(server: Server) -> None:
    session = server.session()
    for tree in ("a[" * 1000 + "]" * 1000, "jobs[name", "]", "x" * 20000):
        answer = session.get(f"{server.url}api/json", params={"tree": tree}, timeout=3)
        assert answer.status_code == 400 and answer.headers["X-Error"]
    assert session.get(f"{server.url}api/json?depth=999", timeout=5).status_code == 200


def test_what_people_wrote_is_escaped_on_pages(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    evil = "<script>alert(1)</script>"
    description = "<description>&lt;script&gt;alert(1)&lt;/script&gt;</description>"
    client.create_job(name, shell(f"echo '{evil}'", more=description).decode())
    client.build_job(name)
    ended(client, name)
    session.post(f"{server.url}job/{name}/1/submitDescription", data={"description": evil})
    html = {"Accept": "text/html"}
    for path in (f"job/{name}/", f"job/{name}/1/", f"job/{name}/1/logText/progressiveHtml"):
        page = session.get(server.url + path, headers=html).text
        assert "&lt;script&gt;alert(1)" in page and evil not in page
    assert session.get(f"{server.url}job/{name}/1/api/json").json()["description"] == evil


def test_an_attack_by_xml_is_a_400_and_leaves_nothing(server: Server, name: str) -> None:
    session = server.session()
    attack = '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><project><description>&x;</description></project>'
    answer = session.post(f"{server.url}createItem?name={name}", data=attack, headers={"Content-Type": "text/xml"})
    assert answer.status_code == 400 and answer.headers["X-Error"]
    assert session.get(f"{server.url}job/{name}/api/json").status_code == 404
    spec = "<hudson.triggers.TimerTrigger><spec>0 0 31 2 *</spec></hudson.triggers.TimerTrigger>"
    impossible = shell("true", more=f"<triggers>{spec}</triggers>")
    assert session.post(f"{server.url}createItem?name={name}", data=impossible).status_code == 400


def crumb_of(browser: requests.Session, server: Server) -> str:
    """The crumb in the form of the login page."""
    match = re.search(r'name="Jenkins-Crumb" value="(\w+)"', browser.get(f"{server.url}login").text)
    assert match is not None
    return match[1]


def test_people_log_in_by_the_page_and_start_a_job_with_its_form(server: Server, name: str) -> None:
    server.client().create_job(name, shell("true").decode())
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    assert "/login" in browser.get(server.url).text
    form = {"j_username": "anna", "j_password": server.password("anna"), "Jenkins-Crumb": crumb_of(browser, server)}
    page = browser.post(f"{server.url}login", data=form)
    assert page.status_code == 200 and name in page.text
    job = browser.get(f"{server.url}job/{name}/").text
    crumb = re.search(r'name="Jenkins-Crumb" value="(\w+)"', job)
    assert crumb is not None
    fields = {"Jenkins-Crumb": crumb[1], "sluicegate-form": "1"}
    assert browser.post(f"{server.url}job/{name}/build?delay=0sec", data={"sluicegate-form": "1"}).status_code == 403
    assert browser.post(f"{server.url}job/{name}/build?delay=0sec", data=fields).status_code == 200
    info = ended(server.client(), name)
    assert info["actions"][0]["causes"][0]["userId"] == "anna"  # type: ignore[index]
    until(lambda: "SUCCESS" in browser.get(f"{server.url}job/{name}/1/").text)
    for path in ("queue/", "user/anna/", f"job/{name}/1/console"):
        assert browser.get(server.url + path).status_code == 200
