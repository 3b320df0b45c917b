"""How long tests look for input that breaks something: a bounded time in CI, as long as you like by hand."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("SLUICEGATE_EXAMPLES", "40"))
"""Examples of each property: 40 take seconds; SLUICEGATE_EXAMPLES=20000 an hour or so."""


def searching(share: float = 1.0) -> settings:
    """Settings of a property test that makes `share` times EXAMPLES examples."""
    return settings(
        max_examples=max(5, int(EXAMPLES * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )
