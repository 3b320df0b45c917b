"""Drivers for ways onto a host, one a file."""
