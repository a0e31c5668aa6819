"""The command line: `framemill`."""
