from tests.client import Client


def test_the_service_names_itself_and_its_version(client: Client) -> None:
    answer = client.get("/version")
    assert answer.content["component"] == "auth"
    assert answer.content["version"].startswith("1.0.")


def test_the_service_is_healthy(client: Client) -> None:
    assert client.get("/auth/health").content["status"] == "ok"


def test_the_known_roles_are_listed(client: Client) -> None:
    assert {"viewer", "editor"} <= set(client.get("/auth/roles").content["roles"])


def test_an_unknown_page_is_not_found(client: Client) -> None:
    assert client.get("/auth/nothing").status == 404


def test_a_huge_form_is_refused(client: Client) -> None:
    assert client.log_in("anna", "x" * 20_000).status == 413
