import json
from typing import Any

from auth.server import Auth
from auth.serving import Reply, Request
from tests.unit.fakes import FakeDirectory


def log_in(auth: Auth, user: str, password: str, **more: str) -> Reply:
    return auth(Request(method="POST", path="/auth/login", form={"user": user, "password": password, **more}))


def token_of(reply: Reply) -> str:
    return dict(reply.headers)["Set-Cookie"].removeprefix("session=").partition(";")[0]


def whoami(auth: Auth, token: str) -> Reply:
    return auth(Request(method="GET", path="/auth/whoami", cookies={"session": token}))


def content(reply: Reply) -> Any:
    return json.loads(reply.body)


def test_signing_in_tells_the_roles_and_no_other_groups(auth: Auth) -> None:
    assert content(log_in(auth, "anna", "anna")) == {"user": "anna", "roles": ["editor", "viewer"]}


def test_the_session_knows_user_roles_and_version(auth: Auth) -> None:
    token = token_of(log_in(auth, "anna", "anna"))
    assert content(whoami(auth, token)) == {"user": "anna", "roles": ["editor", "viewer"], "version": "1.0.7"}


def test_a_wrong_password_and_an_unknown_user_look_the_same(auth: Auth) -> None:
    wrong, unknown = log_in(auth, "anna", "rita"), log_in(auth, "nobody", "nobody")
    assert wrong.status == 401
    assert wrong == unknown


def test_an_empty_password_never_reaches_the_directory(auth: Auth) -> None:
    assert log_in(auth, "anna", "").status == 401


def test_without_a_session_nobody_is_somebody(auth: Auth) -> None:
    assert whoami(auth, "").status == 401


def test_signing_out_ends_the_session(auth: Auth) -> None:
    token = token_of(log_in(auth, "anna", "anna"))
    auth(Request(method="POST", path="/auth/logout", cookies={"session": token}))
    assert whoami(auth, token).status == 401


def test_a_directory_that_is_down_is_said_so(auth: Auth, directory: FakeDirectory) -> None:
    directory.down = True
    reply = log_in(auth, "anna", "anna")
    assert reply.status == 503
    assert "directory" in content(reply)["error"]


def test_a_form_is_led_back_to_a_page_of_ours_only(auth: Auth) -> None:
    assert dict(log_in(auth, "anna", "anna", next="/").headers)["Location"] == "/"
    for elsewhere in ("//evil.example.com", "/\\evil.example.com", "https://evil.example.com", "/\r\nX: y"):
        assert log_in(auth, "anna", "anna", next=elsewhere).status == 200


def test_a_wrong_method_is_told_the_right_one(auth: Auth) -> None:
    reply = auth(Request(method="GET", path="/auth/login"))
    assert (reply.status, dict(reply.headers)["Allow"]) == (405, "POST")
