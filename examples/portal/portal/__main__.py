"""Starts the service: python3 -m portal."""

import os
from pathlib import Path

from portal.people import AuthService
from portal.release import read_version
from portal.server import Portal
from portal.serving import run

run(
    Portal(
        people=AuthService(url=os.environ.get("AUTH_URL", "http://127.0.0.1:8001")),
        version=read_version(Path(__file__).parent.parent),
    ),
    name="portal",
    port=8002,
)
