"""One job or folder of a home: its config.xml, kept byte for byte, and its builds."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

from sluicegate.errors import Malformed
from sluicegate.model.jobs import path_of
from sluicegate.runner import jobxml
from sluicegate.runner.history import History
from sluicegate.runner.jobxml import JobConfig
from sluicegate.tools import beneath

UNREADABLE = b"<unreadable.config.xml/>"


class Item:
    """A job or folder. Its config.xml is parsed when first needed."""

    def __init__(self, full_name: str, folder: Path) -> None:
        self.full_name = full_name
        self.folder = folder
        self.history = History(full_name, folder)
        self._config: JobConfig | None = None
        self.taken: str | None = None
        """The SHA-256 of the config.xml that was posted last, and is the one that was parsed."""

    @property
    def name(self) -> str:
        return self.full_name.rpartition("/")[2]

    @property
    def display_name(self) -> str:
        return self.config.display_name or self.name

    @cached_property
    def path(self) -> str:
        """The relative URL, `job/team/job/inner/`. An item that is renamed is another item."""
        return path_of(self.full_name)

    @property
    def config(self) -> JobConfig:
        config = self._config
        if config is None:
            config = self._config = self._read()
        return config

    @property
    def is_read(self) -> bool:
        """Whether asking for `config` reads no file."""
        return self._config is not None

    def _read(self) -> JobConfig:
        try:
            return jobxml.parse(self.text(), source=f"{self.full_name}/config.xml")
        except (Malformed, OSError, ValueError, RecursionError) as problem:
            # Broken by hand on disk: the job is shown, says so when it is built, and can be posted anew.
            logging.getLogger(__name__).warning("the job %s cannot be read: %s", self.full_name, problem)
            return jobxml.parse(UNREADABLE)

    @property
    def is_folder(self) -> bool:
        return self.config.is_folder

    @property
    def buildable(self) -> bool:
        return not self.is_folder and not self.config.disabled

    @property
    def color(self) -> str:
        return "disabled" if self.config.disabled and not self.history.running else self.history.color()

    def text(self) -> bytes:
        """config.xml as it was posted."""
        return beneath.read(self.folder / "config.xml")
