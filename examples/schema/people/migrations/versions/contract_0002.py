"""`name` goes, and what kept it in step; it needs the columns that expand made."""

from alembic import op

revision, down_revision, depends_on = "contract_0002", "contract_0001", "expand_0002"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER people_parts ON people")
        op.execute("DROP FUNCTION people_parts")
    else:
        op.execute("DROP TRIGGER people_parts")
    op.drop_column("people", "name")
