"""The only doors to the outside: processes, files, HTTP, Git. Each call passes `door`, so that tests can fail it."""
