"""Decisions of the control plane: pure, no I/O."""
