"""WebVTT files (W3C WebVTT, 4.1): written for players, read strictly for the verifier."""

from __future__ import annotations

import re
from collections.abc import Iterable

from transcoder.errors import VerificationError
from transcoder.text.cues import Cue

__all__ = ["HEADER", "read_webvtt", "write_webvtt"]

HEADER = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n"
"""Title time 0 is decode time 0 of every rendition (RFC 8216, 3.5): our clocks need no other map. DASH players, whose
periods start at 0 too, take the line for a comment of the header."""

_TIME = r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(_TIME + r"[ \t]+-->[ \t]+" + _TIME + r"(?:[ \t]+(.*))?", re.ASCII)
_MOST_BYTES = 128 << 20


def write_webvtt(cues: Iterable[Cue], header: str = HEADER) -> bytes:
    """A WebVTT file of these cues, in their order; valid also without any."""
    blocks = [header]
    for cue in cues:
        settings = f" {cue.settings}" if cue.settings else ""
        blocks.append(f"{_stamp(cue.start)} --> {_stamp(cue.end)}{settings}\n{cue.payload}\n")
    return "\n".join(blocks).encode()


def read_webvtt(data: bytes) -> tuple[Cue, ...]:
    """The cues of a WebVTT file in their order.

    Errors: VerificationError where it is not one, or where a cue is damaged: a player would skip it silently.
    """
    if len(data) > _MOST_BYTES:
        raise _wrong("it is too large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _wrong("it is not UTF-8") from error
    if "\0" in text or not re.match(r"WEBVTT(?=[ \t\n]|\Z)", text):
        raise _wrong("it does not begin with WEBVTT")
    header, *blocks = re.split(r"\n{2,}", text.rstrip("\n"))
    if "-->" in header:
        raise _wrong("its header is not followed by an empty line")
    return tuple(_cue(block) for block in blocks if not block.startswith(("NOTE", "STYLE", "REGION")))


def _cue(block: str) -> Cue:
    lines = block.split("\n")
    if "-->" not in lines[0]:
        lines = lines[1:]  # an identifier
    timing = _TIMING.fullmatch(lines[0]) if lines else None
    if timing is None:
        raise _wrong(f"a cue has no times: {block[:40]!r}")
    begin, finish = _milliseconds(timing.groups()[:4]), _milliseconds(timing.groups()[4:8])
    payload = "\n".join(lines[1:])
    if finish <= begin or not payload or "-->" in payload:
        raise _wrong(f"the cue at {_stamp(begin)} is empty or ends before it begins")
    return Cue(begin, finish, payload, (timing.group(9) or "").strip())


def _milliseconds(fields: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, thousandths = (int(field or 0) for field in fields)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _stamp(time: int) -> str:
    seconds, thousandths = divmod(time, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{thousandths:03d}"


def _wrong(reason: str) -> VerificationError:
    return VerificationError(f"not a valid WebVTT file: {reason}")
