"""Quality: how near an encoded picture is to the scaled picture that went into its encoder.

PSNR and SSIM are always measured, so they must cost next to nothing. Measured on 1080p and 720p clips, one thread:

- libx264 knows both while it encodes, at 1 to 3 % of its time with preset veryfast. It tells them in its log only
  (`x264_report.py`), of every picture.
- No other encoder tells. Decoding its output costs 6 to 7 % of the time of libx265 (fast) and SVT-AV1 (preset 8), but
  would cost 30 % of libx264's; comparing costs 4 % of libx264's for every picture. So their output is decoded as it
  comes, and every fifth picture is compared (`comparison.py`): pictures that wait for their encoder stay in memory.

VMAF costs more than any encoding and is measured when asked, of every picture (`vmaf.py`).
"""

from __future__ import annotations

from transcoder.quality.meter import Meter, open_meter
from transcoder.quality.picture import PictureQuality, pooled_quality, segment_quality

__all__ = ["Meter", "PictureQuality", "open_meter", "pooled_quality", "segment_quality"]
