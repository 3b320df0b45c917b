from auth.directory import person_dn


def test_a_user_is_found_under_people() -> None:
    assert person_dn("anna", "dc=example,dc=com") == "uid=anna,ou=people,dc=example,dc=com"


def test_a_user_name_cannot_lead_elsewhere_in_the_tree() -> None:
    assert person_dn("anna,ou=admins", "dc=x") == r"uid=anna\,ou\=admins,ou=people,dc=x"
