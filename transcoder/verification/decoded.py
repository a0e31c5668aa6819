"""Every frame decodes, at the time that the container says."""

from __future__ import annotations

from array import array

from transcoder.errors import FramemillError
from transcoder.verification.decoding import decode_rendition
from transcoder.verification.report import Findings
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_decoded"]


def check_decoded(title: PublishedTitle, track: Track, findings: Findings) -> None:
    """A rendition decodes in full: one in clear, or one whose key is known. Other keys are a failed check."""
    protection = track.init.protection if track.init else None
    key = None
    if protection is not None:
        if title.keys is None:
            findings.note(f"{track.id} is encrypted and was not decoded: no keys were given")
            return
        key = title.keys.get(protection.key_id)
        if key is None:
            findings.add("key", track.id, False, f"the key {protection.key_id}", "other keys only")
            return
    expected, found, problems = array("q", sorted(track.pts)), 0, list[str]()
    try:
        for tick in decode_rendition(track.pieces(title.open_object), track.kind, key):
            if not problems and (found >= len(expected) or tick != expected[found]):
                problems.append(f"frame {found} at tick {tick}")
            found += 1
    except FramemillError as error:
        problems.append(error.message)
    if found != len(expected):
        problems.append(f"{found} frames")
    findings.none_of("decode", track.id, f"{len(expected)} frames at their times", problems)
    findings.extend_summary(track.id, decoded=found)
