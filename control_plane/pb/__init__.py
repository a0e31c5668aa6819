"""Stubs of the gRPC API, generated from proto/ by `make proto`. Nothing here is written by hand."""
