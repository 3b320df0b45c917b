"""The tests; they lie as the code does."""

import pytest

pytest.register_assert_rewrite("tests.worlds")
