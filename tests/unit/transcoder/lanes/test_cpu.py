"""The CPU lane: a source that changes midway goes on in the same rendition; encoders share a task's memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from support import ffmpeg, plans

from transcoder.ladder import BUILT_IN, Rendition, resolve
from transcoder.lanes.cpu import CpuLane
from transcoder.media import Colour
from transcoder.plan import Chunk, Segment, VideoTrack

BT709 = Colour(primaries=1, transfer=1, matrix=1)

# Orange (200, 60, 30) in each matrix and range, by the definitions: Y, Cb, Cr.
SHAPES = (
    ((320, 180), "yuv420p", (1, 1, 1, 1), (91, 101, 191)),
    ((160, 120), "yuv422p", (6, 6, 6, 1), (101, 90, 186)),
    ((640, 360), "yuvj444p", (1, 1, 1, 2), (88, 97, 199)),
    ((64, 400), "yuv444p", (5, 6, 5, 1), (101, 90, 186)),
)


def track(renditions: tuple[Rendition, ...]) -> VideoTrack:
    return VideoTrack(
        stream_index=0, origin_pts=0, time_base=Fraction(1, 25), timescale=12_800, frame_rate=Fraction(25),
        frame_count=40, renditions=renditions, colour=BT709,
    )  # fmt: skip


def test_size_format_range_and_colour_may_change(tmp_path: Path) -> None:
    rung = Rendition(
        id="v", codec="h264", width=320, height=180, colour=BT709, preset="veryfast", crf=10, max_bitrate=4_000_000,
        buffer=6_000_000,
    )  # fmt: skip
    chunk = Chunk(index=0, segments=(Segment(number=1, start=Fraction(0), end=Fraction(8, 5)),))
    encoder = CpuLane().open(track((rung,)), chunk, tmp_path, last=True, threads=1)
    for number in range(40):
        (width, height), form, (primaries, transfer, matrix, depth), colour = SHAPES[number // 10]
        frame = av.VideoFrame(width, height, form)
        for plane, value in zip(frame.planes, colour, strict=True):
            plane.update(bytes([value]) * (plane.line_size * plane.height))
        frame.color_primaries, frame.color_trc = primaries, transfer
        frame.colorspace, frame.color_range = matrix, depth
        encoder.encode(frame, number * 512, starts_segment=number == 0)
    path = encoder.finish(40 * 512)["v"]
    raw = ffmpeg.run(["-i", str(path), "-f", "rawvideo", "-pix_fmt", "yuv444p", "-"])
    pictures = np.frombuffer(raw, np.uint8).reshape(40, 3, 180, 320)[:, :, 90, 160].astype(int)
    # BT.601's primaries are others than BT.709's, so the colour moves; how far, zimg says as well.
    for first, expected in ((0, (91, 101, 191)), (10, (95, 93, 181)), (20, (91, 101, 191)), (30, (94, 97, 186))):
        assert np.abs(pictures[first : first + 10] - expected).max() <= 2


def test_encoders_that_do_not_fit_together_take_turns() -> None:
    media = plans.media_of(10, height=1080)
    passes = {
        name: [len(part.renditions) for part in CpuLane().passes(track(resolve(ladder, media)))]
        for name, ladder in BUILT_IN.items()
    }
    assert passes == {"h264": [5], "hevc": [2, 3], "av1": [1, 4]}
    small = plans.media_of(10, height=480)
    assert [len(CpuLane().passes(track(resolve(ladder, small)))) for ladder in BUILT_IN.values()] == [1, 1, 1]
