"""A real clip through the other door: made, watched to its end and listed over gRPC, then decoded in full."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from support import clips, ffmpeg, hls
from support.service import Service, serve

from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from control_plane.pb.framemill.v1.transcode_pb2_grpc import TranscodeServiceStub


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


def test_a_clip_goes_through_grpc(service: Service) -> None:
    clip = clips.media_file("bbb_720p25_5s.mp4")
    video = service.client.upload(clip)["videoId"]
    key = (("authorization", f"Bearer {service.api_key}"),)
    with grpc.insecure_channel(service.grpc_address) as channel:
        stub = TranscodeServiceStub(channel)
        request = pb.CreateJobRequest(request_id="the-only-one", video_id=video, ladder="h264")
        job = stub.CreateJob(request, metadata=key, timeout=30)
        assert stub.CreateJob(request, metadata=key, timeout=30).job_id == job.job_id
        events = list(stub.WatchJob(pb.WatchJobRequest(job_id=job.job_id), metadata=key, timeout=240))
        assert [event.cursor for event in events] == list(range(1, len(events) + 1))
        assert events[-1].job.state == pb.JOB_STATE_SUCCEEDED
        playable = [event.job.playable.segments for event in events]
        assert playable == sorted(playable)
        assert stub.GetJob(pb.GetJobRequest(job_id=job.job_id), metadata=key, timeout=30).job_id == job.job_id
        listed = stub.ListJobs(pb.ListJobsRequest(video_id=video), metadata=key, timeout=30).jobs
        assert job.job_id in [one.job_id for one in listed]
    playlists = hls.media_playlists(service.client.playback(video)["hlsUrl"]).video
    assert len(playlists) == 4
    source = [frame.time for frame in ffmpeg.decode_frames(clip)]
    for playlist in playlists:
        assert [frame.time for frame in ffmpeg.decode_frames(playlist)] == [time - source[0] for time in source]
