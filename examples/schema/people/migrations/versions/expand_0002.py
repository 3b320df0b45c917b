"""Room for given and family name."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "expand_0002", "expand_0001"
GIVEN, FAMILY = "substr({name}, 1, {blank} - 1)", "substr({name}, {blank} + 1)"


def upgrade() -> None:
    op.add_column("people", sa.Column("given", sa.Text))
    op.add_column("people", sa.Column("family", sa.Text))
    # What version 1 writes while both run gets its parts by itself.
    if op.get_bind().dialect.name == "postgresql":
        given, family = parts("name", "strpos(name, ' ')")
        op.execute(f"UPDATE people SET given = {given}, family = {family}")
        given, family = parts("NEW.name", "strpos(NEW.name, ' ')")
        op.execute(
            "CREATE FUNCTION people_parts() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN NEW.given := {given}; NEW.family := {family}; RETURN NEW; END $$"
        )
        op.execute(
            "CREATE TRIGGER people_parts BEFORE INSERT ON people FOR EACH ROW WHEN (NEW.family IS NULL)"
            " EXECUTE FUNCTION people_parts()"
        )
    else:
        given, family = parts("name", "instr(name, ' ')")
        op.execute(f"UPDATE people SET given = {given}, family = {family}")
        op.execute(
            "CREATE TRIGGER people_parts AFTER INSERT ON people WHEN NEW.family IS NULL BEGIN UPDATE people SET"
            f" given = {given}, family = {family} WHERE id = NEW.id; END"
        )


def parts(name: str, blank: str) -> tuple[str, str]:
    """Given and family name of a name, which is split at its first blank."""
    return GIVEN.format(name=name, blank=blank), FAMILY.format(name=name, blank=blank)
