"""Alembic's environment: the address from DATABASE_URL, and a lock before anything is changed.

SQLite has one lock for who writes. PostgreSQL has an advisory one, which hinders nobody but other migrations, and
none of its statements waits longer than a second behind a long transaction, as all others would wait behind it.
"""

import os

from alembic import context
from sqlalchemy import create_engine

LOCK_SECONDS = 1.0
BEGINNING = {
    "sqlite": ("BEGIN IMMEDIATE",),  # raises "database is locked" when somebody else has it
    "postgresql": (
        f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'",
        "SELECT pg_advisory_xact_lock(hashtext('people schema'))",
    ),
}
OPTIONS = {"sqlite": {"connect_args": {"timeout": LOCK_SECONDS, "isolation_level": None}}}

url = os.environ["DATABASE_URL"]
dialect = url.partition(":")[0].partition("+")[0]
with create_engine(url, **OPTIONS.get(dialect, {})).connect() as connection:
    for statement in BEGINNING[dialect]:
        connection.exec_driver_sql(statement)
    context.configure(connection=connection, transactional_ddl=False)  # all of it is one transaction, ours
    context.run_migrations()
    connection.exec_driver_sql("COMMIT")
