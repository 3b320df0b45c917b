"""A mirror of packages in a bucket, at a server that takes nothing."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sluicegate.errors import Denied
from sluicegate.repositories.mirror import Mirror, Public
from tests.parts import CONFIG, settings, web_server


class _ReadOnly(BaseHTTPRequestHandler):
    """Lists an empty bucket, and refuses what is to be stored."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, b"<ListBucketResult><Name>packages</Name><KeyCount>0</KeyCount></ListBucketResult>")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(403, b"<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.mark.parametrize("part", ["packages", "index", "entries"])
def test_a_bucket_that_may_not_be_written_is_said_so(part: str, tmp_path: Path) -> None:
    login = tmp_path / "login"
    login.write_text("[ci]\naws_access_key_id = any\naws_secret_access_key = secret\n")
    login.chmod(0o600)
    (tmp_path / "shop.rpm").write_bytes(b"a package")
    names: dict[str, tuple[str, ...]] = {"packages": (), "index": (), "entries": (), part: ("shop.rpm",)}
    with web_server(_ReadOnly) as port:
        driver_settings = settings(
            bucket="packages", endpoint=f"http://127.0.0.1:{port}", credentials={"file": str(login), "profile": "ci"}
        )
        mirror = Mirror.configure("rpm", driver_settings, CONFIG)
        with pytest.raises(Denied, match=r"AccessDenied: .*not yours"):
            mirror.bring(tmp_path, Public(**names), tmp_path / "known")
