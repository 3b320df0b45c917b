import json

from auth.server import Auth
from auth.serving import Request
from tests.unit.fakes import FakeDirectory


def sign_in(auth: Auth) -> dict[str, str]:
    """The cookies of rita, signed in."""
    reply = auth(Request(method="POST", path="/auth/login", form={"user": "rita", "password": "rita"}))
    return {"session": dict(reply.headers)["Set-Cookie"].removeprefix("session=").partition(";")[0]}


def roles(auth: Auth, cookies: dict[str, str]) -> list[str]:
    found: list[str] = json.loads(auth(Request(method="GET", path="/auth/whoami", cookies=cookies)).body)["roles"]
    return found


def test_a_role_given_after_the_sign_in_counts_at_once(auth: Auth, directory: FakeDirectory) -> None:
    cookies = sign_in(auth)
    directory.groups["rita"] = {"viewer", "editor"}
    assert roles(auth, cookies) == ["editor", "viewer"]


def test_while_the_directory_is_down_the_roles_of_the_sign_in_count(auth: Auth, directory: FakeDirectory) -> None:
    cookies = sign_in(auth)
    directory.down = True
    assert roles(auth, cookies) == ["viewer"]
