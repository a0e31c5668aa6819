"""The HTTP door: /v1."""
