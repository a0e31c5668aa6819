"""Units of a plan, and whether a result is what its task was to make."""

from __future__ import annotations

import pytest
from support.plans import part_result, plan_of

from cluster.documents import Commit, TaskKey
from cluster.units import check_result, task_keys, units_of
from transcoder.errors import VerificationError
from transcoder.ladder import QualityRequest
from transcoder.results import PartResult, RenditionPart, SegmentQuality

PLAN = plan_of(30, audio_tracks=2)
KEY = TaskKey(kind="video", index=4)


def test_the_head_comes_first_and_sound_with_it() -> None:
    names = [unit.name for unit in units_of(PLAN)]
    assert names[:4] == ["audio-0", "audio-1", "video-00000", "video-00001"]
    assert names.index("image-0") == 6


def test_every_task_has_one_unit() -> None:
    keys = task_keys(PLAN)
    assert len(set(keys)) == len(keys) == 3 * len(PLAN.chunks) + 2


def test_a_title_without_a_picture_has_audio_tasks_alone() -> None:
    sound = PLAN.model_copy(update={"video": None, "thumbnails": None})
    assert [unit.name for unit in units_of(sound)] == ["audio-0", "audio-1"]


@pytest.mark.parametrize("key", task_keys(PLAN), ids=str)
def test_a_correct_result_passes(key: TaskKey) -> None:
    check_result(PLAN, key, part_result(PLAN, key), ())


def spoiled(part: RenditionPart, how: str) -> RenditionPart:
    segments = part.segments
    match how:
        case "segment missing":
            return part.model_copy(update={"segments": segments[:-1]})
        case "other numbers":
            return part.model_copy(
                update={"segments": tuple(s.model_copy(update={"number": s.number + 1}) for s in segments)}
            )
        case "hole":
            moved = segments[-1].model_copy(update={"start": segments[-1].start + 1})
            return part.model_copy(update={"segments": (*segments[:-1], moved)})
        case "other timescale":
            return part.model_copy(update={"timescale": 999})
        case "one frame less":
            fewer = segments[-1].model_copy(update={"frames": segments[-1].frames - 1})
            return part.model_copy(update={"segments": (*segments[:-1], fewer)})
        case _:
            return part.model_copy(update={"codec_config_sha256": "d" * 64})


@pytest.mark.parametrize(
    "how",
    ["segment missing", "other numbers", "hole", "other timescale", "one frame less", "other configuration"],
)
def test_a_wrong_result_is_refused(how: str) -> None:
    result = part_result(PLAN, KEY)
    wrong = PartResult(renditions=(spoiled(result.renditions[0], how), *result.renditions[1:]))
    known = TaskKey(kind="video", index=0)
    commits = (Commit(key=known, attempt=1, result=part_result(PLAN, known)),)
    with pytest.raises(VerificationError) as caught:
        check_result(PLAN, KEY, wrong, commits)
    assert caught.value.details["task"] == str(KEY)


def test_a_missing_rung_is_refused() -> None:
    result = part_result(PLAN, KEY)
    with pytest.raises(VerificationError):
        check_result(PLAN, KEY, PartResult(renditions=result.renditions[1:]), ())
    with pytest.raises(VerificationError):
        check_result(PLAN, TaskKey(kind="image"), PartResult(), ())


@pytest.mark.parametrize(("psnr", "refused"), [(31.0, False), (30.0, False), (29.9, True)])
def test_a_rung_below_the_floor_is_refused_with_its_place(psnr: float, refused: bool) -> None:
    assert PLAN.video is not None
    track = PLAN.video.model_copy(update={"quality": QualityRequest(min_psnr=30)})
    plan = PLAN.model_copy(update={"video": track})
    result = part_result(plan, KEY)
    qualities = [SegmentQuality(psnr=50.0), SegmentQuality(psnr=psnr)]
    renditions = tuple(
        part.model_copy(
            update={"segments": tuple(segment.model_copy(update={"quality": quality})
                                      for segment, quality in zip(part.segments, qualities, strict=True))}
        )
        for part in result.renditions
    )  # fmt: skip
    result = result.model_copy(update={"renditions": renditions})
    if not refused:
        check_result(plan, KEY, result, ())
        return
    number = result.renditions[0].segments[1].number
    with pytest.raises(VerificationError, match=f"segment {number} has PSNR 29.9, below 30") as caught:
        check_result(plan, KEY, result, ())
    assert caught.value.details["rendition"] == result.renditions[0].rendition
