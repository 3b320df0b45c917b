"""Drivers for what leads users to a group: a file each, a folder where it takes several."""
