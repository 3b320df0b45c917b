"""Refuse where a row has no family name: a row that expand missed, or that somebody wrote past it."""

import os
import sys

from sqlalchemy import create_engine, inspect

with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    if "family" in {column["name"] for column in inspect(connection).get_columns("people")}:
        (left,) = connection.exec_driver_sql("SELECT count(*) FROM people WHERE family IS NULL").one()
        if left:
            sys.exit(f"{left} rows of people have no family name")
