"""What every test has: a home of its own, Git's user, no foreign settings; in CI a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI") == "true"
FOREIGN = ("BUILD_ID", "BUILD_URL", "WORKSPACE", "JENKINS_URL", "JENKINS_TOKEN", "SLUICEGATE_REPO")
FOREIGN_FAMILIES = ("GIT_", "XDG_")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew; then read the diff")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A whole module can be skipped too, while it is collected."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be skipped: {reason}"


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home with Git's user in it."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = olle\n\temail = olle@example.com\n[init]\n\tdefaultBranch = main\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n in FOREIGN or n.startswith(FOREIGN_FAMILIES)]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield folder
