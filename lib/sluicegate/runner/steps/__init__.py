"""Build steps by XML tag: one family a file. Third parties add theirs by the entry point group `sluicegate.steps`."""
