"""Requests to S3 servers as AWS' own tools make them: signatures, addresses, and where keys are found."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from sluicegate.errors import UsageError
from sluicegate.tools import awskeys, s3
from sluicegate.tools.sigv4 import EMPTY, Keys, query, signed

EXAMPLE = Keys(key="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("target", "headers", "signature"),
    [
        ("/test.txt", {"Range": "bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/?lifecycle=", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_the_examples_of_the_reference_get_its_signatures(target: str, headers: dict[str, str], signature: str) -> None:
    sent = {"Host": "examplebucket.s3.amazonaws.com", **headers}
    found = signed(EXAMPLE, "us-east-1", "GET", target, sent, datetime(2013, 5, 24, tzinfo=UTC))
    assert found["Authorization"].endswith(f"Signature={signature}")


@given(key=TEXT, prefix=TEXT, metadata=TEXT, token=st.sampled_from(["", "a/token+of=sts"]))
def test_any_request_is_signed_as_botocore_signs_it(key: str, prefix: str, metadata: str, token: str) -> None:
    target = f"/bucket{s3.place(key)}?{query({'prefix': prefix, 'partNumber': '1'})}"
    sent = {
        "Host": "127.0.0.1:7480",
        "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
        "x-amz-meta-Note": metadata.encode("ascii", "ignore").decode() or "x",
        "x-amz-content-sha256": EMPTY,
    }
    keys = Keys(key="AKIA", secret="s3cr3t", token=token)
    peer = AWSRequest("PUT", f"http://127.0.0.1:7480{target}", headers=sent)
    S3SigV4Auth(Credentials("AKIA", "s3cr3t", token or None), "s3", "eu-central-1").add_auth(peer)
    now = datetime.strptime(peer.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    found = signed(keys, "eu-central-1", "PUT", target, sent, now)
    assert found["Authorization"] == peer.headers["Authorization"]


@pytest.mark.parametrize(
    ("bucket", "endpoint", "region"),
    [
        ("releases", "", "eu-central-1"),
        ("with.dots", "", "eu-central-1"),
        ("releases", "", "cn-north-1"),
        ("releases", "https://s3.example.com", "eu-central-1"),
    ],
)
def test_a_bucket_is_where_boto3_looks_for_it(bucket: str, endpoint: str, region: str) -> None:
    peer = boto3.client(
        "s3",
        region_name=region,
        endpoint_url=endpoint or None,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=boto3.session.Config(s3={"addressing_style": "path" if endpoint else "auto"}),
    )
    asked: list[str] = []

    def sent(request: AWSPreparedRequest, **rest: object) -> AWSResponse:
        asked.append(request.url)
        return AWSResponse(request.url, 200, {}, HTTPResponse(io.BytesIO(b""), preload_content=False))

    peer.meta.events.register("before-send.s3", sent)
    peer.head_object(Bucket=bucket, Key="a b/+ü~")
    ours = s3.Bucket(bucket, keys=lambda: EXAMPLE, endpoint=endpoint, region=region)
    assert asked == [f"{ours.url}{s3.place('a b/+ü~')}"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of AWS' tools with nothing in it."""
    for name in ("PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path


def test_the_environment_comes_before_profiles_and_a_named_profile_before_that(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no credentials"):
        awskeys.Found("").keys()
    (home / "credentials").write_text(
        "[default]\naws_access_key_id = d\naws_secret_access_key = 1\n"
        "[ci]\naws_access_key_id = c\naws_secret_access_key = 2\naws_session_token = t\n"
    )
    assert awskeys.Found("").keys() == Keys(key="d", secret="1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "e")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "3")
    assert awskeys.Found("").keys() == Keys(key="e", secret="3")
    assert awskeys.Found("ci").keys() == Keys(key="c", secret="2", token="t")
    with pytest.raises(UsageError, match="nobody"):
        awskeys.Found("nobody").keys()


def test_the_region_is_that_of_the_environment_or_the_profile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert awskeys.Found("").region() == ""
    (home / "config").write_text("[default]\nregion = eu-west-1\n[profile ci]\nregion = eu-north-1\n")
    assert (awskeys.Found("").region(), awskeys.Found("ci").region()) == ("eu-west-1", "eu-north-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert awskeys.Found("ci").region() == "us-west-2"


def test_no_secret_is_ever_shown() -> None:
    assert "s3cr3t" not in repr(Keys(key="a", secret="s3cr3t", token="s3cr3t"))
