"""Headless Chromium from the system's packages, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

from support.requirements import missing

__all__ = ["chromium_path", "launch"]

ARGUMENTS = (
    # The tests often run as root in a container, where Chromium's sandbox cannot be set up.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # Nothing but the page under test may reach out.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium_path() -> str:
    """The system's Chromium; where there is none the test is skipped, or fails with REQUIRE_REAL=1."""
    return shutil.which("chromium") or missing("chromium")


@contextlib.asynccontextmanager
async def launch() -> AsyncIterator[Browser]:
    """A fresh headless browser with an empty profile."""
    executable = chromium_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, headless=True, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
