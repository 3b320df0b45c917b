"""A version's files: published, fetched, found, verified, copied, signed, taken away."""
