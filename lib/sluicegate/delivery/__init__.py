"""The life of a version: publish, pins, ledger, gates, promote, deploy, swap, roll back, explain."""
