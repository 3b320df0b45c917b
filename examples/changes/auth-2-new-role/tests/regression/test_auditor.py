from tests.client import Client


def test_olle_is_an_auditor(client: Client) -> None:
    assert client.log_in("olle").content["roles"] == ["auditor", "viewer"]
    assert client.get("/auth/whoami").content["roles"] == ["auditor", "viewer"]


def test_nobody_else_is_an_auditor(client: Client) -> None:
    for user in ("anna", "rita"):
        assert "auditor" not in client.log_in(user).content["roles"]


def test_the_auditor_is_listed(client: Client) -> None:
    assert "auditor" in client.get("/auth/roles").content["roles"]
