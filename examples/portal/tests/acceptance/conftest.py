import pytest

from tests.browser import Browser


@pytest.fixture
def browser() -> Browser:
    return Browser()
