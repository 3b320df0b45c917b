"""Drivers for places where artifacts live, one a file."""
