from __future__ import annotations

from portal.people import AuthUnavailable, Person
from portal.server import Portal
from portal.serving import Reply, Request


class FakePeople:
    """Knows anna by the token `anna`; cannot answer for the token `down`."""

    def find(self, token: str) -> Person | None:
        if token == "down":
            raise AuthUnavailable("timed out")
        return Person(user="anna", roles=("viewer",)) if token == "anna" else None


def get(path: str, **cookies: str) -> Reply:
    return Portal(people=FakePeople(), version="2.0.3")(Request(method="GET", path=path, cookies=cookies))


def test_somebody_signed_in_is_greeted() -> None:
    assert "Hello, anna (viewer)" in get("/", session="anna").body


def test_a_stranger_gets_the_form() -> None:
    assert 'action="/auth/login"' in get("/").body


def test_an_old_session_gets_the_form() -> None:
    assert 'action="/auth/login"' in get("/", session="old").body


def test_without_auth_the_page_still_comes_with_a_notice() -> None:
    reply = get("/", session="down")
    assert reply.status == 200
    assert "not possible just now" in reply.body


def test_the_version_is_told() -> None:
    assert get("/version").body == '{"component": "portal", "version": "2.0.3"}\n'


def test_an_unknown_page_is_not_found() -> None:
    assert get("/nothing").status == 404
