"""From a decoded picture to a rung's: upright, whole, in the planned colour, whatever the source's format is."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support import ffmpeg

from transcoder.ladder import Rendition
from transcoder.lanes.picture import PictureFormat, PictureGraph
from transcoder.media import Colour
from transcoder.plan import VideoTrack

BT709 = Colour(primaries=1, transfer=1, matrix=1)
BT601 = Colour(primaries=6, transfer=6, matrix=6)
BT2020 = Colour(primaries=9, transfer=14, matrix=9)
PQ = Colour(primaries=9, transfer=16, matrix=9)
HLG = Colour(primaries=9, transfer=18, matrix=9)
SRGB = Colour(primaries=1, transfer=1, matrix=0, full_range=True)


def track(
    size: tuple[int, int],
    *,
    colour: Colour = BT709,
    delivered: Colour = BT709,
    bits: Literal[8, 10] = 8,
    rotation: int = 0,
    mirrored: bool = False,
    peak: int = 1000,
) -> VideoTrack:
    rung = Rendition(
        id="v", codec="hevc", width=size[0], height=size[1], bits=bits, colour=delivered, preset="veryfast", crf=23,
        max_bitrate=1, buffer=1,
    )  # fmt: skip
    return VideoTrack(
        stream_index=0, origin_pts=0, time_base=Fraction(1, 25), timescale=1000, frame_rate=Fraction(25),
        frame_count=1, renditions=(rung,), colour=colour, rotation=rotation, mirrored=mirrored, peak_luminance=peak,
    )  # fmt: skip


def made(frame: av.VideoFrame, planned: VideoTrack, folder: Path) -> av.VideoFrame:
    frame.pts, frame.time_base = 0, Fraction(1, 1000)
    graph = PictureGraph(planned, PictureFormat.of(frame, planned.colour), folder, 1)
    (picture,) = graph.pictures(frame)
    return picture


def planes(picture: av.VideoFrame) -> list[NDArray[np.int64]]:
    deep = max(component.bits for component in picture.format.components) > 8
    found = []
    for plane in picture.planes:
        values = np.frombuffer(bytes(plane), "<u2" if deep else np.uint8).reshape(plane.height, -1)
        found.append(values[:, : plane.width].astype(np.int64))
    return found


def middle(picture: av.VideoFrame) -> list[int]:
    return [int(plane[plane.shape[0] // 2, plane.shape[1] // 2]) for plane in planes(picture)]


def flat(rgb: tuple[int, int, int], pixel_format: str, size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """One colour in any format. The matrix, where there is one, is BT.709's; no tags say so."""
    values = np.zeros((size[1], size[0], 3), np.uint8)
    values[:] = rgb
    # In two steps: some formats have no path of their own from RGB that knows of matrices.
    frame = av.VideoFrame.from_ndarray(values, format="rgb24")
    layout = av.VideoFormat(pixel_format, 2, 2)
    if not layout.is_rgb and "j" not in pixel_format:
        frame = frame.reformat(format="yuv444p16le", dst_colorspace=1)
    frame = frame.reformat(format=pixel_format, dst_colorspace=1)
    frame.colorspace, frame.color_range = 2, 2 if "j" in pixel_format else 0
    return frame


# BT.709 of the colour below: Y = 16 + 219 * (0.2126 R + 0.7152 G + 0.0722 B) and so on.
ORANGE, ORANGE_YUV = (200, 60, 30), (91, 100, 191)

FORMATS = (
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p", "yuv440p", "nv12", "uyvy422", "yuv420p10le",
    "yuv422p10le", "yuv444p12le", "p010le", "yuva420p", "yuva444p10le", "rgb24", "bgra", "gbrp", "gbrp10le",
    "gbrap12le", "rgb48le", "rgba64le",
)  # fmt: skip


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_every_format_keeps_its_colour(pixel_format: str, tmp_path: Path) -> None:
    picture = made(flat(ORANGE, pixel_format), track((32, 24)), tmp_path)
    assert picture.format.name == "yuv420p"
    assert (int(picture.colorspace), int(picture.color_range)) == (1, 1)
    assert np.abs(np.subtract(middle(picture), ORANGE_YUV)).max() <= 1


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    frame = flat((100, 100, 100), "yuv420p10le")
    ramp = np.arange(64, 64 + 64 * 48, dtype="<u2").reshape(48, 64) % 876 + 64
    frame.planes[0].update(ramp.tobytes())
    picture = made(frame, track((64, 48), bits=10), tmp_path)
    assert picture.format.name == "yuv420p10le"
    assert (planes(picture)[0] == ramp).all()


def test_a_picture_of_the_rungs_size_and_format_is_not_touched(tmp_path: Path) -> None:
    frame = flat(ORANGE, "yuv420p")
    noise = np.random.default_rng(1).integers(16, 235, (48, 64), np.uint8)
    frame.planes[0].update(noise.tobytes())
    assert (planes(made(frame, track((64, 48)), tmp_path))[0] == noise).all()


@pytest.mark.parametrize("pixel_format", ["rgba", "yuva444p", "yuva420p", "gbrap", "rgba64le"])
def test_alpha_lies_over_black(pixel_format: str, tmp_path: Path) -> None:
    values = np.zeros((48, 64, 4), np.uint8)
    values[:] = (*ORANGE, 128)
    values[:, 32:, 3] = 0
    frame = av.VideoFrame.from_ndarray(values, format="rgba")
    if pixel_format != "rgba":
        frame = frame.reformat(format=pixel_format, dst_colorspace=1)
    frame.colorspace, frame.color_range = 2, 0
    picture = made(frame, track((64, 48)), tmp_path)
    left, right = [plane[10, 5] for plane in planes(picture)], [plane[10, -5] for plane in planes(picture)]
    assert np.abs(np.subtract(left, (54, 114, 160))).max() <= 2
    assert np.abs(np.subtract(right, (16, 128, 128))).max() <= 1


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_all_eight_orientations(rotation: int, mirrored: bool, tmp_path: Path) -> None:
    luma = np.full((48, 64), 40, np.uint8)
    luma[:12, :16], luma[:12, -16:], luma[-12:, :16] = 200, 150, 100
    frame = flat((0, 0, 0), "yuv420p")
    frame.planes[0].update(luma.tobytes())
    seen = np.rot90(luma[:, ::-1] if mirrored else luma, -rotation // 90)
    planned = track((seen.shape[1], seen.shape[0]), rotation=rotation, mirrored=mirrored)
    assert (planes(made(frame, planned, tmp_path))[0] == seen).all()


@pytest.mark.parametrize("pixel_format", ["yuv422p", "yuv411p", "gray", "rgb24", "yuv440p"])
def test_other_formats_turn_as_well(pixel_format: str, tmp_path: Path) -> None:
    frame = flat((120, 120, 120), pixel_format)
    picture = made(frame, track((48, 64), rotation=90), tmp_path)
    assert (picture.width, picture.height) == (48, 64)


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (2, 90), (333, 3)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    picture = made(flat(ORANGE, "yuv420p", size), track((32, 32)), tmp_path)
    assert np.abs(np.subtract(middle(picture), ORANGE_YUV)).max() <= 3


def test_a_pictures_own_word_comes_before_the_plans(tmp_path: Path) -> None:
    frame = flat(ORANGE, "yuv420p")
    frame.colorspace, frame.color_primaries, frame.color_trc = 1, 1, 1
    picture = made(frame, track((32, 24), colour=BT601), tmp_path)
    assert np.abs(np.subtract(middle(picture), ORANGE_YUV)).max() <= 1


def zscaled(yuv: NDArray[np.uint16], filters: str) -> NDArray[np.int64]:
    """Colours of 10 bits, shape (n, 3), through another converter: zimg, by FFmpeg 9. Gives 8 bits, shape (n, 3)."""
    raw = np.repeat(yuv.T[:, None, :], 2, axis=1).astype("<u2").tobytes()
    arguments = ["-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", f"{len(yuv)}x2", "-i", "-", "-vf", filters]
    output = ffmpeg.run([*arguments, "-f", "rawvideo", "-pix_fmt", "yuv444p", "-"], stdin=raw)
    return np.frombuffer(output, np.uint8).reshape(3, 2, len(yuv))[:, 0].T.astype(np.int64)


def converted(yuv: NDArray[np.uint16], source: Colour, folder: Path, *, peak: int = 1000) -> NDArray[np.int64]:
    """The same colours through the filter graph: each a tile of 8 by 8 pixels, so that chroma is a tile's own."""
    tiles = np.kron(yuv.T[:, None, :], np.ones((1, 8, 8), "<u2")).astype("<u2")
    frame = av.VideoFrame(tiles.shape[2], 8, "yuv444p10le")
    for plane, values in zip(frame.planes, tiles, strict=True):
        padded = np.zeros((8, plane.line_size // 2), "<u2")
        padded[:, : values.shape[1]] = values
        plane.update(padded.tobytes())
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = (
        source.matrix, source.primaries, source.transfer, 1,
    )  # fmt: skip
    planned = track((tiles.shape[2], 8), colour=source, delivered=BT709, peak=peak)
    luma, blue, red = planes(made(frame, planned, folder))
    return np.stack([luma[4, 4::8], blue[2, 2::4], red[2, 2::4]], axis=-1)


def patches(highest: int) -> NDArray[np.uint16]:
    """Greys up to a code value, and modest colours around them."""
    greys = np.linspace(64, highest, 24).round()
    rng = np.random.default_rng(3)
    chroma = 512 + rng.integers(-1, 2, (24, 2)) * (greys[:, None] - 64) * 0.06
    neutral = np.stack([greys, np.full(24, 512), np.full(24, 512)], axis=-1)
    return np.concatenate([neutral, np.column_stack([greys, chroma])]).round().astype(np.uint16)


def test_bt2020_of_standard_range_becomes_bt709(tmp_path: Path) -> None:
    colours = patches(800)  # brighter ones leave the smaller gamut, and zimg lets them
    ours = converted(colours, BT2020, tmp_path)
    peer = zscaled(colours, "zscale=pin=2020:tin=2020_10:min=2020_ncl:rin=limited:p=709:t=709:m=709:r=limited")
    assert np.abs(ours - peer).max() <= 2


def test_pq_below_the_knee_is_shown_as_it_is(tmp_path: Path) -> None:
    # 95 cd/m2, where the roll-off to 203 begins for a peak of 1000, is code 0.495: 498 of 10 bits.
    colours = patches(490)
    ours = converted(colours, PQ, tmp_path)
    filters = (
        "zscale=pin=2020:tin=smpte2084:min=2020_ncl:rin=limited:p=709:t=linear:m=gbr:npl=203,format=gbrpf32le,"
        "zscale=p=709:t=709:m=709:r=limited"
    )
    assert np.abs(ours - zscaled(colours, filters)).max() <= 2


def rolled_off(code: float) -> float:
    """BT.2390, 5.4.1, for a source peak of 1000 cd/m2 (PQ 0.7518) and a target of 203 (PQ 0.5807): PQ to PQ."""
    least, most = 1.5 * 0.5807 / 0.7518 - 0.5, 0.5807 / 0.7518
    own = min(1.0, code / 0.7518)
    if own > least:
        t = (own - least) / (1 - least)
        own = (2 * t**3 - 3 * t**2 + 1) * least + (t**3 - 2 * t**2 + t) * (1 - least) + (3 * t**2 - 2 * t**3) * most
    return own * 0.7518


def nits(code: float) -> float:
    """SMPTE ST 2084, 5.1, with its constants as decimals."""
    power = code ** (1 / 78.84375)
    return float(10_000 * (max(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125))


def test_pq_greys_are_rolled_off_to_white(tmp_path: Path) -> None:
    codes = np.array([300, 450, 520, 560, 600, 650, 700, 722, 800, 940])
    grey = np.stack([codes, np.full(10, 512), np.full(10, 512)], axis=-1).astype(np.uint16)
    ours = converted(grey, PQ, tmp_path)
    expected = [16 + 219 * (nits(rolled_off((code - 64) / 876)) / 203) ** (1 / 2.4) for code in codes]
    assert np.abs(ours[:, 0] - expected).max() <= 1.5
    assert np.abs(ours[:, 1:] - 128).max() <= 1
    # A source that is no brighter than white is only cut off there: PQ 0.5807 is code 572.7.
    assert (converted(grey, PQ, tmp_path, peak=203)[4:, 0] >= 234).all()


def test_hlg_of_1000_nits(tmp_path: Path) -> None:
    # ITU-R BT.2408, table 1: HDR reference white is 75 % HLG and 203 cd/m2; 38 % is 18 % grey card, 26 cd/m2.
    codes = np.array([64, round(64 + 876 * 0.38), round(64 + 876 * 0.75), 940])
    grey = np.stack([codes, np.full(4, 512), np.full(4, 512)], axis=-1).astype(np.uint16)
    ours = converted(grey, HLG, tmp_path)[:, 0]
    assert ours[0] == 16 and ours[3] >= 234
    # 26 of 203 cd/m2 under BT.1886 is (26 / 203) ** (1 / 2.4) = 0.425 of the range; white is rolled off below 1.
    assert abs(ours[1] - (16 + 219 * 0.425)) <= 2
    assert 200 <= ours[2] <= 228
