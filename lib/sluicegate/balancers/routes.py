"""Which path of the users' address leads to which component."""

from __future__ import annotations

import re

from sluicegate.model.config import Config
from sluicegate.model.settings import Settings, suggestion


def read_routes(settings: Settings, config: Config) -> dict[str, str]:
    """The setting `routes`: component -> path prefix. Raises ConfigError for unknown components and odd paths."""
    routes = settings.mapping("routes")
    for component, prefix in routes.items():
        if component not in config.components:
            raise settings.fail(f"no component is called '{component}'.{suggestion(component, [*config.components])}")
        if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", prefix):
            raise settings.fail(f"the route of '{component}' is '{prefix}', expected a path such as /{component}")
    return routes
