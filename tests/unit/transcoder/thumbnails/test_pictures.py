"""Poster and sprite sheets of real files: the right pictures, upright, and none of nothing."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from support import clips, counter, ffmpeg

from transcoder.errors import UnsupportedMediaError
from transcoder.ladder import BUILT_IN
from transcoder.limits import Limits
from transcoder.media import MediaInfo
from transcoder.plan import Plan, plan_title
from transcoder.probe import probe
from transcoder.thumbnails.poster import detail, make_poster, poster_times
from transcoder.thumbnails.sheets import SpriteRequest
from transcoder.thumbnails.sprites import make_sheets
from transcoder.thumbnails.stills import keyframes_at, stills

CLIP = clips.Clip(seconds=Fraction(49, 10), fps=Fraction(20), keyframe_interval=30, audio=False)


def planned(path: Path, request: SpriteRequest | None = None) -> tuple[MediaInfo, Plan]:
    with path.open("rb") as file:
        media = probe(file)
    ladder = BUILT_IN["h264"].model_copy(update={"sprites": request or SpriteRequest()})
    return media, plan_title(media, ladder, slots=2)


def luma(jpeg: bytes) -> NDArray[np.uint8]:
    with av.open(BytesIO(jpeg), format="jpeg_pipe") as image:
        return next(image.decode(video=0)).to_ndarray(format="gray").astype(np.uint8)


def test_the_tiles_show_the_middle_of_what_they_stand_for(tmp_path: Path) -> None:
    path = clips.cached(CLIP)
    _, plan = planned(path, SpriteRequest(interval_seconds=1, width=320, columns=2, rows=2))
    sprites = plan.thumbnails.sprites
    with path.open("rb") as file:
        sheets = list(make_sheets(file, plan.video, sprites, (), plan.duration, tmp_path))
    assert [(sheet.name, sheet.time) for sheet in sheets] == [("sprite-1.jpg", 0), ("sprite-2.jpg", 4)]
    pictures = [luma(sheet.data) for sheet in sheets]
    assert {picture.shape for picture in pictures} == {(360, 640)}
    places = [sprites.place(number) for number in range(5)]
    numbers = [counter.read(pictures[sheet - 1][top : top + 180, left : left + 320]) for sheet, left, top in places]
    assert numbers == [10, 30, 50, 70, 90]
    assert pictures[1][180:].max() < 20  # the rest of the last sheet is black


def test_of_a_long_title_keyframes_are_taken(tmp_path: Path) -> None:
    path = clips.cached(CLIP)
    media, plan = planned(path)
    times = [Fraction(n, 2) for n in range(9)]
    keyframes = keyframes_at(media.main_video.keyframes, plan.video, times)
    with path.open("rb") as file:
        found = list(stills(file, plan.video, times, keyframes, (320, 180), tmp_path, duration=Fraction(100)))
    assert [still.time for still in found] == [Fraction(n, 20) for n in (0, 0, 0, 30, 30, 30, 60, 60, 60)]
    assert [counter.read(still.rgb[..., 1]) for still in found] == [0, 0, 0, 30, 30, 30, 60, 60, 60]


@pytest.mark.parametrize("whole", [True, False])
def test_the_poster_is_neither_black_nor_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    if not whole:
        # As for a title of more than a minute: keyframes alone.
        monkeypatch.setattr("transcoder.thumbnails.stills._DECODED_WHOLE_SECONDS", 0)
    path = tmp_path / "clip.mp4"
    parts = "color=black:s=320x180:d=2[a];testsrc2=s=320x180:d=1[b];color=white:s=320x180:d=1.5[c];[a][b][c]concat=n=3"
    ffmpeg.run(["-filter_complex", parts, "-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p", "-r", "25", str(path)])
    media, plan = planned(path)
    keyframes = keyframes_at(media.main_video.keyframes, plan.video, poster_times(plan.duration))
    with path.open("rb") as file:
        poster = make_poster(file, plan.video, plan.thumbnails.poster, keyframes, plan.duration, tmp_path)
    assert 2 <= poster.time < 3
    assert luma(poster.data).std() > 30


def test_the_poster_is_upright(tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    ffmpeg.run(["-display_rotation", "90", "-i", str(clips.cached(CLIP)), "-c", "copy", str(turned)])
    _, plan = planned(turned)
    with turned.open("rb") as file:
        poster = make_poster(file, plan.video, plan.thumbnails.poster, (), plan.duration, tmp_path)
    assert (poster.width, poster.height) == (180, 320)
    assert counter.read(np.rot90(luma(poster.data), -1)) == poster.time * 20


def test_detail() -> None:
    rng = np.random.default_rng(1)
    rich = rng.integers(60, 200, (90, 160, 3), dtype=np.uint8)
    card = np.zeros((90, 160, 3), np.uint8)
    card[40:50, 60:100] = rng.integers(0, 2, (10, 40, 1), dtype=np.uint8) * 255
    assert detail(rich) > 4 * detail(card) > 0 == detail(np.zeros_like(card))
    assert detail(np.full((4, 4, 3), 128, np.uint8)) == 0


def test_a_damaged_picture_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    data = bytearray(clips.cached(CLIP).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    _, plan = planned(path)
    with path.open("rb") as file:
        sheets = list(make_sheets(file, plan.video, plan.thumbnails.sprites, (), plan.duration, tmp_path))
    assert len(sheets) == 1


def test_a_poster_of_a_source_none_of_whose_keyframes_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoder.thumbnails.stills._DECODED_WHOLE_SECONDS", 0)
    path = clips.cached(CLIP)
    media, plan = planned(path)
    lost = tuple(own.model_copy(update={"pts": 10**9, "dts": 10**9}) for own in media.main_video.keyframes)
    with path.open("rb") as file:
        poster = make_poster(file, plan.video, plan.thumbnails.poster, lost, plan.duration, tmp_path)
    assert counter.read(luma(poster.data)) == poster.time == 0


def test_a_picture_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    path = clips.cached(CLIP)
    _, plan = planned(path)
    least = 320 * 180 - 1
    own = (plan.duration, tmp_path)
    with path.open("rb") as file:
        with pytest.raises(UnsupportedMediaError, match="more than the allowed"):
            make_poster(file, plan.video, plan.thumbnails.poster, (), *own, limits=Limits(pixels=least))
        with pytest.raises(UnsupportedMediaError, match="more than the allowed"):
            list(make_sheets(file, plan.video, plan.thumbnails.sprites, (), *own, limits=Limits(pixels=least)))


def test_tiles_of_pictures_marked_interlaced_have_no_green_lines(tmp_path: Path) -> None:
    path = tmp_path / "interlaced.mp4"
    ffmpeg.run(
        [
            "-f", "lavfi", "-i", "color=gray:s=320x180:d=1:r=25", "-c:v", "libx264", "-flags", "+ildct+ilme",
            "-x264-params", "tff=1", "-pix_fmt", "yuv420p", str(path),
        ]
    )  # fmt: skip
    media, _ = planned(path)
    plan = plan_title(media, BUILT_IN["h264"].model_copy(update={"deinterlace": "never"}), slots=1)
    with path.open("rb") as file:
        [still] = stills(file, plan.video, [Fraction(0)], (), (160, 90), tmp_path, duration=plan.duration)
    assert int(still.rgb.max()) - int(still.rgb.min()) < 8
