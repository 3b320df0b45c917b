"""What is special to the S3 repository: logins, conditions a server may not know, lying servers, big files."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sluicegate.errors import (
    ConfigError,
    Conflict,
    Denied,
    IntegrityError,
    MissingProgram,
    NotFound,
    RemoteUnavailable,
    SluicegateError,
    UsageError,
)
from sluicegate.model.settings import Plain
from sluicegate.repositories.s3 import S3Repository
from sluicegate.tools import s3
from sluicegate.tools.outgoing import Sent
from tests.parts import AUTH, CONFIG, answering, free_port, settings, web_server
from tests.real.gateway import Server

KEY = "ci/releases/com/example/auth/1.0/auth-1.0.zip"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "auth-1.0.zip"
    path.write_bytes(b"payload" * 1000)
    return path


@pytest.fixture
def credentials(tmp_path: Path) -> str:
    path = tmp_path / "credentials"
    path.write_text("[ci]\naws_access_key_id = any\naws_secret_access_key = s3cr3t-of-ci\n")
    path.chmod(0o600)
    return str(path)


def at(endpoint: str, credentials: str) -> S3Repository:
    login: dict[str, Plain] = {"file": credentials, "profile": "ci"}
    return S3Repository.configure(
        "releases",
        settings(endpoint=endpoint, bucket="releases", prefix="ci/releases", credentials=login),
        CONFIG,
    )


def test_the_key_is_the_name_and_the_checksum_stands_beside_it(moto: Server, source: Path) -> None:
    repository = moto.repository()
    repository.put(AUTH, "1.0", source.name, source)
    head = moto.client().head_object(Bucket=repository.bucket, Key=KEY)
    assert head["Metadata"] == {"sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
    assert repository.address(AUTH, "1.0", source.name) == f"{moto.endpoint}/{repository.bucket}/{KEY}"


def test_maven_finds_the_list_of_versions(moto: Server) -> None:
    repository = moto.repository()
    repository.announce(AUTH, ["1.0", "1.1", "1.2-rc.1"])
    repository.announce(AUTH, ["1.0", "1.1"])
    key = "ci/releases/com/example/auth/maven-metadata.xml"
    written = moto.client().get_object(Bucket=repository.bucket, Key=key)["Body"].read()
    assert b"<release>1.1</release>" in written


def test_more_names_than_a_page_holds_are_all_seen(moto: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAGE", 7)
    repository = moto.repository()
    folder = KEY.rpartition("/")[0]
    for number in range(30):
        moto.client().put_object(Bucket=repository.bucket, Key=f"{folder}/f+ ü&{number:04}", Body=b"x")
    assert len(repository.names(AUTH, "1.0")) == 30
    repository.remove(AUTH, "1.0")
    assert repository.names(AUTH, "1.0") == ()


@pytest.mark.real
def test_a_wrong_secret_is_refused_and_never_shown(ceph: Server, source: Path) -> None:
    right = ceph.repository()
    wrong = ceph.other_bucket(right.bucket, ceph.credentials("wrong", secret="not-the-s3cr3t"))
    for ask in (
        lambda: wrong.put(AUTH, "1.0", source.name, source),
        lambda: wrong.names(AUTH, "1.0"),
        lambda: wrong.fetch(AUTH, "1.0", source.name, source.with_name("fetched")),
        lambda: wrong.remove(AUTH, "1.0"),
    ):
        with pytest.raises(SluicegateError) as caught:
            ask()
        assert type(caught.value) is Denied
        assert "credentials" in caught.value.hint
        assert "not-the-s3cr3t" not in str(caught.value) + repr(wrong)
    assert right.names(AUTH, "1.0") == ()


@pytest.mark.real
def test_a_missing_bucket_is_a_usage_error(ceph: Server, source: Path) -> None:
    with pytest.raises(UsageError, match="NoSuchBucket"):
        ceph.other_bucket("nobody-made-this").put(AUTH, "1.0", source.name, source)
    with pytest.raises(UsageError, match="NoSuchBucket"):
        ceph.other_bucket("nobody-made-this").names(AUTH, "1.0")


@pytest.mark.real
def test_a_big_file_goes_in_parts_and_is_as_immutable(
    ceph: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3, "WHOLE", 1 << 20)
    monkeypatch.setattr(s3, "PART", 5 << 20)
    big, changed_file = tmp_path / "big", tmp_path / "other"
    big.write_bytes(os.urandom(12 << 20))
    changed_file.write_bytes(os.urandom(12 << 20))
    repository = ceph.repository()
    repository.put(AUTH, "1.0", "big", big)
    repository.put(AUTH, "1.0", "big", big)
    with pytest.raises(Conflict):
        repository.put(AUTH, "1.0", "big", changed_file)
    repository.fetch(AUTH, "1.0", "big", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == big.read_bytes()


@pytest.mark.real
def test_what_changed_on_the_way_is_not_stored(ceph: Server, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = ceph.repository()._bucket
    source.write_bytes(b"what was sent")
    read, sent = (
        {"sha256": hashlib.sha256(content).hexdigest(), "md5": hashlib.md5(content).hexdigest()}
        for content in (b"what was read", b"what was sent")
    )
    for sums in ({**sent, "md5": read["md5"]}, {**sent, "sha256": read["sha256"]}):
        with pytest.raises(IntegrityError):
            bucket.put("a", source, Sent(size=13, checksums=sums), {})
    assert bucket.object("a") is None
    monkeypatch.setattr(s3, "WHOLE", 1)
    with pytest.raises(IntegrityError):
        bucket.put("a", source, Sent(size=13, checksums=read), {})
    assert bucket.object("a") is None
    left = ceph.client().list_multipart_uploads(Bucket=bucket.name)
    assert not left.get("Uploads")


def test_a_file_that_changes_while_it_is_sent_is_not_published(
    moto: Server,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def put(*words: object, real: Callable[..., None] = s3.Bucket.put) -> None:
        source.write_bytes(b"changed" * 1000)
        real(*words)

    monkeypatch.setattr(s3.Bucket, "put", put)
    repository = moto.repository()
    with pytest.raises(IntegrityError):
        repository.put(AUTH, "1.0", source.name, source)


def test_a_file_changed_in_the_bucket_is_an_integrity_error(
    moto: Server,
    source: Path,
    tmp_path: Path,
) -> None:
    repository = moto.repository()
    repository.put(AUTH, "1.0", source.name, source)
    metadata = {"sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
    moto.client().put_object(Bucket=repository.bucket, Key=KEY, Body=b"rotten", Metadata=metadata)
    with pytest.raises(IntegrityError, match="from its metadata"):
        repository.fetch(AUTH, "1.0", source.name, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    with pytest.raises(IntegrityError, match="6 bytes"):
        repository.put(AUTH, "1.0", source.name, source)


def test_what_another_tool_stored_is_read_to_compare_it(moto: Server, source: Path, tmp_path: Path) -> None:
    repository = moto.repository()
    moto.client().put_object(Bucket=repository.bucket, Key=KEY, Body=source.read_bytes())
    repository.put(AUTH, "1.0", source.name, source)
    source.write_bytes(b"other")
    with pytest.raises(Conflict, match="other content"):
        repository.put(AUTH, "1.0", source.name, source)


class _Store(BaseHTTPRequestHandler):
    """A server that keeps objects in memory and does as its class says."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[bytes, str]]
    lock: threading.Lock
    knows_condition = True
    lies = False
    loses = 0

    def log_message(self, *words: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("Content_Length_", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _object(self) -> None:
        if self.path not in self.objects:
            return self._answer(404)
        body, sha256 = self.objects[self.path]
        if self.lies:
            sha256 = "0" * 64
        etag = hashlib.md5(body).hexdigest()
        return self._answer(200, body, ETag=f'"{etag}"', x_amz_meta_sha256=sha256)

    do_GET = do_HEAD = _object

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "If-None-Match" in self.headers and not self.knows_condition:
            return self._answer(501, b"<Error><Code>NotImplemented</Code></Error>")
        with self.lock:
            if "If-None-Match" in self.headers and self.path in self.objects:
                return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            self.objects[self.path] = body, self.headers.get("x-amz-meta-sha256", "")
        if type(self).loses:
            type(self).loses -= 1
            self.close_connection = True
            return None  # stored, and the answer is lost
        return self._answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')


def _store(**manner: object) -> type[_Store]:
    return type("Store", (_Store,), {"objects": {}, "lock": threading.Lock(), **manner})


def test_a_server_without_the_condition_is_read_again(source: Path, credentials: str, tmp_path: Path) -> None:
    with web_server(_store(knows_condition=False)) as port:
        repository = at(f"http://127.0.0.1:{port}", credentials)
        repository.put(AUTH, "1.0", source.name, source)
        repository.put(AUTH, "1.0", source.name, source)
        changed_file = tmp_path / "other"
        changed_file.write_bytes(b"other")
        with pytest.raises(Conflict):
            repository.put(AUTH, "1.0", source.name, changed_file)


def test_a_lost_answer_is_no_conflict_with_oneself(source: Path, credentials: str) -> None:
    store = _store(loses=1)
    with web_server(store) as port:
        at(f"http://127.0.0.1:{port}", credentials).put(AUTH, "1.0", source.name, source)
    assert len(store.objects) == 1


def test_a_server_that_lies_about_the_checksum_is_found_out(source: Path, credentials: str, tmp_path: Path) -> None:
    with web_server(_store(lies=True)) as port:
        repository = at(f"http://127.0.0.1:{port}", credentials)
        with pytest.raises((IntegrityError, Conflict)):
            repository.put(AUTH, "1.0", source.name, source)
        with pytest.raises(IntegrityError):
            repository.fetch(AUTH, "1.0", source.name, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (answering(b"cut off", 200, length=1000), RemoteUnavailable),
        (answering(b"", 401), Denied),
        (answering(b"<Error><Code>AccessDenied</Code></Error>", 403), Denied),
        (answering(b"<Error><Code>NoSuchKey</Code></Error>", 404), NotFound),
        (answering(b"", 429), RemoteUnavailable),
        (answering(b"busy", 503), RemoteUnavailable),
        (answering(b"", 302), SluicegateError),
    ],
)
def test_a_server_that_gives_something_else_leaves_no_file(
    tmp_path: Path,
    credentials: str,
    handler: type[BaseHTTPRequestHandler],
    error: type[SluicegateError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3, "TRIES", 1)
    with web_server(handler) as port:
        repository = at(f"http://127.0.0.1:{port}", credentials)
        with pytest.raises(error) as caught:
            repository.fetch(AUTH, "1.0", "auth-1.0.zip", tmp_path / "fetched")
    assert type(caught.value) is error
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize("page", [b"<html><p>Please log in</html>", b"<html><body>Please log in</body></html>"])
def test_a_login_page_is_no_answer_of_an_s3_server(tmp_path: Path, credentials: str, source: Path, page: bytes) -> None:
    with web_server(answering(page)) as port:
        repository = at(f"http://127.0.0.1:{port}", credentials)
        with pytest.raises((IntegrityError, Conflict)):
            repository.put(AUTH, "1.0", source.name, source)
        with pytest.raises((IntegrityError, RemoteUnavailable)):
            repository.names(AUTH, "1.0")
        with pytest.raises(IntegrityError):
            repository.fetch(AUTH, "1.0", source.name, tmp_path / "fetched")


def test_without_boto3_the_extra_is_named(moto: Server, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    place = settings(endpoint=moto.endpoint, bucket="releases", credentials={"profile": "ci"})
    with pytest.raises(MissingProgram) as caught:
        S3Repository.configure("releases", place, CONFIG).put(AUTH, "1.0", source.name, source)
    assert "-m pip install '" in caught.value.hint and "[s3]'" in caught.value.hint


def test_nobody_there_is_remote(source: Path, credentials: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "TRIES", 1)
    with pytest.raises(RemoteUnavailable):
        at(f"http://127.0.0.1:{free_port()}", credentials).put(AUTH, "1.0", source.name, source)


def test_credentials_come_from_the_environment(
    moto: Server,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = moto.repository().bucket
    where = settings(endpoint=moto.endpoint, bucket=bucket)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UsageError, match="credentials"):
        S3Repository.configure("releases", where, CONFIG).put(AUTH, "1.0", source.name, source)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    S3Repository.configure("releases", where, CONFIG).put(AUTH, "1.0", source.name, source)


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("[ci]\naws_access_key_id = a\naws_secret_access_key = s3cr3t\n", 0o644, "may be read by others"),
        ("[other]\naws_access_key_id = a\naws_secret_access_key = s3cr3t\n", 0o600, "no profile"),
        ("[ci]\ns3cr3t\n", 0o600, "no profile"),
        ("s3cr3t = 1\n", 0o600, "no profile"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_credentials_file_that_is_not_right_is_named_and_not_shown(
    tmp_path: Path, source: Path, content: str | None, mode: int, message: str
) -> None:
    path = tmp_path / "credentials"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(UsageError, match=message) as caught:
        at("http://127.0.0.1:9", str(path)).put(AUTH, "1.0", source.name, source)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None or "s3cr3t" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "'bucket' is missing"),
        ({"bucket": "No/Bucket"}, "expected 3 to 63"),
        ({"bucket": "releases", "endpoint": "s3.example.com"}, "https://s3.example.com"),
        ({"bucket": "releases", "endpoint": "https://key:secret@s3.example.com"}, "expected a form"),
        ({"bucket": "releases", "prefix": "../up"}, "begins with '.'"),
        ({"bucket": "releases", "credentials": "s3cr3t"}, "expected one of: env"),
        ({"bucket": "releases", "credentials": {"file": "here"}}, "absolute path"),
        ({"bucket": "releases", "format": "raw"}, "expected one of: maven2"),
        ({"bukcet": "releases"}, "Did you mean 'bucket'"),
    ],
)
def test_wrong_settings_name_their_place(wrong: dict[str, Plain], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        S3Repository.configure("releases", settings(**wrong), CONFIG)
    assert str(caught.value).startswith("sluicegate.yaml:7: ")


def test_an_object_whose_metadata_says_more_than_it_holds_is_found_out(source: Path, credentials: str) -> None:
    """Of the same size and under the right checksum, as who may write to the bucket can leave it."""
    store = _store()
    with web_server(store) as port:
        repository = at(f"http://127.0.0.1:{port}", credentials)
        repository.put(AUTH, "1.0", source.name, source)
        ((place, (body, sha256)),) = store.objects.items()
        store.objects[place] = body[::-1], sha256
        with pytest.raises(IntegrityError, match="holds 7000 bytes with MD5"):
            repository.put(AUTH, "1.0", source.name, source)
