import pytest

from auth.server import Auth
from tests.unit.fakes import FakeDirectory


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory(anna={"viewer", "editor", "qa"}, rita={"viewer"})


@pytest.fixture
def auth(directory: FakeDirectory) -> Auth:
    return Auth(directory=directory, version="1.0.7")
