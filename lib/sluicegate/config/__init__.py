"""sluicegate.yaml -> Config.

`reading.py`: its sections; `entries.py`: single entries; `trust.py`: whom to believe; `checks.py`: what must fit.
"""

from sluicegate.config.reading import read_config

__all__ = ["read_config"]
