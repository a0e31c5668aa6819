"""The control plane of Framemill: the truth (PostgreSQL) and the doors (gRPC, HTTP, command line)."""
