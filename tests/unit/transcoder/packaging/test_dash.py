"""The MPD: its structure and arithmetic, and a full decode by an FFmpeg that is not PyAV's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from lxml import etree
from support import ffmpeg, titles

from transcoder.media import Colour
from transcoder.packaging import dash
from transcoder.packaging.drm import Signal
from transcoder.packaging.package import Package

_NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}
_ORDER = [
    "AudioChannelConfiguration", "EssentialProperty", "SupplementalProperty", "Label", "Role", "SegmentTemplate",
    "Representation",
]  # fmt: skip
"""The order that the schema's sequences prescribe for the children used here (ISO/IEC 23009-1, Annex B)."""

_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"


def _manifest(package: Package, *, now: datetime = titles.NOW) -> etree._Element:
    return etree.fromstring(dash.manifest(package, available_from=titles.NOW, now=now))


def _times(template: etree._Element) -> list[tuple[int, int]]:
    """(start, duration) of each segment, in ticks."""
    found, time = [], 0
    for entry in template.iterfind("d:SegmentTimeline/d:S", _NS):
        time = int(entry.get("t", time))
        for _ in range(int(entry.get("r", 0)) + 1):
            found.append((time, int(entry.get("d"))))
            time += int(entry.get("d"))
    return found


def test_static_manifest(title: titles.Title) -> None:
    root = _manifest(title.package())
    assert root.get("type") == "static"
    # The last access unit of the sound ends a little later than the picture.
    assert root.get("mediaPresentationDuration") == "PT4.906667S"
    assert not {"availabilityStartTime", "minimumUpdatePeriod", "suggestedPresentationDelay"} & set(root.attrib)
    assert len(root.findall("d:Period", _NS)) == 1
    names = [etree.QName(child).localname for child in root.iter() if child.getparent() is not None]
    assert set(names) <= {*_ORDER, "Period", "AdaptationSet", "SegmentTimeline", "S"}


def test_representations(title: titles.Title) -> None:
    root = _manifest(title.package())
    video, audio = root.findall("d:Period/d:AdaptationSet", _NS)
    assert [video.get(name) for name in ("contentType", "mimeType", "segmentAlignment")] == [
        "video",
        "video/mp4",
        "true",
    ]
    assert [r.get("id") for r in video.findall("d:Representation", _NS)] == ["v180", "v90"]
    first = dict(video.find("d:Representation", _NS).attrib)
    assert first.pop("bandwidth") == str(title.package().video[0].peak_bitrate(2))
    assert first == {"id": "v180", "codecs": "avc1.42c00d", "width": "320", "height": "180", "frameRate": "20"}
    sound = audio.find("d:Representation", _NS)
    assert (sound.get("codecs"), sound.get("audioSamplingRate")) == ("mp4a.40.2", "48000")
    assert sound.find("d:AudioChannelConfiguration", _NS).get("value") == "1"
    assert audio.find("d:Role", _NS).get("value") == "main"


def test_timelines_are_exact(title: titles.Title) -> None:
    package = title.package()
    templates = _manifest(package).findall("d:Period/d:AdaptationSet/d:SegmentTemplate", _NS)
    for template, rendition in zip(templates, (package.video[0], package.audio[0]), strict=True):
        assert template.get("timescale") == str(rendition.timescale)
        assert template.get("startNumber") == "1"
        assert _times(template) == [(segment.start, segment.duration) for segment in rendition.segments]
    assert [s.get("r") for s in templates[0].iterfind("d:SegmentTimeline/d:S", _NS)] == ["1", None, None, None]


def test_children_are_in_the_order_of_the_schema(title: titles.Title) -> None:
    package = title.package()
    sound = package.audio[0].model_copy(update={"title": "Commentary", "language": "fr", "default": False})
    root = _manifest(package.model_copy(update={"renditions": (*package.video, sound)}))
    for parent in root.iter():
        places = [_ORDER.index(name) for c in parent if (name := etree.QName(c).localname) in _ORDER]
        assert places == sorted(places)
    audio = root.findall("d:Period/d:AdaptationSet", _NS)[1]
    assert audio.get("lang") == "fr"
    assert audio.findtext("d:Label", namespaces=_NS) == "Commentary"
    assert audio.find("d:Role", _NS).get("value") == "alternate"


def test_every_segment_of_a_growing_title_is_available(title: titles.Title) -> None:
    for count in range(1, 6):
        now = titles.NOW + timedelta(milliseconds=count)
        package = title.package(final=False, chunks=count)
        root = _manifest(package, now=now)
        assert root.get("type") == "dynamic"
        available = datetime.fromisoformat(root.get("availabilityStartTime"))
        # A segment is available from the availability start plus its end on (ISO/IEC 23009-1, 5.3.9.5.3).
        assert available + timedelta(seconds=float(title.plan.duration)) <= titles.NOW
        assert root.get("timeShiftBufferDepth") is None
        assert root.get("mediaPresentationDuration") == "PT4.9S"
        # The edge minus the delay is the start of the title, and time 0 is shown at the first publication.
        assert root.get("suggestedPresentationDelay") == "PT5S"
        assert available + timedelta(seconds=5) == titles.NOW
        assert datetime.fromisoformat(root.get("publishTime")) == now.astimezone(UTC)
        # The clock is the manifest's own: no player asks a server elsewhere for the time.
        assert root.find("d:UTCTiming", _NS).get("schemeIdUri") == "urn:mpeg:dash:utc:direct:2014"
        assert len(_times(root.find("d:Period/d:AdaptationSet/d:SegmentTemplate", _NS))) == count


def test_frame_rate_is_exact(title: titles.Title) -> None:
    package = title.package()
    video = package.video[0].model_copy(update={"frame_rate": Fraction(30_000, 1001)})
    root = _manifest(package.model_copy(update={"renditions": (video,)}))
    assert root.find(".//d:Representation", _NS).get("frameRate") == "30000/1001"
    assert len(root.findall("d:Period/d:AdaptationSet", _NS)) == 1


@pytest.mark.parametrize("name", ["<&>\"'", "a\x00b\x0bc", "\ud800"])
def test_a_hostile_name_is_still_xml(title: titles.Title, name: str) -> None:
    package = title.package()
    sound = package.audio[0].model_copy(update={"title": name, "language": name})
    root = _manifest(package.model_copy(update={"renditions": (*package.video, sound)}))
    assert root.findtext(".//d:Label", namespaces=_NS) == "".join(c if c.isprintable() else " " for c in name)


def test_every_representation_decodes_in_full(title: titles.Title) -> None:
    manifest = title.folder / "dash/manifest.mpd"
    for stream in ("v:0", "v:1"):
        frames = ffmpeg.decode_frames(manifest, stream, exe=ffmpeg.REFERENCE)
        assert [frame.time for frame in frames] == [Fraction(n, 20) for n in range(98)]
    assert ffmpeg.audio_samples(manifest, exe=ffmpeg.REFERENCE) == 230 * 1024


def test_a_variable_rate_keeps_every_time(variable_title: titles.Title) -> None:
    frames = ffmpeg.decode_frames(variable_title.folder / "dash/manifest.mpd", "v:1", exe=ffmpeg.REFERENCE)
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in titles.VARIABLE.frames]


def test_rungs_of_two_keys_are_two_sets_that_a_player_may_switch_between(title: titles.Title) -> None:
    package = title.package()
    keys = {"v180": "1" * 32, "v90": "2" * 32, "a0": "3" * 32}
    signed = tuple(
        own.model_copy(update={"signal": Signal(scheme="cbcs", key_id=keys[own.id])}) for own in package.renditions
    )
    root = _manifest(package.model_copy(update={"renditions": signed}))
    sets = root.findall("d:Period/d:AdaptationSet", _NS)
    assert [own.get("id") for own in sets] == ["0", "1", "2"]
    assert [[r.get("id") for r in own.findall("d:Representation", _NS)] for own in sets] == [["v180"], ["v90"], ["a0"]]
    switching = [own.find(f"d:SupplementalProperty[@schemeIdUri='{_SWITCHING}']", _NS) for own in sets]
    assert [found.get("value") if found is not None else None for found in switching] == ["1", "0", None]
    name = f"{{{dash.CENC_NAMESPACE}}}default_KID"
    ids = [own.find("d:ContentProtection", _NS).get(name) for own in sets]
    assert ids[0] == "11111111-1111-1111-1111-111111111111"
    assert len(set(ids)) == 3
    order = ["ContentProtection", *_ORDER]
    for own in sets:
        places = [order.index(etree.QName(child).localname) for child in own]
        assert places == sorted(places)
    assert [own.get("id") for own in _manifest(package).findall("d:Period/d:AdaptationSet", _NS)] == ["0", "1"]


def test_codecs_and_dynamic_ranges_are_sets_of_their_own(title: titles.Title) -> None:
    package = title.package()
    large, small = package.video
    hdr = Colour(primaries=9, transfer=16, matrix=9)
    mixed = (
        large, small, large.model_copy(update={"id": "h180", "codecs": "hvc1.2.4.L60.90", "colour": hdr}),
        large.model_copy(update={"id": "x180", "codecs": "av01.0.00M.08"}),
    )  # fmt: skip
    root = _manifest(package.model_copy(update={"renditions": mixed}))
    sets = root.findall("d:Period/d:AdaptationSet", _NS)
    ids = [[r.get("id") for r in own.findall("d:Representation", _NS)] for own in sets]
    assert ids == [["v180", "v90"], ["h180"], ["x180"]]
    assert root.find(f".//d:SupplementalProperty[@schemeIdUri='{_SWITCHING}']", _NS) is None

    def points(own: etree._Element, name: str) -> dict[str, str]:
        return {p.get("schemeIdUri").rpartition(":")[2]: p.get("value") for p in own.findall(f"d:{name}", _NS)}

    # A screen without HDR has to leave that set alone, because there is another.
    wide = {"ColourPrimaries": "9", "TransferCharacteristics": "16", "MatrixCoefficients": "9"}
    assert points(sets[1], "EssentialProperty") == wide
    assert points(sets[0], "EssentialProperty") == {}
    assert points(sets[0], "SupplementalProperty")["TransferCharacteristics"] == "1"
    alone = _manifest(package.model_copy(update={"renditions": (mixed[2],)}))
    assert points(alone.find("d:Period/d:AdaptationSet", _NS), "SupplementalProperty") == wide
