"""What every test gets: a Git that knows who it is, a cache of its own; organisations to start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.tools import door
from tests.shop import Shop

GIT_CONFIG = """\
[user]
  name = olle
  email = olle@example.com
[core]
  fsync = none
[gc]
  auto = 0
[maintenance]
  auto = false
"""


@pytest.fixture(autouse=True, scope="session")
def settings_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    (home / "gitconfig").write_text(GIT_CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SLUICEGATE_REPO", "BUILD_URL", "WORKSPACE", "GIT_DIR", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@pytest.fixture(autouse=True)
def open_door() -> Iterator[None]:
    """Nothing that watches the outside calls outlives its test."""
    yield
    door.watcher = None


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop.opened(tmp_path_factory.mktemp("opened"))
    yield shop
    shop.close()


@pytest.fixture(scope="session")
def launched(opened: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = opened.copied(tmp_path_factory.mktemp("launched"))
    shop.to_production(auth="1.0.0", portal="1.0.0")
    yield shop
    shop.close()


@pytest.fixture(scope="session")
def renewed(launched: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = launched.copied(tmp_path_factory.mktemp("renewed"))
    shop.to_production(auth="2.0.0")
    yield shop
    shop.close()


@pytest.fixture
def shop(opened: Shop, tmp_path: Path) -> Iterator[Shop]:
    """A delivery repo in which nothing has happened yet."""
    copy = opened.copied(tmp_path)
    yield copy
    copy.close()


@pytest.fixture
def live(launched: Shop, tmp_path: Path) -> Iterator[Shop]:
    """auth and portal 1.0.0 are in integration, staging and production (green); blue is empty."""
    copy = launched.copied(tmp_path)
    yield copy
    copy.close()


@pytest.fixture
def again(renewed: Shop, tmp_path: Path) -> Iterator[Shop]:
    """After a second swap: auth 2.0.0 in production (blue); green still has auth 1.0.0. Users may stay there."""
    copy = renewed.copied(tmp_path)
    yield copy
    copy.close()
