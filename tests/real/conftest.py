"""Fixtures of real servers; starting one may take longer than a test."""

from __future__ import annotations

from tests.real.servers import nexus, running_nexus

__all__ = ["nexus", "running_nexus"]
