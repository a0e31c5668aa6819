"""What a plan means for the rows of a job."""

from __future__ import annotations

from support.plans import plan_of

from control_plane.domain.plan import extends, planned_renditions

PLAN = plan_of(20, audio_tracks=2)


def test_a_plan_only_grows_at_its_end() -> None:
    growing = PLAN.model_copy(update={"ended": False, "chunks": PLAN.chunks[:2]})
    assert extends(growing, PLAN)
    assert extends(PLAN, PLAN)
    assert not extends(PLAN, growing)
    assert not extends(growing, PLAN.model_copy(update={"chunks": PLAN.chunks[1:]}))
    assert not extends(growing, PLAN.model_copy(update={"audio": PLAN.audio[:1]}))


def test_planned_renditions_show_the_cap() -> None:
    views = planned_renditions(PLAN)
    assert [view.id for view in views] == ["v480", "v360", "v240", "trick", "a0", "a1"]
    assert views[0].bandwidth == 1_500_000
    assert (views[0].width, views[0].height) == (PLAN.video.renditions[0].width, 480)
