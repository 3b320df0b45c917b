"""The worked example as a replayable scenario."""
