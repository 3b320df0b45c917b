"""Directories of people: who somebody is, and in which groups. One driver a file."""
