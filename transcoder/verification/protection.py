"""Scheme and key id are the same wherever they are named."""

from __future__ import annotations

from transcoder.packaging.drm import Signal
from transcoder.verification.report import Findings
from transcoder.verification.title import PublishedTitle
from transcoder.verification.track import Track

__all__ = ["check_protection"]


def check_protection(title: PublishedTitle, track: Track, findings: Findings) -> None:
    """Scheme and key id are the same in the init segment, in both manifests, and in the plan.

    That every sample of an encrypted track has its encryption information is part of reading the segments.
    """
    found = _protection(track)
    signals = [track.listed.signal]
    if title.dash is not None and track.id in title.dash.renditions:
        signals.append(title.dash.renditions[track.id].signal)
    plan = title.plan
    if plan is not None and track.id in dict(plan.key_classes):
        signals.append(plan.encryption.signal(track.id) if plan.encryption else None)
    for expected in dict.fromkeys(_named(signal) for signal in signals):
        findings.same("encryption", track.id, expected, found)


def _protection(track: Track) -> str:
    """What the init segment says, in the words of `_named`."""
    protection = track.init.protection if track.init else None
    return f"{protection.scheme} with key {protection.key_id}" if protection else "none"


def _named(signal: Signal | None) -> str:
    return f"{signal.scheme} with key {signal.key_id}" if signal else "none"
