"""Whether a service says that it is the version that was installed."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest

from sluicegate.errors import SluicegateError
from sluicegate.tools.probe import wait_for_version
from tests.parts import web_server


class _Early(BaseHTTPRequestHandler):
    """An application that was built as a SNAPSHOT, before its publication had a time."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"1.4.2-SNAPSHOT")

    def log_message(self, *words: object) -> None:
        pass


def test_what_was_built_as_a_snapshot_may_say_so() -> None:
    with web_server(_Early) as port:
        url = f"http://127.0.0.1:{port}/version"
        wait_for_version(url, "1.4.2-20261123.093012-1", seconds=1)
        for other in ("1.4.2", "1.4.3-20261123.093012-1"):
            with pytest.raises(SluicegateError, match=r"answered '1\.4\.2-SNAPSHOT'"):
                wait_for_version(url, other, seconds=0)
