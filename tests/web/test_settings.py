"""What all jobs of a server share, set by its administrator."""

from __future__ import annotations

from tests.runner.conftest import shell
from tests.web.conftest import Server, ended


def test_the_page_shows_stores_and_refuses_with_lines(fresh: Server) -> None:
    page = f"{fresh.url}manage/settings/"
    client, session = fresh.client(), fresh.session("admin")
    assert "What all jobs share" in session.get(page, timeout=10).text
    refused = session.post(page, data="env: {A: b}\nenw: {}\n", timeout=10)
    assert refused.status_code == 400 and "settings.yaml:2: unknown key &#39;enw&#39;" in refused.text
    assert not (fresh.home / "settings.yaml").exists()
    stored = session.post(page, data={"settings": "env: {GIT_BASE: 'https://git.example.com'}\r\n"}, timeout=10)
    assert stored.status_code == 200 and "Stored." in stored.text
    file = fresh.home / "settings.yaml"
    assert file.read_text() == "env: {GIT_BASE: 'https://git.example.com'}\n" and file.stat().st_mode & 0o777 == 0o600
    client.create_job("job", shell('echo "base=$GIT_BASE"').decode())
    client.build_job("job")
    ended(client, "job")
    assert "base=https://git.example.com\n" in client.get_build_console_output("job", 1)


def test_only_the_administrator_sees_the_settings(server: Server) -> None:
    for method in ("get", "post"):
        answer = getattr(server.session("anna"), method)(f"{server.url}manage/settings/", timeout=10)
        assert answer.status_code == 403
