"""The gRPC door: framemill.v1."""
