"""The Nexus driver against answers as a Nexus 3.71 gives them; tests/real has the server itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import responses
from responses import matchers

from sluicegate.errors import Conflict, Denied, IntegrityError, NotFound, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.config import Component
from sluicegate.model.manifest import Artifact, Manifest
from sluicegate.repositories import nexus as nexus_driver
from sluicegate.repositories.nexus import NexusRepository
from tests.parts import CONFIG, settings

URL = "https://nexus.example.com"
AUTH = Component(name="auth", repository="releases")
FOLDER = f"{URL}/repository/raw/auth/1.0"
PLACE = f"{FOLDER}/auth-1.0.zip"
CONTENT = b"an artifact"
SHA1 = hashlib.sha1(CONTENT).hexdigest()
MARK = {"ETag": f'"{{SHA1{{{SHA1}}}}}"'}
OTHER = {"ETag": f'"{{SHA1{{{"0" * 40}}}}}"'}
MANIFEST = Manifest(
    component="auth", version="1.0", commit="", author="", build="",
    artifacts=(Artifact(name="auth-1.0.zip", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()),),
)  # fmt: skip
PAGE = "<html><h1>Log in</h1></html>"


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def nexus(monkeypatch: pytest.MonkeyPatch) -> NexusRepository:
    monkeypatch.setenv("SLUICEGATE_RELEASES_USER", "ci")
    monkeypatch.setenv("SLUICEGATE_RELEASES_PASSWORD", "s3cr3t")
    values = settings(url=URL, repository="raw", format="raw", credentials="env")
    repository = NexusRepository.configure("releases", values, CONFIG)
    assert isinstance(repository, NexusRepository)
    return repository


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "auth-1.0.zip"
    path.write_bytes(CONTENT)
    return path


def sent(server: responses.RequestsMock, method: str) -> list[str]:
    return [str(call.request.url) for call in server.calls if call.request.method == method]


def test_a_file_is_sent_once_under_a_condition_and_its_checksum_is_asked_for(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path
) -> None:
    once = [matchers.header_matcher({"If-None-Match": "*", "Content-Length": str(len(CONTENT))})]
    server.put(PLACE, status=201, match=once)
    server.head(PLACE, headers=MARK)
    stored = nexus.put(AUTH, "1.0", source.name, source)
    assert (stored.size, stored.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert server.calls[0].request.body == CONTENT
    assert [call.request.method for call in server.calls] == ["PUT", "HEAD"]


def test_what_stands_there_is_fine_when_it_is_the_same_and_a_conflict_otherwise(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path
) -> None:
    server.put(PLACE, status=412)
    server.head(PLACE, headers=MARK)
    assert nexus.put(AUTH, "1.0", source.name, source).size == len(CONTENT)
    server.replace("HEAD", PLACE, headers=OTHER)
    with pytest.raises(Conflict, match="already published with other content"):
        nexus.put(AUTH, "1.0", source.name, source)


def test_a_checksum_of_something_else_is_never_taken_for_the_file(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path
) -> None:
    server.put(PLACE, status=201)
    server.head(PLACE, headers=OTHER)
    server.get(PLACE, body=b"cut")
    with pytest.raises(IntegrityError, match=f"the server reports SHA-1 {'0' * 40}, sent was {SHA1}"):
        nexus.put(AUTH, "1.0", source.name, source)


@pytest.mark.parametrize(("headers", "taken"), [(MARK, True), (OTHER, False)])
def test_a_large_file_that_stands_there_is_compared_and_never_sent(
    server: responses.RequestsMock,
    nexus: NexusRepository,
    source: Path,
    headers: dict[str, str],
    taken: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nexus_driver, "SMALL", len(CONTENT) - 1)
    server.put(PLACE, status=412)
    server.head(PLACE, headers=headers)
    with nullcontext() if taken else pytest.raises(Conflict, match="already published with other content"):
        nexus.put(AUTH, "1.0", source.name, source)
    assert sent(server, "HEAD") and not sent(server, "PUT")


def test_a_small_file_is_sent_without_a_question_before(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nexus_driver, "SMALL", len(CONTENT))
    server.put(PLACE, status=201)
    server.head(PLACE, headers=MARK)
    nexus.put(AUTH, "1.0", source.name, source)
    assert [call.request.method for call in server.calls] == ["PUT", "HEAD"]


@pytest.mark.parametrize(
    ("stored", "error"), [(CONTENT[:-1], IntegrityError), (CONTENT[::-1], Conflict), (CONTENT * 2, Conflict)]
)
def test_what_stands_there_after_an_upload_is_damaged_where_it_is_shorter_and_somebody_elses_otherwise(
    server: responses.RequestsMock,
    nexus: NexusRepository,
    source: Path,
    stored: bytes,
    error: type[SluicegateError],
) -> None:
    server.put(PLACE, status=201)
    server.head(PLACE, headers={"ETag": f'"{{SHA1{{{hashlib.sha1(stored).hexdigest()}}}}}"'})
    server.get(PLACE, body=stored, content_type="application/zip")
    with pytest.raises(error):
        nexus.put(AUTH, "1.0", source.name, source)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_denied_names_who_asked_and_shows_no_password(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path, status: int
) -> None:
    server.put(PLACE, status=status)
    with pytest.raises(Denied, match="asked as ci") as caught:
        nexus.put(AUTH, "1.0", source.name, source)
    assert caught.value.exit_code == 1
    assert "s3cr3t" not in f"{caught.value!r} {caught.value.hint}"


def test_a_busy_server_is_asked_again(server: responses.RequestsMock, nexus: NexusRepository, source: Path) -> None:
    server.put(PLACE, status=503, headers={"Retry-After": "7"})
    server.put(PLACE, status=201)
    server.head(PLACE, headers=MARK)
    nexus.put(AUTH, "1.0", source.name, source)
    assert [call.request.method for call in server.calls] == ["PUT", "PUT", "HEAD"]


def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path
) -> None:
    server.put(PLACE, status=503, headers={"Retry-After": "3600"})
    with pytest.raises(RemoteUnavailable, match="503"):
        nexus.put(AUTH, "1.0", source.name, source)
    assert len(server.calls) == 1


def test_a_server_that_stays_busy_is_remote_after_five_tries(
    server: responses.RequestsMock, nexus: NexusRepository, tmp_path: Path
) -> None:
    server.get(PLACE, status=502)
    with pytest.raises(RemoteUnavailable, match="tried 5 times"):
        nexus.fetch(AUTH, "1.0", "auth-1.0.zip", tmp_path / "fetched")
    assert len(server.calls) == 5
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_nothing_follows_a_redirect_to_another_server(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path, tmp_path: Path, method: str
) -> None:
    server.put(PLACE, status=201)
    server.upsert(method, PLACE, status=302, headers={"Location": "https://elsewhere.example.com/auth-1.0.zip"})
    with pytest.raises(SluicegateError, match=r"leads to https://elsewhere\.example\.com/.* no credentials were sent"):
        if method == "GET":
            nexus.fetch(AUTH, "1.0", source.name, tmp_path / "fetched")
        else:
            nexus.put(AUTH, "1.0", source.name, source)
    assert all(str(call.request.url).startswith(URL) for call in server.calls)


def test_a_redirect_within_the_server_is_followed(
    server: responses.RequestsMock, nexus: NexusRepository, tmp_path: Path
) -> None:
    server.get(PLACE, status=302, headers={"Location": f"{URL}/repository/raw/moved.zip"})
    server.get(f"{URL}/repository/raw/moved.zip", body=CONTENT, headers=MARK)
    nexus.fetch(AUTH, "1.0", "auth-1.0.zip", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == CONTENT


def test_a_redirect_out_of_the_servers_own_path_is_not_followed(server: responses.RequestsMock, tmp_path: Path) -> None:
    """Beside a Nexus below /nexus somebody else's application may answer on the same host."""
    below = NexusRepository.configure("releases", settings(url=f"{URL}/nexus", repository="raw", format="raw"), CONFIG)
    place = PLACE.replace(URL, f"{URL}/nexus")
    server.get(place, status=302, headers={"Location": f"{URL}/login"})
    with pytest.raises(SluicegateError, match=r"leads to https://nexus\.example\.com/login, which was not followed"):
        below.fetch(AUTH, "1.0", "auth-1.0.zip", tmp_path / "fetched")
    assert [call.request.url for call in server.calls] == [place]


def test_a_missing_file_is_not_found_and_a_missing_repository_is_a_mistake_of_configuration(
    server: responses.RequestsMock, nexus: NexusRepository, tmp_path: Path
) -> None:
    server.get(PLACE, status=404, body="Path /auth/1.0/auth-1.0.zip not found")
    with pytest.raises(NotFound, match=r"no file auth-1\.0\.zip"):
        nexus.fetch(AUTH, "1.0", "auth-1.0.zip", tmp_path / "fetched")
    server.replace("GET", PLACE, status=404, body="Repository not found")
    with pytest.raises(UsageError, match="Repository not found") as caught:
        nexus.fetch(AUTH, "1.0", "auth-1.0.zip", tmp_path / "fetched")
    assert "'raw'" in caught.value.hint


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [(b"something else", MARK, "the server reports"), (PAGE.encode(), {"Content-Type": "text/html"}, "HTML page")],
)
def test_what_is_not_the_file_is_an_integrity_error_and_leaves_nothing(
    server: responses.RequestsMock,
    nexus: NexusRepository,
    tmp_path: Path,
    body: bytes,
    headers: dict[str, str],
    message: str,
) -> None:
    content_type = headers.get("Content-Type", "application/zip")
    more = {name: value for name, value in headers.items() if name != "Content-Type"}
    server.get(PLACE, body=body, headers=more, content_type=content_type)
    with pytest.raises(IntegrityError, match=message):
        nexus.fetch(AUTH, "1.0", "auth-1.0.zip", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_names_come_from_the_manifest_and_from_the_listing_that_lags(
    server: responses.RequestsMock, nexus: NexusRepository
) -> None:
    server.get(f"{FOLDER}/auth-1.0-manifest.json", body=MANIFEST.content())
    listing = '<a href="auth-1.0-late.zip">x</a><a href="auth-1.0-gone.zip">x</a>'
    server.get(f"{URL}/service/rest/repository/browse/raw/auth/1.0/", body=listing)
    server.head(f"{FOLDER}/auth-1.0-late.zip", headers=MARK)
    for gone in ("auth-1.0-gone.zip", "auth-1.0-manifest.json.asc"):
        server.head(f"{FOLDER}/{gone}", status=404)
    assert nexus.names(AUTH, "1.0") == ("auth-1.0-late.zip", "auth-1.0-manifest.json", "auth-1.0.zip")


def test_a_version_is_removed_manifest_first(server: responses.RequestsMock, nexus: NexusRepository) -> None:
    server.get(f"{FOLDER}/auth-1.0-manifest.json", body=MANIFEST.content())
    server.get(f"{URL}/service/rest/repository/browse/raw/auth/1.0/", body='<a href="auth-1.0-docs.zip">docs</a>')
    for name in ("auth-1.0-docs.zip", "auth-1.0-manifest.json", "auth-1.0-manifest.json.asc", "auth-1.0.zip"):
        server.delete(f"{FOLDER}/{name}", status=204)
    nexus.remove(AUTH, "1.0")
    assert sent(server, "DELETE")[0] == f"{FOLDER}/auth-1.0-manifest.json"
    assert len(sent(server, "DELETE")) == 4


def test_credentials_are_asked_for_only_when_the_server_wants_to_know_who_reads(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path
) -> None:
    server.put(PLACE, status=201)
    server.head(PLACE, headers=MARK)
    nexus.put(AUTH, "1.0", source.name, source)
    put, head = (call.request.headers for call in server.calls)
    assert "Authorization" in put
    assert "Authorization" not in head


def test_a_file_that_was_accepted_and_is_not_there_is_an_integrity_error(
    server: responses.RequestsMock, nexus: NexusRepository, source: Path
) -> None:
    server.put(PLACE, status=201)
    server.head(PLACE, status=404)
    with pytest.raises(IntegrityError, match="was accepted, and is not there"):
        nexus.put(AUTH, "1.0", source.name, source)
