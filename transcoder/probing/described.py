"""What a container says of its streams and PyAV has no attribute for: read from libav's own description of the source.

A container's metadata appear there too, so a hostile source can put words of its own choosing in: nothing here is more
than what a container may say anyway.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

import av.container
import av.logging

from transcoder.media import DolbyVision

__all__ = ["Described", "describe_streams"]

_STREAM = re.compile(r"^  Stream #\d+:(\d+)")
_DOLBY = re.compile(r"^      DOVI configuration record: .*profile: (\d+), level: (\d+),.* compatibility id: (\d+)")
_CROP = re.compile(r"^      Frame [Cc]ropping: (\d+)/(\d+)/(\d+)/(\d+)")

# The description comes through the log, whose level is one for the process. What other threads say meanwhile goes to
# Python's loggers, and ends here.
_LOG = Lock()
logging.getLogger("libav").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Described:
    """`crop` is what to cut off the decoded picture: pixels at the top, bottom, left, right."""

    dolby_vision: DolbyVision | None = None
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)


def describe_streams(container: av.container.InputContainer) -> dict[int, Described]:
    """What is said of each stream, by index. A stream of which nothing is said is not in it."""
    with _LOG:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            text: str = cast(Any, container).dumps_format()
        finally:
            av.logging.set_level(level)
    return parse(text)


def parse(text: str) -> dict[int, Described]:
    """The description, stream by stream."""
    found: dict[int, Described] = {}
    index = -1
    for line in text.splitlines():
        stream, dolby, crop = _STREAM.match(line), _DOLBY.match(line), _CROP.match(line)
        known = found.get(index, Described())
        if stream:
            index = int(stream[1])
        elif dolby:
            profile, level, compatibility = (int(number) for number in dolby.groups())
            vision = DolbyVision(profile=profile, level=level, compatibility=compatibility)
            found[index] = Described(vision, known.crop)
        elif crop:
            left, right, top, bottom = (int(number) for number in crop.groups())
            found[index] = Described(known.dolby_vision, (top, bottom, left, right))
    return found
