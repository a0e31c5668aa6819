"""A real clip goes through the running service: it plays while the job works, and is whole when the job is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import pytest
from support import clips, ffmpeg, hls
from support.player import PlayerName, PlayerState, play
from support.service import Service, serve

FRAMES = 720
FRAME_RATE = 24
DURATION_SECONDS = 30
# Segments of 1, 1, 2, then 4 s: the second chunk begins at 1 s, the last segment at 28 s.
JOIN_SECONDS = 1.0
LAST_SEGMENT_SECONDS = 28.5


@dataclass(frozen=True)
class Transcoded:
    """One finished job, and what was seen while it ran."""

    job: dict[str, Any]
    video: dict[str, Any]
    playback: dict[str, Any]
    first_segments_at: datetime
    player: PlayerState


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def transcoded(service: Service) -> Transcoded:
    return asyncio.run(_watch_while_it_works(service))


async def _watch_while_it_works(service: Service) -> Transcoded:
    client = service.client
    video_id = client.upload(clips.media_file("bbb_480p24_30s.mp4"))["videoId"]
    job_id = client.transcode(video_id)["id"]
    client.wait_playable(job_id)
    master = client.playback(video_id)["hlsUrl"]
    hls.fetch_first_segments(master)
    served_at = datetime.now().astimezone()
    async with play(master, player="hls") as playing:
        state = await playing.first_frame()
    job = client.wait(job_id)
    return Transcoded(
        job=job,
        video=client.get(f"/v1/videos/{video_id}"),
        playback=client.playback(video_id),
        first_segments_at=served_at,
        player=state,
    )


def test_the_job_succeeds_and_the_video_is_ready(transcoded: Transcoded) -> None:
    assert transcoded.job["status"] == "SUCCEEDED", transcoded.job["error"]
    assert transcoded.video["status"] == "READY"
    assert transcoded.playback["durationSeconds"] == pytest.approx(DURATION_SECONDS, abs=1 / FRAME_RATE)


def test_it_is_served_and_plays_before_the_job_has_finished(transcoded: Transcoded) -> None:
    finished = datetime.fromisoformat(transcoded.job["finishedAt"])
    assert transcoded.player.first_frame_ms is not None

    assert transcoded.first_segments_at < finished
    assert transcoded.player.first_frame_ms / 1000 < finished.timestamp()
    assert transcoded.player.current_time < 2, "an unfinished title starts at 0"


def test_every_rendition_decodes_in_full_without_a_gap(transcoded: Transcoded) -> None:
    playlists = hls.media_playlists(transcoded.playback["hlsUrl"])
    assert len(playlists.video) == 3, "480, 360 and 240 lines"

    for playlist in playlists.video:
        times = [frame.time for frame in ffmpeg.decode_frames(playlist)]
        assert times == [Fraction(number, FRAME_RATE) for number in range(FRAMES)]


def test_the_sound_is_as_long_as_the_picture(transcoded: Transcoded) -> None:
    playlists = hls.media_playlists(transcoded.playback["hlsUrl"])

    samples = ffmpeg.audio_samples(playlists.audio[0])

    source = ffmpeg.audio_samples(clips.media_file("bbb_480p24_30s.mp4"))
    assert abs(samples - source) <= 1024


@pytest.mark.parametrize(("player", "field"), [("hls", "hlsUrl"), ("shaka", "dashUrl"), ("dash", "dashUrl")])
async def test_a_player_passes_a_join_and_seeks_into_the_last_segment(
    transcoded: Transcoded, player: PlayerName, field: str
) -> None:
    async with play(transcoded.playback[field], player=player, until=JOIN_SECONDS + 1) as playing:
        state = await playing.seek(LAST_SEGMENT_SECONDS)
        picture = await playing.screenshot()

    assert state.current_time >= LAST_SEGMENT_SECONDS
    assert state.errors == ()
    assert not picture.is_black
