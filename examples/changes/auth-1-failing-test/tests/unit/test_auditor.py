from auth.roles import KNOWN_ROLES, roles_among


def test_auditor_is_a_role() -> None:
    assert "auditor" in KNOWN_ROLES


def test_an_auditor_who_looks_has_both_roles() -> None:
    assert roles_among(["viewer", "auditor", "football"]) == ("auditor", "viewer")
