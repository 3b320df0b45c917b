"""HAProxy: the swap and the pool, its configuration, what stands in its files, and the running process."""
