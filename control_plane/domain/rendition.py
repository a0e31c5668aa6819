"""What was measured of the renditions of a finished package. Pure."""

from __future__ import annotations

from control_plane.service.views import RenditionView
from transcoder.packaging.package import Package

__all__ = ["measured_renditions"]

_ORDER = {"video": 0, "trick": 1, "audio": 2, "text": 3}


def measured_renditions(package: Package | None) -> tuple[RenditionView, ...]:
    """One view per rendition, tallest picture first; rates in bits per second, as the manifests say."""
    if package is None:
        return ()
    views = (
        RenditionView(
            id=rendition.id, kind=rendition.kind, codecs=rendition.codecs, width=rendition.width,
            height=rendition.height, frame_rate=rendition.frame_rate, bandwidth=package.bandwidth(rendition),
            average_bandwidth=package.average_bandwidth(rendition), size_bytes=rendition.size_bytes,
            language=rendition.language,
        )
        for rendition in package.renditions
    )  # fmt: skip
    return tuple(sorted(views, key=lambda view: (_ORDER[view.kind], -(view.height or 0), view.id)))
