"""sluicegate: continuous delivery for teams on Jenkins, written in YAML and Python."""

__version__ = "0.2.0"
