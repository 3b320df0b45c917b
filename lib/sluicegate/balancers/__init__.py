"""Drivers for what leads users to a group, one a file."""
