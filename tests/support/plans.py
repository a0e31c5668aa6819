"""Plans and results without any media: for tests of the decisions about them."""

from __future__ import annotations

from fractions import Fraction

from cluster.documents import TaskKey
from transcoder.ladder import BUILT_IN
from transcoder.media import AudioStream, MediaInfo, VideoStream
from transcoder.plan import Plan, plan_title
from transcoder.results import ImageResult, PartResult, RenditionPart, SegmentResult

__all__ = ["media_of", "part_result", "plan_of"]


def media_of(seconds: int, *, height: int = 480, audio_tracks: int = 1) -> MediaInfo:
    """A 25 fps source with that many lines, and mono tracks of the same length."""
    base = Fraction(1, 12800)
    video = VideoStream(
        index=0, codec="h264", width=height * 16 // 9, height=height, pixel_format="yuv420p", time_base=base,
        start_pts=0, end_pts=seconds * 12800, frame_count=25 * seconds, frame_rate=Fraction(25),
        constant_frame_rate=True,
    )  # fmt: skip
    audio = tuple(
        AudioStream(
            index=1 + track, codec="aac", sample_rate=48_000, channels=2, layout="stereo",
            time_base=Fraction(1, 48_000), start_pts=0, end_pts=seconds * 48_000,
        )
        for track in range(audio_tracks)
    )  # fmt: skip
    return MediaInfo(
        container="mp4", size_bytes=1000, start=Fraction(0), duration=Fraction(seconds), video=(video,), audio=audio
    )


def plan_of(seconds: int, *, height: int = 480, audio_tracks: int = 1, slots: int = 2) -> Plan:
    """The plan of such a source."""
    return plan_title(media_of(seconds, height=height, audio_tracks=audio_tracks), BUILT_IN["h264"], slots=slots)


def part_result(plan: Plan, key: TaskKey) -> PartResult:
    """What a correct attempt of a task reports."""
    if key.kind == "image":
        return PartResult(images=tuple(_image(name) for name in _images(plan, key)))
    if key.kind == "text":
        return PartResult(renditions=(_text_part(plan, key),))
    chunk = plan.chunks[key.index]
    if key.kind == "video":
        assert plan.video is not None
        names, scale, kind = [rendition.id for rendition in plan.video.renditions], plan.video.timescale, "video"
        names += ["trick"] if plan.video.trick else []
    else:
        own = plan.audio[key.track].renditions
        names, scale, kind = [rendition.id for rendition in own], own[0].sample_rate, "audio"
    segments = tuple(
        SegmentResult(
            number=segment.number, start=int(segment.start * scale),
            duration=int((segment.end - segment.start) * scale),
            frames=int((segment.end - segment.start) * 25), size_bytes=1000, sha256=f"{segment.number:064d}",
        )
        for segment in chunk.segments
    )  # fmt: skip
    return PartResult(
        renditions=tuple(
            RenditionPart.model_validate(
                {
                    "rendition": name, "kind": "trick" if name == "trick" else kind,
                    "codecs": "avc1.640015" if kind == "video" else "mp4a.40.2",
                    "timescale": scale, "codec_config_sha256": "c" * 64, "init_size_bytes": 800,
                    "segments": tuple(segment.model_copy(update={"frames": 1}) for segment in segments)
                    if name == "trick"
                    else segments,
                }
            )
            for name in names
        )
    )  # fmt: skip


def _text_part(plan: Plan, key: TaskKey) -> RenditionPart:
    segments = tuple(
        SegmentResult(
            number=segment.number, start=int(segment.start * 1000), duration=int((segment.end - segment.start) * 1000),
            frames=0, size_bytes=60, sha256=f"{segment.number:064d}",
        )
        for segment in plan.segments
    )  # fmt: skip
    return RenditionPart(
        rendition=plan.text[key.track].id, kind="text", codecs="wvtt", timescale=1000, codec_config_sha256="c" * 64,
        init_size_bytes=0, segments=segments,
    )  # fmt: skip


def _images(plan: Plan, key: TaskKey) -> list[str]:
    if key.index == 0:
        return ["poster.jpg"]
    sprites = plan.thumbnails.sprites if plan.thumbnails else None
    assert sprites is not None
    return [*(f"sprite-{sheet}.jpg" for sheet in range(1, sprites.sheets + 1)), "sprites.vtt"]


def _image(name: str) -> ImageResult:
    role = {"poster.jpg": "poster", "sprites.vtt": "sprite-index"}.get(name, "sprite")
    return ImageResult.model_validate(
        {"role": role, "name": name, "width": 2, "height": 2, "time_seconds": 0, "size_bytes": 1, "sha256": "0" * 64}
    )
