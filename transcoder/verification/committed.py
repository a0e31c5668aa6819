"""The package is the one that the engine committed."""

from __future__ import annotations

from transcoder.packaging.package import segment_path
from transcoder.verification.report import Findings
from transcoder.verification.title import PublishedTitle

__all__ = ["check_committed"]


def check_committed(title: PublishedTitle, findings: Findings) -> None:
    """Where the package model is known: every segment is, byte for byte, the committed one."""
    if title.package is None:
        return
    ids = sorted(rendition.id for rendition in title.package.renditions)
    findings.same("committed-renditions", None, ids, sorted(title.hls.renditions))
    for rendition in title.package.renditions:
        track = title.tracks.get(rendition.id)
        if track is None or track.init is None:
            continue
        findings.same(
            "codec-configuration", rendition.id, rendition.codec_config_sha256, track.init.codec_config_sha256
        )
        expected = {segment_path(rendition.id, s.number): s.sha256 for s in rendition.segments}
        found = {segment.path: segment.sha256 for segment in track.segments}
        findings.none_of(
            "committed-segments", rendition.id, "every segment is the committed one",
            (f"{path} is another" if path in found else f"{path} is missing"
             for path in expected if found.get(path) != expected[path]),
        )  # fmt: skip
