"""The command line: parse, call one delivery function, print."""
