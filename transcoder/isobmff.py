"""A small strict reader of CMAF: init segments and media segments, exact to the tick (ISO/IEC 14496-12).

It reads what the verifier and the manifests need and nothing else. The input is hostile: every length is checked
against its parent's before it is used, and whatever does not fit is a VerificationError with the offset.

A presentation time here has the init segment's edit list applied (8.6.6), so it is a time of the title.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from transcoder.boxes import Box, Fields, boxes, damaged, find, only
from transcoder.cenc import Protection, SampleProtection, read_samples
from transcoder.media import Colour, ContentLight, MasteringDisplay
from transcoder.sample_entry import read_sample_entry

__all__ = ["Box", "InitInfo", "Sample", "SegmentInfo", "boxes", "read_init", "read_segment"]

_MOST_SAMPLES = 100_000
"""In one segment. A `trun` can claim 2^32 samples in 20 bytes; ten seconds at 240 pictures/s have 2,400."""

_LATEST = 1 << 60
"""Ticks that no title reaches; a larger time would not fit into 64 bits after some additions."""

_NON_SYNC = 0x0001_0000
"""sample_is_non_sync_sample in the sample flags (8.8.3.1)."""


class Sample(NamedTuple):
    """One coded picture or access unit. Times in ticks of the timescale; `offset` and `size` in bytes."""

    dts: int
    pts: int
    duration: int
    offset: int
    size: int
    sync: bool


@dataclass(frozen=True, slots=True)
class InitInfo:
    """What an init segment says about its only track.

    `shift` is what the edit list adds to a composition time, in ticks: minus the presentation delay.
    `codec_config_sha256` is over the whole `stsd` box. Nothing of it depends on one run of the encoder: Shaka
    Packager writes no `btrt`, and `esds` carries the nominal bitrate. Only times and lengths outside `stsd`
    (`mvhd`, `tkhd`, `mdhd`, `mehd`) differ between the parts of a rendition. Where the track is encrypted, scheme,
    key id and constant IV are in `stsd` too. `format` is the sample entry's type before encryption; `colour`,
    `mastering` and `light` are what it says of the picture.
    """

    kind: Literal["video", "audio"]
    track_id: int
    timescale: int
    codecs: str
    codec_config_sha256: str
    shift: int
    default_duration: int
    default_size: int
    default_flags: int
    width: int | None = None
    height: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    protection: Protection | None = None
    format: str = ""
    colour: Colour | None = None
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """The samples of one media segment in decode order, and the encryption of each where the track is encrypted."""

    samples: tuple[Sample, ...]
    protection: tuple[SampleProtection, ...] = ()

    @property
    def decode_start(self) -> int:
        """`tfdt`: the decode time of the first sample."""
        return self.samples[0].dts

    @property
    def start(self) -> int:
        """The earliest presentation time."""
        return min(sample.pts for sample in self.samples)

    @property
    def duration(self) -> int:
        """The sum of the sample durations, which is the segment's duration (ISO/IEC 23000-19, 7.3.2.3)."""
        return sum(sample.duration for sample in self.samples)

    @property
    def end(self) -> int:
        """The tick at which the next segment has to start.

        Decode times are the presentation times by rank (transcoder/fragments.py), so the decode timeline ends
        where the last picture does, also where picture lengths vary.
        """
        return self.decode_start + self.duration

    @property
    def frames(self) -> int:
        """Coded pictures or access units."""
        return len(self.samples)


def read_init(data: bytes) -> InitInfo:
    """Read an init segment that holds exactly one audio or video track.

    Errors: VerificationError where it is damaged, cut off, or holds what Framemill does not write.
    """
    moov = only(data, "moov", Box("file", 0, 0, len(data)))
    trak, mvex = only(data, "trak", moov), only(data, "mvex", moov)
    mdia = only(data, "mdia", trak)
    mdhd, hdlr = Fields(data, only(data, "mdhd", mdia)), Fields(data, only(data, "hdlr", mdia))
    timescale = mdhd.skip(16 if mdhd.version else 8).u32()
    if timescale == 0:
        raise damaged("the timescale is 0", mdhd.box.start)
    handler = hdlr.skip(4).text(4)
    kind: Literal["video", "audio"]
    if handler == "vide":
        kind = "video"
    elif handler == "soun":
        kind = "audio"
    else:
        raise damaged(f"the track is neither video nor audio but {handler!r}", hdlr.box.start)
    stsd = only(data, "stsd", only(data, "stbl", only(data, "minf", mdia)))
    entry = read_sample_entry(data, stsd, kind)
    tkhd = Fields(data, only(data, "tkhd", trak))
    trex = Fields(data, only(data, "trex", mvex)).skip(8)
    movie = Fields(data, only(data, "mvhd", moov))
    movie_timescale = movie.skip(16 if movie.version else 8).u32()
    return InitInfo(
        kind=kind, track_id=tkhd.skip(16 if tkhd.version else 8).u32(), timescale=timescale,
        codecs=entry.codecs, format=entry.format,
        codec_config_sha256=hashlib.sha256(data[stsd.start : stsd.end]).hexdigest(),
        shift=_shift(data, trak, movie_timescale, timescale), default_duration=trex.u32(),
        default_size=trex.u32(), default_flags=trex.u32(), width=entry.width, height=entry.height,
        sample_rate=entry.sample_rate, channels=entry.channels, protection=entry.protection,
        colour=entry.colour, mastering=entry.mastering, light=entry.light,
    )  # fmt: skip


def read_segment(data: bytes, init: InitInfo) -> SegmentInfo:
    """Read one media segment: all its fragments, whose sample data must lie inside it.

    Errors: VerificationError where it is damaged, cut off, empty, or of another track.
    """
    whole = Box("file", 0, 0, len(data))
    top = list(boxes(data, whole))
    payloads = [box for box in top if box.type == "mdat"]
    samples: list[Sample] = []
    protection: list[SampleProtection] = []
    for moof in (box for box in top if box.type == "moof"):
        traf = only(data, "traf", moof)
        fragment = list(_fragment(data, moof, traf, payloads, init, room=_MOST_SAMPLES - len(samples)))
        samples += fragment
        if init.protection is not None:
            protection += read_samples(data, traf, init.protection, [sample.size for sample in fragment])
    if not samples:
        raise damaged("the segment has no samples", 0)
    return SegmentInfo(tuple(samples), tuple(protection))


def _shift(data: bytes, trak: Box, movie_timescale: int, timescale: int) -> int:
    """What the edit list adds to a composition time: empty edits delay, `media_time` advances (8.6.6)."""
    edts = find(data, "edts", trak)
    if not edts:
        return 0
    elst = Fields(data, only(data, "elst", edts[0]))
    width = 8 if elst.version else 4
    delay, count = 0, elst.u32()
    for index in range(count):
        length, media_time = elst.number(width), elst.number(width, signed=True)
        if elst.u32() != 0x0001_0000:
            raise damaged("an edit changes the speed", elst.box.start)
        if media_time >= 0 and index == count - 1:
            return delay - media_time
        if media_time != -1 or movie_timescale == 0 or length * timescale % movie_timescale:
            break
        delay += length * timescale // movie_timescale
    raise damaged("the edit list is more than a delay", elst.box.start)


def _fragment(data: bytes, moof: Box, traf: Box, payloads: list[Box], init: InitInfo, *, room: int) -> Iterator[Sample]:
    """The samples of one movie fragment (8.8.7, 8.8.8, 8.8.12)."""
    tfhd = Fields(data, only(data, "tfhd", traf))
    if tfhd.u32() != init.track_id:
        raise damaged("the fragment is of another track than the init segment", tfhd.box.start)
    if tfhd.flags & 0x01 or not tfhd.flags & 0x02_0000:
        raise damaged("the fragment's offsets do not count from its own start", tfhd.box.start)
    if tfhd.flags & 0x02:
        tfhd.take(4)
    duration = tfhd.u32() if tfhd.flags & 0x08 else init.default_duration
    size = tfhd.u32() if tfhd.flags & 0x10 else init.default_size
    flags = tfhd.u32() if tfhd.flags & 0x20 else init.default_flags
    tfdt = Fields(data, only(data, "tfdt", traf))
    time = tfdt.number(8 if tfdt.version else 4)
    if time > _LATEST or abs(init.shift) > _LATEST:
        raise damaged("the time is out of range", tfdt.box.start)
    end = moof.start
    for box in find(data, "trun", traf):
        trun = Fields(data, box)
        count = trun.u32()
        if count > room:
            raise damaged("the segment has too many samples", box.start)
        room -= count
        offset = moof.start + trun.number(4, signed=True) if trun.flags & 0x01 else end
        first = trun.u32() if trun.flags & 0x04 else None
        begin = offset
        for index in range(count):
            length = trun.u32() if trun.flags & 0x100 else duration
            octets = trun.u32() if trun.flags & 0x200 else size
            own = trun.u32() if trun.flags & 0x400 else flags
            later = trun.number(4, signed=bool(trun.version)) if trun.flags & 0x800 else 0
            if index == 0 and first is not None:
                own = first
            yield Sample(time, time + later + init.shift, length, offset, octets, not own & _NON_SYNC)
            time, offset = time + length, offset + octets
        if not any(box.body <= begin and offset <= box.end for box in payloads):
            raise damaged("the sample data is not in the segment", box.start)
        end = offset
