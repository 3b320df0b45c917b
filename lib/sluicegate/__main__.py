"""`python -m sluicegate`."""

from sluicegate.cli.start import main

main()
