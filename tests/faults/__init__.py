"""What breaks: processes that die, networks, files, people. Test names carry the number of the hostile case."""
