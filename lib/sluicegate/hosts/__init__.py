"""Drivers for machines that run components, one a file."""
