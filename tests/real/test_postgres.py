"""The example with Alembic on a real PostgreSQL: the columns come and go, and its locks are really contended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect

from sluicegate.errors import SluicegateError
from sluicegate.model.evidence import Migrated
from tests.delivery.changes.test_schema_example import EXAMPLE, archive, opened, publish
from tests.real.postgres import postgres
from tests.worlds import Shop

pytestmark = pytest.mark.real
SECOND = ("expand_0002.py", "contract_0002.py")
LOCK = "SELECT pg_advisory_xact_lock(hashtext('people schema'))"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def database(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection to the empty database."""
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    engine = create_engine(address)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
        connection.commit()
        yield connection
    engine.dispose()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with opened(tmp_path) as opened_shop:
        yield opened_shop


def columns(connection: Connection) -> list[str]:
    connection.rollback()
    names = [column["name"] for column in inspect(connection).get_columns("people")]
    connection.rollback()
    return names


def run(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    answer = connection.exec_driver_sql(statement)
    rows = [tuple(row) for row in answer] if answer.returns_rows else []
    connection.commit()
    return rows


def test_the_columns_come_and_go_and_both_versions_write_meanwhile(
    shop: Shop, database: Connection, tmp_path: Path
) -> None:
    publish(shop, tmp_path, "1.0.0", *SECOND)
    shop.sync()
    assert columns(database) == ["id", "name"]
    run(database, "INSERT INTO people (name) VALUES ('Anna Berg')")
    (tmp_path / "files").mkdir()
    (tmp_path / "files/people.tar.gz").write_bytes(archive(tmp_path))
    step(tmp_path / "files", "expand")
    run(database, "INSERT INTO people (name) VALUES ('Rita Ek')")
    assert columns(database) == ["id", "name", "given", "family"]
    publish(shop, tmp_path, "2.0.0")
    shop.tested("auth", "1.0.0")
    shop.sync()
    assert columns(database) == ["id", "given", "family"]
    assert run(database, "SELECT given, family FROM people ORDER BY id") == [("Anna", "Berg"), ("Rita", "Ek")]
    steps = [(r.version, r.step) for r in shop.chronicle("integration") if isinstance(r, Migrated)]
    assert steps == [(v, step) for v in ("1.0.0", "2.0.0") for step in ("expand", "verify", "contract")]


def step(files: Path, name: str) -> float:
    """Run a step from a desk; how long it took, in seconds. Raises CalledProcessError with what it printed."""
    began = time.monotonic()
    words = [str(EXAMPLE / "steps.sh"), name]
    subprocess.run(
        words, env={**os.environ, "SLUICEGATE_FILES": str(files)}, check=True, capture_output=True, text=True
    )
    return time.monotonic() - began


def test_a_migration_that_finds_another_one_at_work_gives_up_and_no_host_is_changed(
    shop: Shop, database: Connection, tmp_path: Path
) -> None:
    database.exec_driver_sql(LOCK)  # as another migration has it, to its end
    publish(shop, tmp_path, "1.0.0", *SECOND)
    with pytest.raises(SluicegateError, match=r"(?s)expand ended with status 1.*lock timeout"):
        shop.sync()
    assert shop.running("int1") == {}
    database.rollback()
    assert not inspect(database).has_table("people")
    database.rollback()
    shop.sync()
    assert shop.running("int1") == {"auth": "1.0.0"} and columns(database) == ["id", "name"]


def test_of_two_migrations_at_once_each_changes_it_alone(database: Connection, tmp_path: Path) -> None:
    """Without the lock both would find no table, and the second would fail over the first one's."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files/people.tar.gz").write_bytes(archive(tmp_path, *SECOND))
    ends: list[str] = []

    def migrate() -> None:
        try:
            step(tmp_path / "files", "expand")
            ends.append("done")
        except subprocess.CalledProcessError as problem:
            ends.append("lock timeout" if "lock timeout" in problem.stderr else problem.stderr)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ends) <= {"done", "lock timeout"} and "done" in ends
    assert columns(database) == ["id", "name"]


def test_behind_a_long_transaction_it_waits_a_second_leaves_nothing_and_runs_again(
    database: Connection, address: str, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/people.tar.gz").write_bytes(archive(tmp_path, *SECOND))
    step(tmp_path / "files", "expand")
    (tmp_path / "files/people.tar.gz").write_bytes(archive(tmp_path))
    database.exec_driver_sql("SELECT * FROM people")  # a report that somebody forgot
    with pytest.raises(subprocess.CalledProcessError) as problem:
        step(tmp_path / "files", "expand")
    assert "lock timeout" in problem.value.stderr
    users_engine = create_engine(address)
    with users_engine.connect() as users:
        run(users, "INSERT INTO people (name) VALUES ('Olle Ek')")
    users_engine.dispose()
    database.rollback()
    assert columns(database) == ["id", "name"]
    step(tmp_path / "files", "expand")
    assert run(database, "SELECT given, family FROM people") == [("Olle", "Ek")]
