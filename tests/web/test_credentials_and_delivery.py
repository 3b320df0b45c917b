"""Credentials over the API, and the delivery page without a delivery repository."""

from __future__ import annotations

from pathlib import Path

from tests.web.conftest import Server, serving

STORE = "credentials/store/system/domain/_/"
CREDENTIAL = (
    "<org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl><scope>GLOBAL</scope><id>{id}</id>"
    "<secret>{secret}</secret></org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl>"
)


def test_a_credential_is_stored_listed_replaced_and_removed_but_never_shown(server: Server) -> None:
    session = server.session()
    url = server.url + STORE
    assert session.post(f"{url}createCredentials", data=CREDENTIAL.format(id="t", secret="hunter2")).status_code == 200
    assert session.post(f"{url}createCredentials", data=CREDENTIAL.format(id="t", secret="other")).status_code == 400
    assert session.post(f"{url}createCredentials", data=CREDENTIAL.format(id="s", secret="ab")).status_code == 400
    assert "t" in [credential["id"] for credential in session.get(f"{url}api/json").json()["credentials"]]
    shown = session.get(f"{url}credential/t/config.xml").text
    assert "hunter2" not in shown and "<secret-redacted/>" in shown
    assert (
        session.post(f"{url}credential/t/config.xml", data=CREDENTIAL.format(id="t", secret="third")).status_code == 200
    )
    assert session.delete(f"{url}credential/t/config.xml").status_code == 200
    assert session.get(f"{url}credential/t/config.xml").status_code == 404


def test_a_delivery_repository_that_cannot_be_read_is_told_on_the_page(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--delivery", str(tmp_path / "none")) as server:
        page = server.session().get(f"{server.url}delivery/", headers={"Accept": "text/html"})
        assert page.status_code == 200 and 'role="alert"' in page.text
