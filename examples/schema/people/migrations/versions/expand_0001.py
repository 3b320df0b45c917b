"""The table as version 1 has it, and the branch of what makes room."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels = "expand_0001", None, ("expand",)


def upgrade() -> None:
    op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
