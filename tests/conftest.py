"""What every test has: a home of its own, Git's user, no foreign settings; in CI a skipped test is a failed one."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from sluicegate.tools import door, scratch
from tests.parts import available_memory
from tests.worlds import Shop

if TYPE_CHECKING:
    from tests.real import gateway, servers

IN_CI = os.environ.get("CI") == "true"
FOREIGN = (
    "BUILD_ID",
    "BUILD_NUMBER",
    "BUILD_URL",
    "JOB_NAME",
    "WORKSPACE",
    "JENKINS_URL",
    "JENKINS_TOKEN",
    "SLUICEGATE_REPO",
)
FOREIGN_FAMILIES = ("GIT_", "XDG_")

MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes that must be free there."""


def has_room(folder: Path) -> bool:
    """Whether programs can be started there, and there is room in it and in the memory that stands behind it."""
    try:
        system = os.statvfs(folder)
        free = min(system.f_bavail * system.f_frsize, available_memory())
    except (OSError, ValueError):  # a system without the one or the other
        return False
    return free >= ROOM and not system.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


# Whoever is started in the background of a shell script ignores Ctrl-C, and all that the tests start would as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# In CI the same examples each time: a submission is judged by what it changes. At a desk Hypothesis goes on searching.
# No test measures time: a machine may be busy.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if IN_CI else "desk")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Most of what tests write is synced to the disk, and they waited for that: of 165 s 41 are left.

    Tests with real parts stay on the disk: Puppet, for one, makes no folder below /dev.
    """
    if "not real" in config.option.markexpr and "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # whoever asked before asks again


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


SERVERS = ("nexus", "ceph")
"""Servers that take long to start: the tests that name one run in one process (`--dist loadgroup`)."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Tests of a server, else of a file, stay together; pytest-xdist 3.8 finds no marks for that since pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByServer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((name for name in SERVERS if name in nodeid), nodeid.partition("::")[0])

    return ByServer(config, log) if config.getvalue("dist") == "loadgroup" else None


left_out = pytest.StashKey[int]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count what needs root and was left out: a run that does not say so looks whole."""
    for item in items:
        if item.get_closest_marker("root"):
            item.config.stash[left_out] = item.config.stash.get(left_out, 0) + 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash.get(left_out, 0):
        sentence = f"{count} test{'s' if count != 1 else ''} marked root left out; as root: python -m pytest -m root"
        terminalreporter.write_line(sentence)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home with Git's user in it."""
    folder = tmp_path_factory.mktemp("home")
    for part in ("hooks", "info"):  # without Git's samples of hooks, which are most of a small repository's files
        (folder / "template" / part).mkdir(parents=True)
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = olle\n\temail = olle@example.com\n"
        f"[init]\n\tdefaultBranch = main\n\ttemplateDir = {folder}/template\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n in FOREIGN or n.startswith(FOREIGN_FAMILIES)]:
            patch.delenv(name)
        (folder / ".puppet/cache").mkdir(parents=True)  # Puppet makes none above its own
        patch.setenv("HOME", str(folder))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield folder
    scratch.sweep()  # tests kill commands that have temporary folders


@pytest.fixture(autouse=True)
def open_door() -> Iterator[None]:
    """Nothing that watches the outside calls outlives its test."""
    yield
    door.watcher = None


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Shop.opened(tmp_path_factory.mktemp("opened")) as shop:
        yield shop


@pytest.fixture(scope="session")
def launched(opened: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened.copied(tmp_path_factory.mktemp("launched")) as shop:
        shop.to_production(auth="1.0.0", portal="1.0.0")
        yield shop


@pytest.fixture(scope="session")
def renewed(launched: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with launched.copied(tmp_path_factory.mktemp("renewed")) as shop:
        shop.to_production(auth="2.0.0")
        yield shop


@pytest.fixture(scope="session")
def accepted(launched: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with launched.copied(tmp_path_factory.mktemp("accepted")) as shop:
        shop.to_staging(auth="2.0.0")
        shop.accepted(auth="2.0.0")
        yield shop


@pytest.fixture
def shop(opened: Shop, tmp_path: Path) -> Iterator[Shop]:
    """A delivery repo in which nothing has happened yet."""
    with opened.copied(tmp_path) as copy:
        yield copy


@pytest.fixture
def live(launched: Shop, tmp_path: Path) -> Iterator[Shop]:
    """auth and portal 1.0.0 are in integration, staging and production (green); blue is empty."""
    with launched.copied(tmp_path) as copy:
        yield copy


@pytest.fixture
def ready(accepted: Shop, tmp_path: Path) -> Iterator[Shop]:
    """As `live`; auth 2.0.0 runs in staging and may go to production."""
    with accepted.copied(tmp_path) as copy:
        yield copy


@pytest.fixture
def again(renewed: Shop, tmp_path: Path) -> Iterator[Shop]:
    """After a second swap: auth 2.0.0 in production (blue); green still has auth 1.0.0. Users may stay there."""
    with renewed.copied(tmp_path) as copy:
        yield copy


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway.Server]:
    from tests.real import gateway

    with gateway.running_ceph(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway.Server]:
    from tests.real import gateway

    with gateway.running_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def running_nexus() -> Iterator[tuple[str, ...]]:
    from tests.real import servers

    with servers.running_nexus() as place:
        yield place


@pytest.fixture
def nexus(running_nexus: tuple[str, ...]) -> Iterator[servers.Nexus]:
    from tests.real import servers

    with servers.borrowed(running_nexus) as nexus:
        yield nexus
