"""Files on their way from a trigger to its build."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

from sluicegate.runner.parameters import Parameter
from sluicegate.runner.uploads import SPARED, Uploads, place_in


def test_a_file_stays_as_long_as_something_waits_with_it_or_a_build_has_it(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    waiting, built, left = (uploads.keep(io.BytesIO(text), "a") for text in (b"waiting", b"built", b"left"))
    file_parameter = Parameter(name="dir/A", value="a", sha256=built.sha256)
    uploads.hand_over([file_parameter, Parameter(name="B", value="b")], tmp_path / "1")
    assert (
        place_in(tmp_path / "1", file_parameter).read_bytes() == b"built"
        and not (tmp_path / "1/fileParameters/B").exists()
    )
    uploads.sweep([])
    assert len(os.listdir(uploads.folder)) == 3
    old = time.time() - SPARED - 1
    for path in uploads.folder.iterdir():
        os.utime(path, (old, old))
    uploads.sweep([Parameter(name="A", value="a", sha256=waiting.sha256)])
    assert sorted(os.listdir(uploads.folder)) == sorted([waiting.sha256, built.sha256])
    assert left.sha256 not in os.listdir(uploads.folder)
