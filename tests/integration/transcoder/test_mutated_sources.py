"""A fuzz target: damaged files through probe, plan, chunk encode, sound and text, in a process of their own.

Each ends as a package or as a typed error; none crashes, hangs, or takes more memory than it may. The same damage each
time: a file's name and a number say which.
"""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from support import clips, ffmpeg
from support.mutations import mutated
from support.victim import MEMORY_BYTES, Victim

FINE = {"OK", "UNSUPPORTED_MEDIA", "MEMORY_EXCEEDED"}
SECONDS = 60.0

_SOUND = "-f lavfi -i sine=r=48000:d=1.2 -ac 2"
GENERATED = {
    "h264-aac.mp4": "-c:v libx264 -preset veryfast -bf 2 -g 12 -c:a aac",
    "h264-aac-fragments.mp4": "-c:v libx264 -preset veryfast -g 12 -c:a aac -movflags frag_keyframe+empty_moov",
    "hevc-opus.mkv": "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=12 -c:a libopus",
    "vp9-vorbis.webm": "-c:v libvpx-vp9 -cpu-used 8 -b:v 200k -g 12 -c:a libvorbis",
    "av1-flac.mkv": "-c:v libsvtav1 -preset 12 -g 12 -c:a flac",
    "mpeg2-mp2.ts": "-c:v mpeg2video -g 12 -c:a mp2",
    "h264-ac3.ts": "-c:v libx264 -preset veryfast -g 12 -c:a ac3",
    "mpeg4-mp3.avi": "-c:v mpeg4 -g 12 -c:a libmp3lame",
    "wmv2-wma.asf": "-c:v wmv2 -g 12 -c:a wmav2",
    "h264-aac.flv": "-c:v libx264 -preset veryfast -g 12 -c:a aac",
    "mpeg2-pcm.mxf": "-s 128x96 -c:v mpeg2video -g 12 -c:a pcm_s16le",
    "prores-pcm.mov": "-c:v prores_ks -pix_fmt yuv422p10le -c:a pcm_s16le",
    "theora-vorbis.ogv": "-c:v libtheora -g 12 -c:a libvorbis",
}
REAL = (
    "odd/av1_av1-1-b10-23-film_grain-50.mp4", "odd/av1_av1-1-b8-03-sizeup.mp4", "odd/h264_displaymatrix.mp4",
    "odd/h264_empty_edit_5s.mp4", "odd/h264_mov_neg_first_pts_discard.mp4", "odd/hevc_dovi-p81.mp4",
    "odd/hevc_hdr10tags-both.mkv",
)  # fmt: skip


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    for name, arguments in GENERATED.items():
        picture = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1.2"]
        form = [] if "-pix_fmt" in arguments else ["-pix_fmt", "yuv420p"]
        ffmpeg.make([*picture, *_SOUND.split(), *form, *arguments.split(), str(folder / name)])
    return {name: (folder / name).read_bytes() for name in GENERATED}


def _suffer(files: dict[str, bytes], first: int, count: int, folder: Path) -> Counter[str]:
    """Damage each file so many times. Errors: AssertionError with everything that was not fine."""
    codes: Counter[str] = Counter()
    wrong = []
    path = folder / "source"
    with Victim(seconds=SECONDS) as victim:
        for name, data in files.items():
            for number in range(first, first + count):
                path.write_bytes(mutated(data, Random(zlib.crc32(f"{name} {number}".encode()))))
                answer = victim.suffer(path)
                codes[answer["code"]] += 1
                if answer["code"] not in FINE or answer["peak"] > 2 * MEMORY_BYTES:
                    wrong.append((name, number, answer))
    assert not wrong, wrong
    return codes


def test_whole_files_are_fine(generated: dict[str, bytes], tmp_path: Path) -> None:
    with Victim(seconds=SECONDS) as victim:
        for name, data in generated.items():
            path = tmp_path / "source"
            path.write_bytes(data)
            assert victim.suffer(path)["code"] == "OK", name


def test_damaged_files(generated: dict[str, bytes], tmp_path: Path) -> None:
    codes = _suffer(generated, 0, 4, tmp_path)
    # The damage is of all degrees.
    assert codes["OK"]
    assert codes["UNSUPPORTED_MEDIA"]


def test_damaged_real_files(tmp_path: Path) -> None:
    _suffer({name: clips.media_file(name).read_bytes() for name in REAL}, 0, 2, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_many_damaged_files(generated: dict[str, bytes], tmp_path: Path) -> None:
    files = generated | {name: clips.media_file(name).read_bytes() for name in REAL}
    _suffer(files, 1000, 150, tmp_path)
