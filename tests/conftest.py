"""Settings of the whole test run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hypothesis import settings

# Real servers, started for the first test that asks for them.
pytest_plugins = ["support.truth_fixtures"]

# Processes that a test starts find `support` too.
_TESTS = str(Path(__file__).parent)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_TESTS, os.environ.get("PYTHONPATH"))))

# A shell that starts the tests in the background has its children ignore SIGINT, and theirs: what a test starts is to
# be interrupted as in a terminal. A handler is not inherited, so they get the default again.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing that a test starts may report to anybody.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# Generated examples take as long as the machine is slow: a deadline would make the tests flaky, not faster.
settings.register_profile("framemill", deadline=None, derandomize=os.environ.get("REQUIRE_REAL") == "1")
settings.load_profile("framemill")
