"""Blue-green, exactly."""

from __future__ import annotations

from tests.delivery.world import World


def test_a_version_goes_from_publish_to_production(world: World) -> None:
    world.to_production("auth=1.0.0", "portal=1.0.0")
    assert world.live() == {"auth": "1.0.0", "portal": "1.0.0"}
