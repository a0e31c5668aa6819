"""What to do when a test needs something this machine does not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["missing"]


def missing(what: str, variable: str = "REQUIRE_REAL") -> NoReturn:
    """Skip the running test because `what` is missing; fail it where the environment variable says 1.

    `REQUIRE_REAL=1` is set in CI, so that a test which never runs cannot look like one that passes.
    """
    if os.environ.get(variable) == "1":
        pytest.fail(f"{variable}=1, but {what} is missing", pytrace=False)
    pytest.skip(f"{what} is missing")
