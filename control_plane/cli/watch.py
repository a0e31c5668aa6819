"""Following a job on the terminal: a progress bar from the event stream, resumed when the connection breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from control_plane.cli.connection import Connection
from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from control_plane.rpc.statuses import error_of_call
from transcoder.errors import FramemillError, ResourceMissingError

__all__ = ["ENDED", "follow", "follow_with_bar", "state_name"]

ENDED = frozenset({pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELED})
_ATTEMPTS = 10
_FIRST_PAUSE_SECONDS = 0.2


def state_name(job: pb.Job) -> str:
    """The job's state as people know it, such as "RUNNING"."""
    return pb.JobState.Name(job.state).removeprefix("JOB_STATE_")


def follow(connection: Connection, job_id: str, after: int = 0) -> Iterator[pb.WatchJobResponse]:
    """The job's events until it has ended. A broken connection is taken up again at the cursor.

    Errors: those of WatchJob; ResourceMissingError when the server stays away.
    """
    failures = 0
    while True:
        try:
            with connection.stub() as stub:
                request = pb.WatchJobRequest(job_id=job_id, after=after)
                for event in stub.WatchJob(request, metadata=connection.metadata):
                    after, failures = event.cursor, 0
                    yield event
                    if event.job.state in ENDED:
                        return
        except grpc.RpcError as error:
            failure = error_of_call(error)
            if not failure.retryable:
                raise failure from error
        except FramemillError as error:
            if not error.retryable:
                raise
        # A stream that ended without the last event is a server that is stopping: it may come back.
        failures += 1
        if failures > _ATTEMPTS:
            raise ResourceMissingError("the server does not answer any more; the job goes on without us")
        time.sleep(min(5.0, _FIRST_PAUSE_SECONDS * 2**failures))


def follow_with_bar(connection: Connection, job_id: str, label: str) -> pb.Job:
    """Follow a job with a progress bar on stderr, or a line for each change where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return _follow_with_lines(connection, job_id, label, console)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[playable]}"), console=console,
    ) as progress:  # fmt: skip
        bar = progress.add_task(label, total=None, playable="")
        job = pb.Job()
        for event in follow(connection, job_id):
            job = event.job
            progress.update(
                bar, description=f"{label} {state_name(job)}", total=job.progress.tasks_total or None,
                completed=job.progress.tasks_committed, playable=_playable(job),
            )  # fmt: skip
        return job


def _follow_with_lines(connection: Connection, job_id: str, label: str, console: Console) -> pb.Job:
    job, shown = pb.Job(), ""
    for event in follow(connection, job_id):
        job = event.job
        line = f"{label} {state_name(job)} {job.progress.tasks_committed}/{job.progress.tasks_total} tasks"
        if line != shown:
            console.print(f"{line} {_playable(job)}".rstrip(), highlight=False, soft_wrap=True)
            shown = line
    return job


def _playable(job: pb.Job) -> str:
    seconds = job.playable.position.ToTimedelta().total_seconds()
    return f"playable to {seconds:.0f} s" if seconds else ""
