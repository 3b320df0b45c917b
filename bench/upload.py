"""What `sluicegate publish` does with the files of a version; publish.py times it as a process of its own."""

import os
import sys
from pathlib import Path

from sluicegate.delivery.artifacts.fetch import CONNECTIONS
from sluicegate.model.config import Component, Config
from sluicegate.model.settings import Settings
from sluicegate.repositories.nexus import NexusRepository
from sluicegate.tools.parallel import each

values = {
    "url": os.environ["SLUICEGATE_NEXUS_URL"],
    "repository": "raw",
    "format": "raw",
    "credentials": {"netrc": os.environ["SLUICEGATE_NEXUS_NETRC"]},
}
config = Config(repositories={}, components={}, environments={})
driver = NexusRepository.configure("raw", Settings(where="bench", values=values), config)
component = Component(name=os.urandom(6).hex(), repository="raw", group="bench")
results = each(sys.argv[1:], lambda file: driver.put(component, "1.0", Path(file).name, Path(file)), CONNECTIONS)
if results.first_failure is not None:
    raise results.first_failure
