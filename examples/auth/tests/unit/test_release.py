from pathlib import Path

from auth.release import read_version


def test_a_released_service_names_its_release(tmp_path: Path) -> None:
    (tmp_path / "RELEASE").write_text("1.0.7\n")
    assert read_version(tmp_path) == "1.0.7"


def test_a_working_copy_says_dev(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("1.0\n")
    assert read_version(tmp_path) == "1.0.dev"
