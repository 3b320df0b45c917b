"""Which version of this service runs."""

from pathlib import Path


def read_version(folder: Path) -> str:
    """The released version (RELEASE, written by the build), else MAJOR.MINOR from VERSION and `.dev`."""
    release = folder / "RELEASE"
    if release.exists():
        return release.read_text().strip()
    return (folder / "VERSION").read_text().strip() + ".dev"
