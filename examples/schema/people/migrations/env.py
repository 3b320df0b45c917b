"""Alembic's environment: the address from DATABASE_URL, and the database's write lock before anything is changed."""

import os

from alembic import context
from sqlalchemy import create_engine

LOCK_SECONDS = 1.0

engine = create_engine(os.environ["DATABASE_URL"], connect_args={"timeout": LOCK_SECONDS, "isolation_level": None})
with engine.connect() as connection:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises "database is locked" when somebody else has it
    context.configure(connection=connection, transactional_ddl=False)
    context.run_migrations()
    connection.exec_driver_sql("COMMIT")
