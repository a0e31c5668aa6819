"""Trick play: the first picture of each segment, alone, in both manifests, in clear and encrypted."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from lxml import etree
from support import clips, ffmpeg, titles
from support.keys import PackageKeys, samples_of
from support.plans import media_of

from transcoder.errors import VerificationError
from transcoder.ladder import BUILT_IN, Rendition, resolve
from transcoder.packaging import dash, hls
from transcoder.packaging.assembly import build
from transcoder.packaging.drm import Scheme
from transcoder.packaging.listing import read_dash, read_hls
from transcoder.results import PartResult
from transcoder.trick import trick_rung
from transcoder.verification import folder_opener, verify_package

CLIP = clips.Clip(seconds=Fraction(17, 2), fps=Fraction(20), keyframe_interval=30)
SMALL = clips.Clip(seconds=Fraction(13, 2), fps=Fraction(10), width=192, height=108)
STARTS = [Fraction(0), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4), Fraction(6), Fraction(8)]
_NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}


@pytest.fixture(scope="module")
def title(tmp_path_factory: pytest.TempPathFactory) -> titles.Title:
    # One slot: a chunk of more than one segment.
    return titles.make_title(CLIP, tmp_path_factory.mktemp("trick"), slots=1)


def rungs(*lines: int) -> tuple[Rendition, ...]:
    every = resolve(BUILT_IN["h264"], media_of(60, height=1080))
    return tuple(own for own in every if own.height in lines)


@pytest.mark.parametrize(
    ("lines", "chosen"), [((1080, 720, 480, 240), "v480"), ((1080, 720), "v720"), ((240,), "v240"), ((), None)]
)
def test_a_small_rung_is_taken(lines: tuple[int, ...], chosen: str | None) -> None:
    assert trick_rung(rungs(*lines), Fraction(60)) == chosen
    assert trick_rung(rungs(*lines), Fraction(5)) is None


def test_the_pictures_are_those_that_segments_begin_with(title: titles.Title) -> None:
    assert [len(chunk.segments) for chunk in title.plan.chunks] != [1] * len(title.plan.chunks)
    playlist = title.folder / "hls/trick.m3u8"
    assert ffmpeg.frame_numbers(playlist) == [int(start * 20) for start in STARTS]
    assert [frame.time for frame in ffmpeg.decode_frames(playlist)] == STARTS


def test_each_picture_decodes_alone(title: titles.Title, tmp_path: Path) -> None:
    folder = title.folder / "cmaf/trick"
    for number, start in enumerate(STARTS, 1):
        alone = tmp_path / f"{number}.mp4"
        alone.write_bytes((folder / "init.mp4").read_bytes() + (folder / f"{number}.m4s").read_bytes())
        assert [frame.time for frame in ffmpeg.decode_frames(alone)] == [start]


def test_hls_lists_it_for_pictures_alone(title: titles.Title) -> None:
    package = title.package()
    master = m3u8.loads(hls.multivariant(package))
    [frames] = master.iframe_playlists
    assert frames.uri == "trick.m3u8"
    assert frames.iframe_stream_info.resolution == (320, 180)
    assert frames.iframe_stream_info.codecs == package.video[0].codecs
    assert frames.iframe_stream_info.bandwidth == package.bandwidth(package.trick)
    playlist = m3u8.loads(hls.media_playlist(package, "trick"))
    assert playlist.is_i_frames_only
    video = m3u8.loads(hls.media_playlist(package, "v180"))
    assert [segment.duration for segment in playlist.segments] == [segment.duration for segment in video.segments]


def test_dash_lists_it_for_the_rungs(title: titles.Title) -> None:
    package = title.package()
    root = etree.fromstring(dash.manifest(package, available_from=titles.NOW, now=titles.NOW))
    sets = root.findall("d:Period/d:AdaptationSet", _NS)
    trick = sets[-1]
    properties = {own.get("schemeIdUri"): own.get("value") for own in trick.iterfind("d:EssentialProperty", _NS)}
    assert properties["http://dashif.org/guidelines/trickmode"] == sets[0].get("id")
    assert (trick.get("maxPlayoutRate"), trick.get("codingDependency")) == ("16", "false")
    assert trick.find("d:Representation", _NS).get("id") == "trick"
    assert len(sets) == 3


def test_both_manifests_agree(title: titles.Title) -> None:
    opened = folder_opener(title.folder)
    ours, theirs = (listing.renditions["trick"] for listing in (read_hls(opened), read_dash(opened)))
    assert ours.kind == theirs.kind == "trick"
    assert [segment.path for segment in ours.segments] == [segment.path for segment in theirs.segments]


def test_the_verifier_agrees_and_finds_another_picture(title: titles.Title, tmp_path: Path) -> None:
    arguments = {"plan": title.plan, "media": title.media, "package": title.package(), "decode": True}
    report = verify_package(folder_opener(title.folder), **arguments)
    assert report.failed == ()
    assert [(own.frames, own.decoded) for own in report.renditions if own.kind == "trick"] == [(7, 7)]
    folder = tmp_path / "damaged"
    shutil.copytree(title.folder, folder)
    for rendition in ("trick", "v180"):
        for number in (5, 6):
            (folder / f"cmaf/{rendition}/{number}.m4s").unlink()
    shutil.copy(title.folder / "cmaf/v180/5.m4s", folder / "cmaf/trick/5.m4s")
    shutil.copy(title.folder / "cmaf/trick/6.m4s", folder / "cmaf/v180/6.m4s")
    found = {check.name for check in verify_package(folder_opener(folder), **arguments).failed}
    assert "trick" in found


def test_a_package_without_its_keyframes_is_not_whole(title: titles.Title) -> None:
    first = title.video[0]
    without = PartResult(renditions=tuple(part for part in first.renditions if part.kind != "trick"))
    with pytest.raises(VerificationError, match="trick"):
        build(title.plan, {**title.video, 0: without}, title.audio, final=True)


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
def test_encrypted_with_an_iv_of_its_own(tmp_path: Path, scheme: Scheme) -> None:
    keys = PackageKeys(tmp_path, scheme)
    made = titles.make_title(SMALL, tmp_path / "title", encrypt=keys.encrypt)
    report = verify_package(
        folder_opener(made.folder), plan=made.plan, package=made.package(), decode=True, keys=keys.clear
    )
    assert (report.failed, report.notes) == ((), ())
    trick, rung = (made.plan.encryption.rendition(own) for own in ("trick", made.plan.video.trick))
    assert trick.key_id == rung.key_id
    assert trick.index != rung.index
    assert len({own.index for own in made.plan.encryption.renditions}) == len(made.plan.encryption.renditions)
    if scheme == "cbcs":
        assert trick.constant_iv != rung.constant_iv
    else:
        folders = [made.folder / "cmaf" / name for name in ("trick", "v90")]
        segments = [(own / "init.mp4", path) for own in folders for path in own.glob("*.m4s")]
        ivs = [sample.iv for init, path in segments for sample in samples_of(init, path)]
        assert len(set(ivs)) == len(ivs) == 6 + 65
