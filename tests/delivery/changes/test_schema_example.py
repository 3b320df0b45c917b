"""The example with Alembic: examples/schema, from version 1 to the end of the way back."""

from __future__ import annotations

import os
import sqlite3
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.errors import GateRefused, SluicegateError
from sluicegate.model.evidence import Migrated
from tests.worlds import CONFIG, Shop

pytest.importorskip("alembic", reason="the extra dev has it")
EXAMPLE = Path(__file__).parents[3] / "examples" / "schema"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/people.db")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return tmp_path / "people.db"


def opened(folder: Path) -> Shop:
    """A shop whose component `auth` has the steps of the example."""
    steps = ", ".join(f"{step}: [{EXAMPLE}/steps.sh, {step}]" for step in ("expand", "verify", "contract"))
    text = CONFIG.decode().replace("  auth:   {", f"  auth:   {{schema: {{{steps}, timeout: 1 min}}, ")
    return Shop.opened(folder / "shop", text.encode())


@pytest.fixture
def shop(tmp_path: Path, database: Path) -> Iterator[Shop]:
    with opened(tmp_path) as live_shop:
        yield live_shop


def archive(folder: Path, *left_out: str) -> bytes:
    """The files of a version; version 1 had no second revisions yet."""
    place = folder / "people.tar.gz"
    with tarfile.open(place, "w:gz") as packed:
        for path in sorted((EXAMPLE / "people").rglob("*")):
            if path.is_file() and path.name not in left_out and "__pycache__" not in path.parts:
                packed.add(path, path.relative_to(EXAMPLE / "people"))
    return place.read_bytes()


def columns(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(people)")]


def publish(shop: Shop, folder: Path, version: str, *left_out: str) -> None:
    from sluicegate.delivery.artifacts.publish import publish as publish_files
    from sluicegate.delivery.artifacts.source import Origin

    place = folder / f"auth-{version}.tar.gz"
    place.write_bytes(archive(folder, *left_out))
    shop.pass_time()
    publish_files(shop.by("ci"), "auth", version, [place], Origin(commit="c" * 40, author="olle", committed=shop.now))


def test_the_columns_come_and_go_with_the_versions(shop: Shop, database: Path, tmp_path: Path) -> None:
    second = ("expand_0002.py", "contract_0002.py")
    publish(shop, tmp_path, "1.0.0", *second)
    shop.sync()
    assert columns(database) == ["id", "name"]
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO people (name) VALUES ('Anna Berg')")
    publish(shop, tmp_path, "2.0.0")
    shop.tested("auth", "1.0.0")
    shop.sync()
    assert columns(database) == ["id", "given", "family"], "in place nothing is kept warm"
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT given, family FROM people").fetchall() == [("Anna", "Berg")]
    steps = [(r.version, r.step) for r in shop.chronicle("integration") if isinstance(r, Migrated)]
    assert steps == [(v, step) for v in ("1.0.0", "2.0.0") for step in ("expand", "verify", "contract")]
    with pytest.raises(GateRefused, match=r"auth=1\.0\.0 needs what the schema of 2\.0\.0 has no more"):
        shop.rollback("integration", "auth")


def test_a_lock_that_somebody_holds_stops_it_after_a_second_and_no_host_is_changed(
    shop: Shop, database: Path, tmp_path: Path
) -> None:
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("CREATE TABLE other (id)")
    holder.execute("BEGIN IMMEDIATE")
    publish(shop, tmp_path, "1.0.0", "expand_0002.py", "contract_0002.py")
    with pytest.raises(SluicegateError, match=r"(?s)expand ended with status 1.*database is locked"):
        shop.sync()
    assert shop.running("int1") == {}
    holder.execute("ROLLBACK")
    holder.close()
    shop.sync()
    assert shop.running("int1") == {"auth": "1.0.0"}
