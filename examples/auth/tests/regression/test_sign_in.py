import pytest

from tests.client import PASSWORDS, Client


@pytest.mark.parametrize("user", sorted(PASSWORDS))
def test_everybody_can_sign_in_and_look(client: Client, user: str) -> None:
    answer = client.log_in(user)
    assert (answer.status, answer.content["user"]) == (200, user)
    assert "viewer" in answer.content["roles"]


def test_whoami_tells_the_same_roles_as_the_sign_in(client: Client) -> None:
    roles = client.log_in("anna").content["roles"]
    assert roles == ["editor", "viewer"]
    assert client.get("/auth/whoami").content["roles"] == roles


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("anna", "wrong"),
        ("anna", ""),
        ("anna", "rita-secret"),
        ("nobody", "anna-secret"),
        ("", "anna-secret"),
        ("*", "anna-secret"),
        ("anna)(uid=*", "anna-secret"),
        ("anna,ou=people", "anna-secret"),
        ("ånnä \\ #+<>;\"'\0", "anna-secret"),
    ],
)
def test_whoever_does_not_know_name_and_password_stays_out(client: Client, user: str, password: str) -> None:
    assert client.log_in(user, password).status == 401
    assert client.get("/auth/whoami").status == 401


def test_signing_out_ends_the_session_even_for_a_kept_cookie(client: Client) -> None:
    token = client.log_in("rita").session
    assert client.post("/auth/logout").status == 200
    client.session = token
    assert client.get("/auth/whoami").status == 401


def test_two_people_have_two_sessions(client: Client) -> None:
    rita = Client()
    client.log_in("anna")
    rita.log_in("rita")
    assert client.get("/auth/whoami").content["user"] == "anna"
    assert rita.get("/auth/whoami").content["user"] == "rita"
