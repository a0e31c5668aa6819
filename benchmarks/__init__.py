"""Workloads that say what Framemill costs. One file a subject; results are JSON with the machine's description."""
