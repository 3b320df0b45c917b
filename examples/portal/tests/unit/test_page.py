from portal.page import greeting, page
from portal.people import Person


def test_a_person_is_greeted_with_the_roles() -> None:
    assert "Hello, anna (editor, viewer)" in greeting(Person(user="anna", roles=("editor", "viewer")))


def test_names_and_roles_cannot_bring_html_along() -> None:
    html = greeting(Person(user="<b>", roles=("<script>", '"')))
    assert "&lt;b&gt; (&lt;script&gt;, &quot;)" in html


def test_the_page_names_its_version() -> None:
    assert "portal 2.0.3" in page("", "2.0.3")
