"""Plays a stream in a real browser with hls.js, Shaka Player or dash.js, and tells what happened.

The player's page comes from this repository, but the browser sees it on the stream's own origin: Playwright
answers for `/__players__/`, everything else goes to the server under test, with no CORS in between.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import av
import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Page, Route
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from support import browser, counter
from support.pages import PLAYERS, page_file

__all__ = ["Picture", "PlaybackError", "Player", "PlayerState", "play"]

PlayerName = Literal["hls", "shaka", "dash"]

_LICENCE = "/__players__/licence"


class PlaybackError(AssertionError):
    """The player did not get where it should; the message has its state, errors and last events."""


@dataclass(frozen=True)
class PlayerState:
    """A look at the page. Times of the media are in seconds, `first_frame_ms` is milliseconds since the epoch."""

    current_time: float
    duration: float | None
    paused: bool
    ended: bool
    ready_state: int
    first_frame_ms: float | None
    frames_shown: int
    frames_dropped: int
    width: int
    height: int
    errors: tuple[str, ...]
    events: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A screenshot of the video element: luma of shape (height, width)."""

    luma: NDArray[np.uint8]

    @property
    def mean(self) -> float:
        """Mean luma, 0 to 255."""
        return float(self.luma.mean())

    @property
    def deviation(self) -> float:
        """Standard deviation of the luma: 0 for a plain surface."""
        return float(self.luma.std())

    @property
    def is_black(self) -> bool:
        """Whether there is nothing to see: dark all over, or a plain surface."""
        return self.mean < 20 or self.deviation < 4

    @property
    def frame_number(self) -> int:
        """The counter of a generated clip's frame. Errors: CounterError."""
        return counter.read(self.luma)


class Player:
    """A player that runs in a browser page. Every wait ends in PlaybackError after `timeout_seconds`."""

    def __init__(self, page: Page, timeout_seconds: float) -> None:
        self.page = page
        self._timeout_ms = timeout_seconds * 1000

    async def state(self) -> PlayerState:
        """What the page knows now."""
        document: dict[str, Any] = await self.page.evaluate("() => window.bench.state()")
        errors, events = document.pop("errors"), document.pop("events")
        return PlayerState(**document, errors=tuple(errors), events=tuple(events))

    async def errors(self) -> Sequence[str]:
        """Every error the player, the video element or the page has reported so far."""
        return (await self.state()).errors

    async def first_frame(self) -> PlayerState:
        """Wait until the first picture is on the screen."""
        return await self._reach("() => window.bench.firstFrame !== null || window.bench.errors.length > 0")

    async def until(self, seconds: float) -> PlayerState:
        """Wait until the media clock has passed `seconds`, or the title has ended there."""
        return await self._reach(
            f"() => window.bench.passed({seconds!r}) || window.bench.errors.length > 0",
        )

    async def seek(self, seconds: float) -> PlayerState:
        """Go to `seconds` and wait until a picture from there is shown."""
        await self.page.evaluate(f"() => window.bench.seek({seconds!r})")
        return await self._reach("() => window.bench.arrived || window.bench.errors.length > 0")

    async def show_text(self, index: int = 0) -> None:
        """Choose a text track, in the order of the manifest."""
        await self.page.evaluate(f"() => window.bench.showText({index})")

    async def text_shown(self) -> list[str]:
        """What the cues on the screen say now, as people read it: without markup and entities."""
        shown: list[str] = await self.page.evaluate("() => window.bench.textShown()")
        return shown

    async def until_text(self, text: str) -> PlayerState:
        """Wait until a cue that says this is on the screen."""
        return await self._reach(
            f"() => window.bench.textShown().includes({json.dumps(text)}) || window.bench.errors.length > 0"
        )

    async def pause(self) -> None:
        """Stop the media clock, for a screenshot of one known frame."""
        await self.page.evaluate("() => window.bench.video.pause()")

    async def screenshot(self, path: str | None = None) -> Picture:
        """What the video element shows; `path` keeps the PNG file too."""
        data = await self.page.locator("video").screenshot(path=path)
        with av.open(BytesIO(data), mode="r", format="png_pipe") as image:
            frame = next(image.decode(video=0))
        return Picture(frame.to_ndarray(format="gray").astype(np.uint8, copy=False))

    async def _reach(self, condition: str) -> PlayerState:
        try:
            await self.page.wait_for_function(condition, timeout=self._timeout_ms, polling=50)
        except PlaywrightTimeoutError as error:
            raise PlaybackError(f"timed out waiting for {condition}: {await self.state()}") from error
        state = await self.state()
        if state.errors:
            raise PlaybackError(f"the player reported {list(state.errors)}; events: {list(state.events[-20:])}")
        return state


@contextlib.asynccontextmanager
async def play(
    url: str,
    *,
    player: PlayerName = "hls",
    until: float | None = None,
    start_seconds: float | None = None,
    timeout_seconds: float = 60,
    autoplay: bool = True,
    licence: bytes | None = None,
) -> AsyncIterator[Player]:
    """Open `url` (a manifest) in a player and play; with `until`, wait for that media time first.

    `start_seconds` asks the player to begin there (an unfinished title begins at 0 only when told so). `licence` is
    what a ClearKey licence server answers: a JSON Web Key Set.
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"

    async def answer(route: Route) -> None:
        if licence is not None and urlsplit(route.request.url).path == _LICENCE:
            await route.fulfill(body=licence, content_type="application/json")
            return
        path = page_file(player, urlsplit(route.request.url).path.removeprefix("/__players__/"))
        if path is None:
            await route.fulfill(status=404, body="")
        else:
            await route.fulfill(path=path)

    for name in (PLAYERS[player][0], "player.js"):
        page_file(player, name)
    async with browser.launch() as chromium:
        page = await chromium.new_page(viewport={"width": 1280, "height": 720})
        await page.route(f"{origin}/__players__/**", answer)
        query = f"url={quote(url, safe='')}"
        query += "" if start_seconds is None else f"&start={start_seconds!r}"
        query += "" if autoplay else "&autoplay=0"
        query += "" if licence is None else f"&licence={_LICENCE}"
        await page.goto(f"{origin}/__players__/{PLAYERS[player][0]}?{query}")
        running = Player(page, timeout_seconds)
        if until is not None:
            await running.until(until)
        yield running
