"""What opens the server, and what only looks as if it did."""

from __future__ import annotations

import base64
import contextlib
import socket
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.runner.conftest import shell
from tests.web.conftest import Server, serving, until
from tests.web.test_security import raw

PARAMETERS = (
    "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions><hudson.model.StringParameterDefinition>"
    "<name>A</name><defaultValue>inside-knowledge</defaultValue></hudson.model.StringParameterDefinition>"
    "</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties><authToken>open-sesame</authToken>"
)


@pytest.mark.parametrize("token", ["x", "open-sesame"])
@pytest.mark.parametrize(
    "path",
    [
        "job/{0}/build",
        "job/{0}/buildWithParameters",
        "view/build",
        "view/all/build",
        "job/{0}/1/artifact/build",
        "job/{0}/lastSuccessfulBuild/artifact/build",
        "user/admin/build",
        "credentials/build",
        "login/../job/{0}/build",
        "static/build",
        "git/build",
        "loginError/build",
    ],
)
def test_a_token_in_the_address_opens_nothing_to_a_stranger(server: Server, name: str, path: str, token: str) -> None:
    server.client().create_job(name, shell("true", more=PARAMETERS).decode())
    for method in ("GET", "POST"):
        answer = requests.request(
            method, server.url + path.format(name), params={"token": token}, headers={"Accept": "text/html"}
        )
        assert answer.status_code in (403, 404, 405), (method, answer.text)
        assert "inside-knowledge" not in answer.text
    assert not server.client().get_job_info(name)["builds"]


@pytest.mark.parametrize("path", ["git/notifyCommit/x?url=y", "gitx/notifyCommit", "login/x", "static", "git"])
def test_open_routes_are_open_whole_and_not_by_their_beginning(server: Server, path: str) -> None:
    assert requests.get(server.url + path).status_code in (403, 404)


@pytest.mark.parametrize(
    "host",
    [
        "127.evil.example",
        "evil.com:1\\@127.0.0.1",
        "127.0.0.1@evil.com",
        "evil.com#@127.0.0.1",
        "127.0.0.1.evil.com",
        "localhost.evil.com",
        "127.0.0.1:80:80",
        "[::1]evil.com",
        "127.0.0.1/evil",
        "evil localhost",
        "",
    ],
)
def test_a_host_is_compared_whole(server: Server, host: str) -> None:
    request = f"GET /api/json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    status = raw(server, request.encode()).split(b" ", 2)[1]
    assert status in (b"400", b"421"), host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7:1", "localhost", "LOCALHOST:8080", "[::1]:80"])
def test_each_spelling_of_this_machine_is_answered(server: Server, host: str) -> None:
    request = f"GET /api/json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert raw(server, request.encode()).split(b" ", 2)[1] == b"403"


SMUGGLED = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 5\r\nContent_Length: 6\r\n",
        b"Transfer_Encoding: chunked\r\n",
        b"Content-Length: 5_0\r\n",
        b"Content-Length: 5\r\n , 6\r\n",
        b"X: a\r\n b\r\nContent-Length: 5\r\n",
        b"X: a\nContent-Length: 5\r\n",
        b"X: a\rb\r\nContent-Length: 5\r\n",
        b"X: a\0b\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: \xb2\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ],
)
@pytest.mark.parametrize("login", [False, True])
def test_a_request_with_two_ends_is_refused_and_the_connection_closed(
    server: Server, framing: bytes, login: bool
) -> None:
    import base64

    head = b"POST /createItem?name=x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if login:
        head += b"Authorization: Basic " + base64.b64encode(f"admin:{server.token()}".encode()) + b"\r\n"
    answer = raw(server, head + framing + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert answer.split(b" ", 2)[1] in (b"400", b"501"), answer[:100]
    assert answer.count(b"HTTP/1.1 ") == 1, "the second request was answered"


@pytest.mark.parametrize(
    "body",
    [
        b"10000000000000000\r\n" + b"x" * 9000,
        b"1;" + b"e" * 70_000,
        b"0\r\n" + b"X: y\r\n" * 20_000,
        b"-1\r\n\r\n",
        b"0\r\nX: y\n\r\n",
        b"0\r\nX: y\r\n\r\n",
    ],
    ids=[
        "a chunk of 2^64",
        "an endless extension",
        "endless trailers",
        "a chunk below zero",
        "a trailer that ends by LF alone",
        "a trailer",
    ],
)
def test_chunks_without_a_bound_are_no_second_request(server: Server, body: bytes) -> None:
    login = base64.b64encode(f"admin:{server.token()}".encode())
    head = b"POST /createItem?name=x HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic " + login
    with connect(server) as wire:
        with contextlib.suppress(ConnectionError):
            wire.sendall(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)
            wire.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while block := wire.recv(65536):
                answer += block
    assert answer.count(b"HTTP/1.1 ") <= 1 and b"HTTP/1.1 200" not in answer


def connect(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), 60)


@pytest.mark.parametrize("beside", ["127.0.0.1", "evil.example"])
def test_a_target_that_is_a_whole_url_is_compared_too(server: Server, beside: str) -> None:
    ours = urlsplit(server.url).netloc
    for host, path, expected in (
        ("evil.example", "/login", 421),
        (f"{ours}@evil", "/login", 421),
        (ours, "/login", 200),
        (ours, "", 200),
    ):
        with connect(server) as wire:
            request = f"GET http://{host}{path} HTTP/1.1\r\nHost: {beside}\r\n"
            wire.sendall(f"{request}Accept: */*\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: wire.recv(65536), b""))
        assert int(answer.split()[1]) == expected, answer


@pytest.mark.parametrize("path", ["", "api/json", "login", "me/", "nothing", "job/nothing/", "queue/api/json"])
def test_what_is_private_stays_in_no_cache_and_is_told_to_no_other_site(server: Server, path: str) -> None:
    session = server.session()
    for words in ({}, {"Accept": "text/html"}):
        for answer in (session.get(server.url + path, headers=words), requests.get(server.url + path, headers=words)):
            assert answer.headers["Cache-Control"] == "no-store", answer.request.url
            assert answer.headers["Referrer-Policy"] == "same-origin"


def test_who_ends_his_side_after_a_request_is_answered_all_the_same(server: Server) -> None:
    host, port = server.url.removeprefix("http://").strip("/").split(":")
    login = base64.b64encode(f"admin:{server.token()}".encode()).decode()
    head = f" HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Basic {login}\r\n\r\n"
    request = f"GET /api/json?tree=mode{head}GET /computer/api/json?tree=displayName{head}".encode()
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=20) as wire:
            wire.sendall(request)
            wire.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: wire.recv(65536), b""))
        assert answer.count(b"HTTP/1.1 200 ") == 2 and b'"mode":"NORMAL"' in answer, answer


def test_a_thousand_idle_connections_keep_nobody_out(fresh: Server) -> None:
    session = fresh.session()
    idle = [connect(fresh) for _ in range(1100)]
    try:
        assert session.get(f"{fresh.url}api/json", timeout=20).status_code == 200
        assert requests.get(f"{fresh.url}login", timeout=20).status_code == 200
    finally:
        for connection in idle:
            connection.close()


def test_ten_thousand_connections_keep_nobody_out_where_few_files_may_be_open(tmp_path: Path) -> None:
    """Files are for builds too: half of them are for connections, and the longest idle one goes for the newest."""
    with serving(tmp_path / "home", open_files=256) as server:
        session, idle = server.session(), []
        session.post(f"{server.url}createItem?name=job", data=shell("true"))
        try:
            for number in range(10_000):
                idle.append(connect(server))
                if len(idle) > 300:
                    idle.pop(0).close()
                if number % 2500 == 2499:
                    assert requests.get(f"{server.url}login", timeout=20).status_code == 200
            assert session.post(f"{server.url}job/job/build?delay=0sec", timeout=20).status_code == 201
            last = f"{server.url}job/job/api/json?tree=lastSuccessfulBuild[number]"
            until(lambda: session.get(last).json()["lastSuccessfulBuild"], 60)
        finally:
            for connection in idle:
                connection.close()


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /api/json HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n",
    ],
    ids=["nothing", "head", "body"],
)
def test_who_sends_a_byte_a_second_is_not_waited_for(server: Server, beginning: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(beginning)
        end = time.monotonic() + 40
        connection.settimeout(1)
        while time.monotonic() < end:
            try:
                if beginning:
                    connection.sendall(b"a")
                if not connection.recv(4096):
                    return
            except TimeoutError:
                continue
            except OSError:
                return
        raise AssertionError("the connection is open for ever")


def test_a_stranger_s_body_is_not_read(server: Server) -> None:
    """The answer comes before the body: nobody without a login makes the server keep what he sends."""
    request = b"POST /createItem?name=x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50000000\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(request)
        assert connection.recv(100).split(b" ", 2)[1] == b"403"
    for size in (b"70000", b"99999999999999999999"):
        request = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + size + b"\r\n\r\n"
        with connect(server) as connection:
            connection.sendall(request)
            assert connection.recv(100).split(b" ", 2)[1] == b"413"


WIDE = b"<project>" + b"<a/>" * 1_800_000 + b"</project>"
ATTACKS = {
    "many small elements": WIDE,
    "depth": b"<a>" * 100_000 + b"</a>" * 100_000,
    "entities": b'<!DOCTYPE p [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><project><x>&b;</x></project>',
    "parameter entity": b'<!DOCTYPE p [<!ENTITY % x SYSTEM "file:///etc/passwd">%x;]><project/>',
    "bad UTF-16": b"\xff\xfe<\x00p",
    "too large": b"<project><description>" + b"x" * (9 << 20) + b"</description></project>",
    "comments that are not closed": b"<project>" + b"<!--" * 200_000,
    "texts that are not closed": b"<project>" + b"<![CDATA[" * 200_000,
    "many comments": b"<project>" + b"<!-- -->" * 900_000 + b"</project>",
    "many small texts": b"<project>" + b"<![CDATA[x]]>" * 600_000 + b"</project>",
    "many instructions": b"<?x y?>" * 900_000 + b"<project/>",
    "many references": b"<project><description>" + b"&#27;" * 1_400_000 + b"</description></project>",
    "many attributes": b"<project " + b" ".join(b"a%d = '1'" % n for n in range(500_000)) + b"/>",
    "an attribute many times": b"<project " + b"a='1' " * 10_000 + b"/>",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attack", ATTACKS)
def test_xml_that_is_made_to_take_long_is_refused_soon(server: Server, name: str, attack: str) -> None:
    session = server.session()
    for path in (f"createItem?name={name}", f"createView?name={name}"):
        answer = session.post(server.url + path, data=ATTACKS[attack], headers={"Content-Type": "text/xml"})
        assert answer.status_code in (400, 413), path
        assert session.get(f"{server.url}login", timeout=10).status_code == 200
    assert session.get(f"{server.url}job/{name}/api/json").status_code == 404


def test_disabling_a_large_job_of_many_parts_is_refused_rather_than_slow(server: Server, name: str) -> None:
    """Each `<disabled>` that might be the job's own is tried by reading the file again, for a minute."""
    session, part = server.session(), b"<x><disabled>false</disabled>" + b"<a/>" * 1_000 + b"y" * 200_000 + b"</x>"
    config = b"<project>" + part * 30 + b"<disabled>false</disabled></project>"
    assert session.post(f"{server.url}createItem?name={name}", data=config, headers={"Content-Type": "text/xml"}).ok
    answer = session.post(f"{server.url}job/{name}/disable", allow_redirects=False)
    assert answer.status_code == 400 and "post it whole" in answer.headers["X-Error"]
    assert session.get(f"{server.url}job/{name}/config.xml").content == config


BAD_NAMES = ["..", ".", "", "a/b", "a\\b", "x" * 300, "a\tb", "a\x7fb", "ends.", " x", "a;b", "<script>", "\udc80x"]


@pytest.mark.parametrize("bad", BAD_NAMES, ids=ascii)
def test_a_name_that_no_folder_can_have_is_refused(server: Server, bad: str) -> None:
    from urllib.parse import quote

    address = f"{server.url}createItem?name={quote(bad, safe='', errors='surrogateescape')}"
    answer = server.session().post(address, data=shell("true"))
    assert answer.status_code == 400 and answer.headers["X-Error"]


def test_odd_names_are_stored_right_and_twins_by_case_are_refused(server: Server, name: str) -> None:
    client, session = server.client(), server.session()
    for odd in (f"{name} ü 漢字 🎉", f"{name}-CON", f"{name}--x", f"-{name}"):
        client.create_job(odd, shell("true").decode())
        assert client.get_job_info(odd)["name"] == odd
    twin = session.post(f"{server.url}createItem", params={"name": f"{name}-con"}, data=shell("true"))
    assert twin.status_code == 400


@pytest.mark.parametrize(
    "pattern", ["(" * 500 + "a" + ")" * 500, "(?R)?a(?R)?", "(a+)+b", "a" * 20_000], ids=lambda text: text[:9]
)
def test_a_view_whose_pattern_cannot_be_read_is_shown_without_what_it_names(server: Server, pattern: str) -> None:
    client, session, view = server.client(), server.session(), f"view-{uuid.uuid4().hex}"
    client.create_job(f"{'a' * 60}-{view}", "<project/>")
    content = (
        f"<hudson.model.ListView><name>{view}</name><includeRegex>{pattern}</includeRegex></hudson.model.ListView>"
    )
    client.create_view(view, content)
    try:
        assert session.get(f"{server.url}view/{view}/api/json").json()["jobs"] == []
        assert session.get(f"{server.url}api/json?tree=views[name,jobs[name]]").status_code == 200
        assert session.get(f"{server.url}view/{view}/", headers={"Accept": "text/html"}).status_code == 200
    finally:
        client.delete_view(view)
