"""Generated stubs of framemill.v1."""
