"""The join verifier: a good package passes, and each kind of damage is found and named."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from support import clips, titles

from transcoder.errors import VerificationError
from transcoder.verification import VerifyReport, folder_opener, verify_package

Damaged = Callable[[], Path]


def _verify(folder: Path, title: titles.Title | None = None, *, decode: bool = False) -> VerifyReport:
    """Verify a folder: against the title's plan and source where one is given, else from the outside alone."""
    plan, media = (title.plan, title.media) if title else (None, None)
    return verify_package(folder_opener(folder), plan=plan, media=media, decode=decode)


def _failed(report: VerifyReport) -> dict[tuple[str, str | None], str]:
    assert report.ok is not bool(report.failed)
    return {(check.name, check.rendition): check.found for check in report.failed}


def _swap(one: Path, other: Path) -> None:
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def _patched(path: Path, box: bytes, offset: int, value: bytes) -> None:
    """Overwrite bytes of the first box of that type, counted from its type."""
    data = bytearray(path.read_bytes())
    position = data.index(box) + offset
    data[position : position + len(value)] = value
    path.write_bytes(data)


def test_a_good_title(title: titles.Title) -> None:
    report = verify_package(
        folder_opener(title.folder), plan=title.plan, media=title.media, package=title.package(), decode=True
    )
    assert _failed(report) == {}
    assert [(r.id, r.segments, r.frames, r.decoded) for r in report.renditions] == [
        ("v180", 5, 98, 98),
        ("v90", 5, 98, 98),
        ("a0", 5, 230, 230),
    ]
    report.require_ok()
    assert VerifyReport.model_validate_json(report.model_dump_json()) == report


def test_a_good_title_from_the_outside(title: titles.Title) -> None:
    assert _failed(_verify(title.folder, decode=True)) == {}


def test_a_good_title_of_a_variable_rate(variable_title: titles.Title) -> None:
    report = _verify(variable_title.folder, variable_title, decode=True)
    assert _failed(report) == {}
    assert [(r.frames, r.end_seconds) for r in report.renditions] == [(90, 3.96), (90, 3.96)]


def test_a_missing_segment(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    (folder / "cmaf/v90/3.m4s").unlink()
    failed = _failed(_verify(folder))
    assert "cmaf/v90/3.m4s" in failed["files", "v90"]
    assert failed["continuity", "v90"].startswith("cmaf/v90/4.m4s starts at tick 32000, cmaf/v90/2.m4s ends at 16000")
    assert {rendition for _, rendition in failed} == {"v90"}


def test_a_segment_dropped_from_one_playlist(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    playlist = folder / "hls/v180.m3u8"
    lines = playlist.read_text().splitlines(keepends=True)
    at = lines.index("../cmaf/v180/2.m4s\n")
    playlist.write_text("".join(lines[: at - 1] + lines[at + 1 :]))
    failed = _failed(_verify(folder, title))
    assert failed["manifests-agree", None] == "v180: cmaf/v180/3.m4s and cmaf/v180/2.m4s"
    assert failed["frame-count", "v180"] == "88"
    assert "cmaf/v180/3.m4s starts at tick 16000" in failed["continuity", "v180"]


def test_a_segment_dropped_from_the_package(title: titles.Title, tmp_path: Path) -> None:
    """The last segment is gone from the manifests too: only plan and source can tell."""
    package = title.package()
    shorter = tuple(r.model_copy(update={"segments": r.segments[:-1]}) for r in package.renditions)
    titles.write_manifests(tmp_path, package.model_copy(update={"renditions": shorter}))
    (tmp_path / "cmaf").symlink_to(title.folder / "cmaf")
    opener = folder_opener(title.folder)

    def open_object(path: str) -> bytes:
        return opener(path) if path.startswith("cmaf/") else folder_opener(tmp_path)(path)

    assert verify_package(open_object).ok
    failed = _failed(verify_package(open_object, plan=title.plan, media=title.media))
    assert failed["frame-count", "v180"] == "80"
    assert failed["duration", "v90"] == "4.000000 s"


def test_swapped_segments(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    _swap(folder / "cmaf/v180/1.m4s", folder / "cmaf/v180/2.m4s")
    failed = _failed(verify_package(folder_opener(folder), package=title.package()))
    assert failed["continuity", "v180"].startswith("cmaf/v180/2.m4s starts at tick 0, cmaf/v180/1.m4s ends at 16000")
    assert failed["committed-segments", "v180"] == "cmaf/v180/1.m4s is another (and 1 more)"
    assert ("dash-times", "v180") in failed


def test_a_segment_of_a_different_encode(title: titles.Title, damaged: Damaged) -> None:
    """A segment of the other rung under this rung's name: all its times are right."""
    folder = damaged()
    (folder / "cmaf/v90/4.m4s").write_bytes((title.folder / "cmaf/v180/4.m4s").read_bytes())
    too_much = ("hls-bandwidth", None)
    failed = _failed(verify_package(folder_opener(folder), package=title.package()))
    assert failed.keys() == {("committed-segments", "v90"), too_much}
    assert failed["committed-segments", "v90"] == "cmaf/v90/4.m4s is another"
    assert _failed(_verify(folder, decode=True)).keys() == {("decode", "v90"), too_much}


def test_an_init_segment_of_a_different_encode(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    (folder / "cmaf/v90/init.mp4").write_bytes((title.folder / "cmaf/v180/init.mp4").read_bytes())
    failed = _failed(verify_package(folder_opener(folder), package=title.package(), decode=True))
    assert failed["codecs", "v90"] == "avc1.42c00d"
    assert ("codec-configuration", "v90") in failed
    assert ("decode", "v90") in failed


def test_a_lost_frame(title: titles.Title, damaged: Damaged) -> None:
    """The last sample of a segment is taken out of its `trun`."""
    folder = damaged()
    path = folder / "cmaf/v180/4.m4s"
    data = path.read_bytes()
    count = struct.unpack_from(">I", data, data.index(b"trun") + 8)[0]
    _patched(path, b"trun", 8, struct.pack(">I", count - 1))
    failed = _failed(_verify(folder, title))
    assert failed["frame-count", "v180"] == "97"
    assert failed["continuity", "v180"].startswith(
        "cmaf/v180/5.m4s starts at tick 64000, cmaf/v180/4.m4s ends at 63200"
    )
    assert failed["rung-alignment", "v90"].startswith("cmaf/v90/4.m4s")
    assert not _verify(folder).ok


def test_a_title_that_lacks_a_source_frame(title: titles.Title, tmp_path: Path) -> None:
    """A whole, gapless title of a source with one frame less: only the count tells."""
    clip = clips.Clip(seconds=titles.SHORT.seconds, fps=titles.SHORT.fps, dropped=frozenset({45}), audio=False)
    other = titles.make_title(clip, tmp_path)
    assert _verify(tmp_path, other).ok
    failed = _failed(verify_package(folder_opener(tmp_path), plan=title.plan))
    assert failed == {("frame-count", "v180"): "97", ("frame-count", "v90"): "97"}


def test_a_shifted_decode_time(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    path = folder / "cmaf/v90/5.m4s"
    data = path.read_bytes()
    at = data.index(b"tfdt")
    width = 8 if data[at + 4] else 4
    time = int.from_bytes(data[at + 8 : at + 8 + width]) + 1
    _patched(path, b"tfdt", 8, time.to_bytes(width))
    failed = _failed(_verify(folder))
    assert failed["continuity", "v90"].startswith("cmaf/v90/5.m4s starts at tick 64001, cmaf/v90/4.m4s ends at 64000")
    assert failed["rung-alignment", "v90"].startswith("cmaf/v90/5.m4s")


@pytest.mark.parametrize("name", ["cmaf/a0/2.m4s", "cmaf/v90/2.m4s", "cmaf/v90/init.mp4"])
def test_a_truncated_file(damaged: Damaged, name: str) -> None:
    folder = damaged()
    (folder / name).write_bytes((folder / name).read_bytes()[:-5])
    failed = _failed(_verify(folder, decode=True))
    assert failed["files", name.split("/")[1]].startswith(f"{name}: not a valid CMAF file")


def test_a_segment_that_only_claims_to_start_with_a_sync_sample(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    path = folder / "cmaf/v90/2.m4s"
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    end = at + struct.unpack_from(">I", data, at - 8)[0] - 8
    while at < end:
        if data[at + 4] & 0x1F == 5:
            # The IDR slice is called a slice that depends on others.
            data[at + 4] = data[at + 4] & 0xE0 | 1
        at += 4 + struct.unpack_from(">I", data, at)[0]
    path.write_bytes(data)
    assert _failed(_verify(folder)) == {("segment-start", "v90"): "cmaf/v90/2.m4s"}


def test_damaged_picture_data(title: titles.Title, damaged: Damaged) -> None:
    """The container is whole; only a decoder can tell."""
    folder = damaged()
    path = folder / "cmaf/v180/4.m4s"
    data = bytearray(path.read_bytes())
    for position in range(len(data) // 2, len(data) // 2 + 2000):
        data[position] ^= 0xFF
    path.write_bytes(data)
    assert _failed(_verify(folder)) == {}
    [(name, rendition)] = _failed(_verify(folder, decode=True))
    assert (name, rendition) == ("decode", "v180")


def test_sound_that_is_late(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    for number in range(1, 6):
        path = folder / f"cmaf/a0/{number}.m4s"
        data = path.read_bytes()
        at = data.index(b"tfdt")
        width = 8 if data[at + 4] else 4
        time = int.from_bytes(data[at + 8 : at + 8 + width]) + 2048
        _patched(path, b"tfdt", 8, time.to_bytes(width))
    failed = _failed(_verify(folder, title))
    assert failed["av-start", "a0"] == "0.042667 s"
    assert ("start", "a0") in failed
    assert ("continuity", "a0") not in failed


def test_sound_that_ends_early(title: titles.Title, tmp_path: Path) -> None:
    package = title.package()
    sound = package.audio[0]
    shorter = sound.model_copy(update={"segments": sound.segments[:-1]})
    titles.write_manifests(tmp_path, package.model_copy(update={"renditions": (*package.video, shorter)}))
    opener = folder_opener(title.folder)
    failed = _failed(
        verify_package(lambda path: opener(path) if path.startswith("cmaf/") else folder_opener(tmp_path)(path))
    )
    assert failed == {("audio-samples", "a0"): str(188 * 1024)}


def test_a_growing_package_is_not_finished(title: titles.Title, damaged: Damaged) -> None:
    folder = damaged()
    titles.write_manifests(folder, title.package(final=False))
    failed = _failed(_verify(folder, title))
    assert failed == {("manifests-state", None): "HLS open, DASH dynamic"}
    assert verify_package(folder_opener(folder), plan=title.plan, media=title.media, growing=True).ok


def test_a_missing_rung(title: titles.Title, tmp_path: Path) -> None:
    package = title.package()
    titles.write_manifests(tmp_path, package.model_copy(update={"renditions": package.renditions[::2]}))
    opener = folder_opener(title.folder)
    report = verify_package(
        lambda path: opener(path) if path.startswith("cmaf/") else folder_opener(tmp_path)(path),
        plan=title.plan, package=package,
    )  # fmt: skip
    assert set(_failed(report)) == {("renditions", None), ("committed-renditions", None)}


@pytest.mark.parametrize("name", ["hls/master.m3u8", "dash/manifest.mpd", "hls/v90.m3u8"])
def test_a_missing_manifest(damaged: Damaged, name: str) -> None:
    folder = damaged()
    (folder / name).unlink()
    report = _verify(folder)
    assert _failed(report)["manifest", None] == f"{name} is not in the package"
    with pytest.raises(VerificationError, match="the check 'manifest' failed") as caught:
        report.require_ok()
    assert caught.value.details["failed"][0]["name"] == "manifest"


def test_an_empty_folder(tmp_path: Path) -> None:
    assert not _verify(tmp_path).ok


def test_wrong_durations_in_a_playlist(damaged: Damaged) -> None:
    folder = damaged()
    playlist = folder / "hls/v90.m3u8"
    playlist.write_text(playlist.read_text().replace("#EXTINF:1.000000", "#EXTINF:1.001000"))
    failed = _failed(_verify(folder))
    assert failed == {("hls-durations", "v90"): "cmaf/v90/3.m4s lasts 1.000000 s, EXTINF says 1.001000 s"}


def test_wrong_codecs_of_a_variant(damaged: Damaged) -> None:
    folder = damaged()
    master = folder / "hls/master.m3u8"
    text = master.read_text()
    real = text.partition('CODECS="')[2].partition('"')[0]
    master.write_text(text.replace(f'CODECS="{real}"', 'CODECS="avc1.640033,mp4a.40.2"', 1))
    failed = _failed(_verify(folder))
    assert list(failed) == [("hls-codecs", None)]
    assert "CODECS says avc1.640033, mp4a.40.2" in failed["hls-codecs", None]


def _edited(folder: Path, name: str, pattern: str, by: str) -> dict[tuple[str, str | None], str]:
    """The failed checks after one edit of a manifest."""
    text, count = re.subn(pattern, by, (folder / name).read_text(), count=1)
    assert count == 1
    (folder / name).write_text(text)
    return _failed(_verify(folder))


def test_a_bandwidth_that_is_too_low(damaged: Damaged) -> None:
    failed = _edited(damaged(), "hls/master.m3u8", r"BANDWIDTH=\d+", "BANDWIDTH=20000")
    assert list(failed) == [("hls-bandwidth", None)]
    assert failed["hls-bandwidth", None].endswith("BANDWIDTH says 20000")


def test_a_wrong_length_in_dash(damaged: Damaged) -> None:
    failed = _edited(damaged(), "dash/manifest.mpd", r'mediaPresentationDuration="[^"]+"',
                     'mediaPresentationDuration="PT1M9.5S"')  # fmt: skip
    assert failed == {("dash-duration", None): "69.500000 s"}


def test_a_language_of_one_manifest_only(damaged: Damaged) -> None:
    failed = _edited(damaged(), "dash/manifest.mpd", r'contentType="audio"', 'contentType="audio" lang="de"')
    assert failed == {("languages", None): "a0 is of no language in HLS, de in DASH"}


def test_times_are_exact(title: titles.Title) -> None:
    report = _verify(title.folder, title)
    assert [Fraction(r.end_seconds).limit_denominator(48_000) for r in report.renditions] == [
        Fraction(49, 10),
        Fraction(49, 10),
        Fraction(230 * 1024, 48_000),
    ]
