"""`name` goes, and what kept it in step; it needs the columns that expand made."""

from alembic import op

revision, down_revision, depends_on = "contract_0002", "contract_0001", "expand_0002"


def upgrade() -> None:
    op.execute("DROP TRIGGER people_parts")
    op.drop_column("people", "name")
