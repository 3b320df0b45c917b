"""What the organisation counts on: only then may a version reach production."""

from tests.client import Client


def test_anna_signs_in_and_is_known(client: Client) -> None:
    assert client.get("/auth/whoami").status == 401
    assert client.log_in("anna").status == 200
    answer = client.get("/auth/whoami")
    assert (answer.status, answer.content["user"]) == (200, "anna")
    assert "editor" in answer.content["roles"]


def test_a_wrong_password_stays_out(client: Client) -> None:
    assert client.log_in("anna", "guessed").status == 401


def test_anna_leaves(client: Client) -> None:
    client.log_in("anna")
    assert client.post("/auth/logout").status == 200
    assert client.get("/auth/whoami").status == 401
