"""`record reports`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Call

CONFIG = """\
repositories: {{releases: {{driver: directory, path: {root}/releases, url: "http://127.0.0.1"}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
hosts: {{app1: {{driver: local, folder: {root}/app1}}}}
groups: {{apps: [app1]}}
environments: {{integration: {{hosts: apps, deploy: {{driver: archive}}}}}}
"""


def test_strange_reports_are_told_and_an_empty_folder_is_none(
    calls: Callable[[str], Call], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call = calls(CONFIG)
    folder = tmp_path / "reports"
    (folder / "app9").mkdir(parents=True)

    def odd(*words: str) -> str:
        """What is printed by a command that ends with 1."""
        with pytest.raises(SystemExit) as end:
            call("record", "reports", *words)
        assert end.value.code == 1
        return capfd.readouterr().out

    assert call("record", "reports", str(folder)) == (0, f"no report is in {folder}\n")
    (folder / "app9" / "202611261000.yaml").write_text("host: app9\nstatus: changed\ntime: 2026-11-26\n")
    strange = "no host that is deployed to reports by this name"
    assert odd(str(folder)) == f"app9: stranger: {strange}\n"
    assert [report["outcome"] for report in json.loads(odd("--json", str(folder)))] == ["stranger"]
    (folder / "app9" / "202611261000.yaml").write_text("no: report\n")
    assert "unreadable: this is no report of Puppet" in odd(str(folder / "app9" / "202611261000.yaml"))
    code, printed = call("record", "reports", str(tmp_path / "nowhere"))
    assert code == 2 and "there is no report and no folder of reports at" in printed
