"""The branch of what takes away; version 1 takes nothing away."""

revision, down_revision, branch_labels = "contract_0001", None, ("contract",)


def upgrade() -> None:
    pass
