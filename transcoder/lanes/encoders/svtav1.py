"""AV1 by SVT-AV1."""

from __future__ import annotations

import os

from transcoder.ladder import Rendition
from transcoder.lanes.encoders.base import EncoderSettings

__all__ = ["bytes_per_pixel", "settings"]

# The library tells of itself on stderr, unless this says that only errors are of interest.
os.environ.setdefault("SVT_LOG", "1")


def bytes_per_pixel(preset: str) -> int:
    """Memory that the encoder takes for each pixel of a picture, at 8 bits, as measured."""
    return 210 if int(preset) >= 9 else 400 if int(preset) >= 4 else 600


def settings(rendition: Rendition, *_: object) -> EncoderSettings:
    """A key frame where a segment starts and nowhere else, the same sequence header in every chunk.

    Pictures that are decoded ahead are hidden in the temporal unit of the one that is shown (AV1, 7.5), so samples are
    in the order of presentation. Of all degrees of parallelism only the first makes the same bytes each time when the
    cap is felt; the rungs still run beside each other.

    Mastering display and content light are the container's to say (`mdcv`, `clli`): Shaka Packager 3.8 cannot encrypt
    samples with metadata OBUs.
    """
    parameters = [
        "keyint=-1", "scd=0", "enable-overlays=0", "pred-struct=2", "lp=1",
        # Left alone, the cap may be exceeded by half. SVT-AV1 keeps it on average over a chunk; of a buffer, and so of
        # a chunk's budget, it knows nothing where quality is the aim.
        "mbr-overshoot-pct=0",
    ]  # fmt: skip
    return EncoderSettings(
        name="libsvtav1",
        pixel_format="yuv420p" if rendition.bits == 8 else "yuv420p10le",
        options={
            "preset": rendition.preset,
            "crf": str(rendition.crf),
            "maxrate": str(rendition.max_bitrate),
            "svtav1-params": ":".join(parameters),
        },
    )
