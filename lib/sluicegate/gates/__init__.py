"""Rules that read evidence, one a file."""
