"""Settings of the whole test run."""

from __future__ import annotations

import os

from hypothesis import settings

# Real servers, started for the first test that asks for them.
pytest_plugins = ["support.truth_fixtures"]

# Nothing that a test starts may report to anybody.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# Generated examples take as long as the machine is slow: a deadline would make the tests flaky, not faster.
settings.register_profile("framemill", deadline=None, derandomize=os.environ.get("REQUIRE_REAL") == "1")
settings.load_profile("framemill")
