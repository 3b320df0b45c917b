"""Refuse where a row has no family name: a row that expand missed, or that somebody wrote past it."""

import os
import sys

from sqlalchemy import create_engine

with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    columns = {row[1] for row in connection.exec_driver_sql("PRAGMA table_info(people)")}
    if "family" in columns:
        (left,) = connection.exec_driver_sql("SELECT count(*) FROM people WHERE family IS NULL").one()
        if left:
            sys.exit(f"{left} rows of people have no family name")
