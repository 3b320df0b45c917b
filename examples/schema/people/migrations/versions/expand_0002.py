"""Room for given and family name."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "expand_0002", "expand_0001"


def upgrade() -> None:
    op.add_column("people", sa.Column("given", sa.Text))
    op.add_column("people", sa.Column("family", sa.Text))
    op.execute(
        "UPDATE people SET given = substr(name, 1, instr(name, ' ') - 1), family = substr(name, instr(name, ' ') + 1)"
    )
    # What version 1 writes while both run gets its parts by itself.
    op.execute(
        "CREATE TRIGGER people_parts AFTER INSERT ON people WHEN NEW.family IS NULL BEGIN UPDATE people SET"
        " given = substr(name, 1, instr(name, ' ') - 1), family = substr(name, instr(name, ' ') + 1)"
        " WHERE id = NEW.id; END"
    )
