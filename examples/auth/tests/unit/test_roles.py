from auth.roles import roles_among


def test_groups_that_are_roles_count_in_alphabetical_order() -> None:
    assert roles_among(["viewer", "editor"]) == ("editor", "viewer")


def test_other_groups_are_ignored() -> None:
    assert roles_among(["viewer", "football"]) == ("viewer",)
