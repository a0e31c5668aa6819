"""Damaged sound: silence where nothing can be decoded, said once, and never the end of the title."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support import ffmpeg, sounds

from transcoder.plan import plan_title
from transcoder.probe import probe
from transcoder.sound.rungs import AudioRung
from transcoder.sound.track import encode_track


def _overwrite(path: Path, numbers: range, filling: int) -> None:
    """Fill whole packets of a file with one byte."""
    packets = ffmpeg.ffprobe_json(path, "-show_packets")["packets"]
    data = bytearray(path.read_bytes())
    for packet in (packets[number] for number in numbers):
        position, size = int(packet["pos"]), int(packet["size"])
        data[position : position + size] = bytes([filling]) * size
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("codec", ["aac", "opus"])
def test_damaged_packets_become_silence_and_the_rest_keeps_its_time(codec: str, tmp_path: Path) -> None:
    path = sounds.write(sounds.clicking(4.3), 48_000, tmp_path / "damaged.mp4", "-c:a", "aac")
    clicks = ffmpeg.click_times(path)
    _overwrite(path, range(60, 80), 0xFF)
    track = sounds.encode_track(path, tmp_path / "out", sounds.ladder(AudioRung(codec=codec)))
    [warning] = track.warnings
    found = re.fullmatch(r"audio track 0: (\d+) damaged packets became silence, at ([\d., ]+) s", warning)
    assert found
    assert 18 <= int(found[1]) <= 21
    times = [float(time) for time in found[2].replace(", ...", "").split(", ")]
    assert len(times) == 10
    assert times[0] == pytest.approx(59 * 1024 / 48_000, abs=0.03)
    samples = sounds.decode(track.files["a0"])[0]
    assert np.abs(samples[round(1.32 * 48_000) : round(1.6 * 48_000)]).max() < 0.01
    # Packets are missing from 1.26 s to 1.68 s: the clicks at 2, 3 and 4 s are where they were.
    heard = ffmpeg.click_times(track.files["a0"])[-3:]
    assert all(abs(a - b) < 0.001 for a, b in zip(clicks[-3:], heard, strict=True))


def test_a_track_without_anything_to_decode_is_left_out(tmp_path: Path) -> None:
    path = sounds.write(sounds.clicking(2), 48_000, tmp_path / "nothing.mp4", "-c:a", "aac")
    with path.open("rb") as file:
        plan = plan_title(probe(file), sounds.ladder(), slots=2)
    _overwrite(path, range(95), 0xFF)
    with path.open("rb") as file:
        parts = list(encode_track(file, plan.audio[0], plan.chunks, tmp_path / "out", origin=plan.origin))
    assert [part.index for part in parts] == [chunk.index for chunk in plan.chunks]
    assert not any(own for part in parts for own in part.files.values())
    assert parts[-1].loudness == {}
    assert parts[-1].warnings[-1] == "audio track 0 cannot be decoded and is left out"


def test_a_file_that_breaks_off_yields_what_is_there(tmp_path: Path) -> None:
    path = sounds.write(sounds.clicking(4.3), 48_000, tmp_path / "cut.ts", "-c:a", "mp2")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    track = sounds.encode_track(path, tmp_path / "out")
    assert float(track.plan.duration) == pytest.approx(2.15, abs=0.2)
    assert [round(float(time)) for time in ffmpeg.click_times(track.files["a0"])][:3] == [0, 1, 2]
