"""Whatever comes over the wire: an answer below 500 in bounded time, and the next one is answered as before."""

from __future__ import annotations

import socket
from urllib.parse import quote

import requests
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.errors import UsageError
from sluicegate.web import tree
from tests.anything import searching
from tests.web.conftest import Server

SECONDS = 15.0


def words(text: str) -> list[str]:
    return text.split()


PARTS = words(r"""
job any-input api json xml python view all queue item 1 lastBuild build computer user admin credentials store system
domain _ artifact testReport config.xml consoleText logText progressiveText createItem doDelete me label git static
style.css buildWithParameters submitDescription fingerprint 00000000000000000000000000000000 99999999999999999999999 -1
descriptorByName crumbIssuer .. . %2e%2e %00 %2F %c0%ae % %zz \ ; *zip*
""")
NAMES = words("tree depth start xpath name token delay A wrapper exclude %00")
VALUES = ["//*[.='", "jobs[name", "[" * 500, "*" * 300, "-1", "9" * 40, "//*[//*[//*]]", "1e9", "%ff%fe", "NaN"]
HEADERS = r"""
Content-Length: -1
Content-Length: 9999999999999999999999
Content-Length: x
Transfer-Encoding: chunked
Expect: 100-continue
Range: bytes=5-1,0-
Range: bytes=-0
Cookie: JSESSIONID=x.1.2.3
Authorization: Basic !!!
Content-Type: multipart/form-data; boundary=
Content-Type: application/json; charset=nonsense
Accept: text/html
If-Modified-Since: never
Connection: upgrade
Upgrade: websocket
X-HTTP-Method-Override: DELETE
: x
 folded
""".strip("\n").splitlines()
SEGMENTS = st.one_of(st.sampled_from(PARTS), st.text(max_size=12).map(lambda text: quote(text, safe="")))
QUERIES = st.one_of(
    st.just(""),
    st.builds(
        lambda name, value: f"?{name}={value}",
        st.sampled_from(NAMES),
        st.one_of(st.text(max_size=20).map(quote), st.sampled_from(VALUES)),
    ),
)
PATHS = st.builds(lambda parts, query: "/" + "/".join(parts) + query, st.lists(SEGMENTS, max_size=7), QUERIES)
METHODS = st.sampled_from(words("GET POST HEAD DELETE PUT OPTIONS PATCH TRACE get X"))
HEADER = st.one_of(
    st.sampled_from(HEADERS), st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=30)
)
BODIES = st.one_of(
    st.just(b""), st.binary(max_size=60), st.sampled_from([b"json={", b"<project>", b"a=%ff&a=", b"0\r\n\r\n"])
)


def answer_to(server: Server, request: bytes) -> bytes:
    """All that comes back until the server closes, or has nothing more to say."""
    host, port = server.url.removeprefix("http://").strip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as wire:
        answer = b""
        try:
            wire.sendall(request)
            wire.shutdown(socket.SHUT_WR)
            while block := wire.recv(65536):
                answer += block
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


@searching(2.0)
@given(METHODS, PATHS, st.lists(HEADER, max_size=4), BODIES, st.booleans())
def test_any_request_is_answered_and_never_by_a_fault(
    any_input: tuple[Server, str], method: str, path: str, headers: list[str], body: bytes, known: bool
) -> None:
    server, login = any_input
    host = server.url.removeprefix("http://").strip("/")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    lines += [f"Authorization: Basic {login}"] if known else []
    if body and not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).encode("utf-8", "replace")
    answer = answer_to(server, head + b"\r\n\r\n" + body)
    assert answer or headers or method == "X" or b" " in path.encode(), head  # else the head is one, and is answered
    if answer:  # a head that is none may be answered by the end of the connection
        status = int(answer.split(b" ", 2)[1])
        assert status < 500, (head, answer[:300])
    assert requests.get(f"{server.url}login", timeout=SECONDS).status_code == 200


XPATHS = st.lists(
    st.one_of(
        st.sampled_from(words("/ // . .. * [ ] @ = != ' \" job name 1 -1 last() position() ( ) | :: $ text() \0")),
        st.text(max_size=3),
    ),
    max_size=9,
).map("".join)


@searching(5.0)
@given(XPATHS, st.sampled_from(["", "jobs"]))
def test_any_xpath_is_understood_or_refused(xpath: str, wrapper: str) -> None:
    text = "<hudson _class='a'><job><name>x</name></job><job><name>y</name></job></hudson>"
    try:
        assert isinstance(tree.select(text, xpath, wrapper), str)
    except (UsageError, LookupError) as problem:
        assert "xpath" in str(problem).lower()
