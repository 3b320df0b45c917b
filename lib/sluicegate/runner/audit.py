"""logs/audit.log: who changed what from where, one JSON object a line; ten files of 10 MB."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path


class File(RotatingFileHandler):
    """The file. What it does not take is told in one line."""

    def handleError(self, record: logging.LogRecord) -> None:
        logging.getLogger(__name__).warning("audit.log takes nothing: %s", sys.exc_info()[1])


class Audit:
    """The log of a home. A disk that takes nothing of it stops nobody; the server's own log says so."""

    def __init__(self, home: Path) -> None:
        folder = home / "logs"
        folder.mkdir(exist_ok=True, mode=0o750)
        self._handler = File(folder / "audit.log", maxBytes=10 << 20, backupCount=9, delay=True)

    def note(
        self, *, user: str, address: str, action: str, status: int, claimed: str = "", told: Mapping[str, str]
    ) -> None:
        """Write one line: `action` is the method and the path, `status` what was answered.

        `claimed` is the user who somebody without a login said to be, `told` what else was said of the change.
        """
        row: dict[str, object] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "user": user,
            "from": address,
            "action": action,
            "status": status,
        }
        if claimed:
            row["claimed"] = claimed
        if told:
            row["with"] = dict(told)
        self._handler.handle(logging.makeLogRecord({"msg": json.dumps(row), "levelno": logging.INFO}))

    def close(self) -> None:
        self._handler.close()
