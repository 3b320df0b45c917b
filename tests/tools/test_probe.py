"""Whether a service says that it is the version that was installed."""

from __future__ import annotations

import pytest

from sluicegate.errors import SluicegateError
from sluicegate.tools.probe import wait_for_version
from tests.parts import answering, web_server


def test_what_was_built_as_a_snapshot_may_say_so() -> None:
    with web_server(answering(b"1.4.2-SNAPSHOT")) as port:  # it was built before its publication had a time
        url = f"http://127.0.0.1:{port}/version"
        wait_for_version(url, "1.4.2-20261123.093012-1", seconds=1)
        for version in ("1.4.2", "1.4.3-20261123.093012-1"):
            with pytest.raises(SluicegateError, match=r"answered '1\.4\.2-SNAPSHOT'"):
                wait_for_version(url, version, seconds=0)
