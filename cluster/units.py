"""From a plan to the scheduler's units, and from a result back to the plan: is it what was asked for? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cluster.documents import Commit, TaskKey
from cluster.scheduler import Unit
from transcoder.errors import VerificationError
from transcoder.packaging.assembly import build
from transcoder.packaging.package import Package
from transcoder.plan import Plan
from transcoder.quality.floor import below_floor
from transcoder.results import PartResult, RenditionPart, SegmentResult
from transcoder.text.segments import TIMESCALE as TEXT_TIMESCALE
from transcoder.thumbnails.sheets import INDEX, POSTER
from transcoder.trick import TRICK

__all__ = ["check_result", "package_of", "task_keys", "units_of"]

_MOST_PROBLEMS = 20
_IMAGES_AFTER = 3
"""Images are made after so many chunks: they must not delay the first picture, nor be the last to end."""


def task_keys(plan: Plan) -> tuple[TaskKey, ...]:
    """Every task of a plan, in the order of the units."""
    return tuple(key for unit in units_of(plan) for key in unit.keys)


def units_of(plan: Plan) -> tuple[Unit, ...]:
    """The units of a plan: one a chunk and one for the poster if it has a picture, one an audio track, one for
    all text, which is read in one pass. Head first.

    Text comes before all else where a look into an index is enough, so that already the first manifests have it; where
    all of the source must be read for it, it comes after the first picture.
    """
    video = [
        Unit(
            name=f"video-{chunk.index:05d}", keys=(TaskKey(kind="video", index=chunk.index),),
            order=(chunk.index, 1), threadable=True,
        )
        for chunk in (plan.chunks if plan.video else ())
    ]  # fmt: skip
    audio = [
        Unit(
            name=f"audio-{track.track}", order=(0, 0, track.track),
            keys=tuple(TaskKey(kind="audio", track=track.track, index=chunk.index) for chunk in plan.chunks),
        )
        for track in plan.audio
    ]  # fmt: skip
    images = [
        Unit(name=f"image-{index}", keys=(TaskKey(kind="image", index=index),), order=(_IMAGES_AFTER, 2, index))
        for index in range(_images(plan))
    ]
    keys = tuple(TaskKey(kind="text", track=track.track) for track in plan.text)
    indexed = all(track.indexed for track in plan.text)
    text = [Unit(name="text", keys=keys, order=(0, -1) if indexed else (0, 2))] if keys else []
    return tuple(sorted([*video, *audio, *text, *images], key=lambda unit: unit.order))


def check_result(plan: Plan, key: TaskKey, result: PartResult, commits: Sequence[Commit]) -> None:
    """Whether an attempt's result may be committed: the planned renditions and segments, and the same decoder
    configuration as the parts that are committed already.

    Errors: VerificationError with what differs.
    """
    if key.kind == "image":
        _check_images(plan, key, result)
        return
    if key.kind == "text":
        _check_text(plan, key, result)
        return
    chunk = plan.chunks[key.index]
    wanted = [rendition.id for rendition in plan.video.renditions] if plan.video else []
    wanted += [TRICK] if plan.video and plan.video.trick else []
    if key.kind == "audio":
        # A part may be without sound where the picture's last segment is shorter than an access unit, and where
        # nothing of the track can be decoded.
        made = {part.rendition for part in result.renditions}
        wanted = [rendition.id for rendition in plan.audio[key.track].renditions if rendition.id in made]
    _expect(key, "renditions", wanted, [part.rendition for part in result.renditions])
    spans: set[tuple[int | None, int | None]] = set()
    counts: set[int] = set()
    for part in result.renditions:
        _expect(key, f"timescale of {part.rendition}", _timescale(plan, key, part.rendition), part.timescale)
        _check_floor(plan, part)
        numbers = [segment.number for segment in part.segments]
        planned = [segment.number for segment in chunk.segments]
        _expect(key, f"segments of {part.rendition}", planned[: len(numbers)], numbers)
        _expect(key, f"positions in {part.rendition}", True, _contiguous(part.segments))
        if key.kind == "video":
            _expect(key, f"segments of {part.rendition}", planned, numbers)
            spans.add((part.start, part.end))
            if part.kind == "video":
                counts.add(part.frames)
            else:
                _expect(key, f"frames of {part.rendition}", len(planned), part.frames)
        known = _configuration(part.rendition, commits)
        if known is not None:
            _expect(key, f"decoder configuration of {part.rendition}", known, part.codec_config_sha256)
    if key.kind == "video":
        _expect(key, "distinct spans of the rungs", 1, len(spans))
        _expect(key, "distinct frame counts of the rungs", 1, len(counts))


def _check_floor(plan: Plan, part: RenditionPart) -> None:
    """A rung that is below the ladder's floor fails at once: nothing that follows can mend it."""
    if plan.video is None or part.kind != "video":
        return
    problems = list(below_floor(plan.video.quality, part.segments))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise VerificationError(
            f"rendition {part.rendition} is below the quality floor: {problems[0]}{more}",
            {"rendition": part.rendition, "problems": problems[:_MOST_PROBLEMS]},
        )


def package_of(plan: Plan, results: Mapping[TaskKey, PartResult], *, final: bool) -> Package:
    """The package that committed results make. Errors: those of `build`."""
    return build(
        plan,
        {key.index: result for key, result in results.items() if key.kind == "video"},
        {(key.track, key.index): result for key, result in results.items() if key.kind == "audio"},
        text={key.track: result for key, result in results.items() if key.kind == "text"},
        images=[
            result for key, result in sorted(results.items(), key=lambda item: str(item[0])) if key.kind == "image"
        ],
        final=final,
    )


def _images(plan: Plan) -> int:
    """How many image tasks there are: the poster's, the sprite sheets'."""
    return 0 if plan.thumbnails is None else 1 if plan.thumbnails.sprites is None else 2


def _check_images(plan: Plan, key: TaskKey, result: PartResult) -> None:
    """The poster, or the sheets and their index."""
    sprites = plan.thumbnails.sprites if plan.thumbnails else None
    names = [POSTER]
    if key.index and sprites:
        names = [*(sprites.name(sheet) for sheet in range(1, sprites.sheets + 1)), INDEX]
    _expect(key, "images", names, [image.name for image in result.images])


def _check_text(plan: Plan, key: TaskKey, result: PartResult) -> None:
    """All segments of the title, in text's own clock."""
    _expect(key, "renditions", [plan.text[key.track].id], [part.rendition for part in result.renditions])
    [part] = result.renditions
    _expect(key, "timescale", TEXT_TIMESCALE, part.timescale)
    _expect(key, "segments", [s.number for s in plan.segments], [s.number for s in part.segments])
    _expect(key, "positions", True, _contiguous(part.segments))


def _timescale(plan: Plan, key: TaskKey, rendition: str) -> int:
    if key.kind == "video" and plan.video:
        return plan.video.timescale
    return plan.audio[key.track].rendition(rendition).sample_rate


def _contiguous(segments: Sequence[SegmentResult]) -> bool:
    ends = [s.start + s.duration for s in segments]
    starts = [s.start for s in segments]
    return ends[:-1] == starts[1:]


def _configuration(rendition: str, commits: Iterable[Commit]) -> str | None:
    for commit in commits:
        for part in commit.result.renditions:
            if part.rendition == rendition:
                return part.codec_config_sha256
    return None


def _expect(key: TaskKey, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise VerificationError(
            f"task {key} made something else than planned: {what}",
            {"task": str(key), "expected": expected, "found": found},
        )
