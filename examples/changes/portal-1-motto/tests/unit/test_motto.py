from portal.page import MOTTO, page


def test_the_motto_is_on_the_page() -> None:
    assert MOTTO in page("", "2.0.3")
