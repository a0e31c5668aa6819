"""`framemill jobs`: the gRPC API on the terminal."""

from __future__ import annotations

import json
import uuid
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from control_plane.cli.connection import CALL_SECONDS, Connection, connection_options
from control_plane.cli.exits import DONE, FAILED, exit_code
from control_plane.cli.watch import follow_with_bar, state_name
from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from transcoder.errors import InvalidInputError

__all__ = ["as_document", "jobs", "outcome", "print_job"]

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def jobs() -> None:
    """List, show, watch, cancel and retry jobs."""


@jobs.command("list")
@click.option("--video", "video_id", default="", help="Only jobs of this video.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@_json
@connection_options
def list_jobs(connection: Connection, video_id: str, limit: int, as_json: bool) -> None:
    """List your jobs, newest first."""
    found: list[pb.Job] = []
    token = ""
    with connection.stub() as stub:
        while len(found) < limit:
            request = pb.ListJobsRequest(page_size=min(200, limit - len(found)), page_token=token, video_id=video_id)
            page = stub.ListJobs(request, timeout=CALL_SECONDS, metadata=connection.metadata)
            found += page.jobs
            token = page.next_page_token
            if not token:
                break
    if as_json:
        click.echo(json.dumps({"jobs": [as_document(job) for job in found]}, indent=2))
        return
    table = Table(box=None)
    for column in ("job", "type", "state", "tasks", "ladder", "created"):
        table.add_column(column, no_wrap=True)
    for job in found:
        tasks = f"{job.progress.tasks_committed}/{job.progress.tasks_total}"
        created = job.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(job.job_id, job.type, state_name(job), tasks, job.ladder, created)
    # Never narrower than the table: a cut-off id is of no use to the next command.
    console = Console()
    whole = Measurement.get(console, console.options.update(max_width=1000), table)
    Console(width=max(console.width, whole.maximum)).print(table)


@jobs.command()
@click.argument("job_id")
@_json
@connection_options
def show(connection: Connection, job_id: str, as_json: bool) -> None:
    """Show one job."""
    with connection.stub() as stub:
        job = stub.GetJob(pb.GetJobRequest(job_id=_checked(job_id)), timeout=CALL_SECONDS, metadata=connection.metadata)
    print_job(job, as_json)


@jobs.command()
@click.argument("job_id")
@_json
@connection_options
def watch(connection: Connection, job_id: str, as_json: bool) -> int:
    """Follow a job until it ends; the exit code says how."""
    job = follow_with_bar(connection, _checked(job_id), job_id[:8])
    print_job(job, as_json)
    return outcome(job)


@jobs.command()
@click.argument("job_id")
@_json
@connection_options
def cancel(connection: Connection, job_id: str, as_json: bool) -> None:
    """Ask for a job to be canceled."""
    with connection.stub() as stub:
        job = stub.CancelJob(
            pb.CancelJobRequest(job_id=_checked(job_id)), timeout=CALL_SECONDS, metadata=connection.metadata
        )
    print_job(job, as_json)


@jobs.command()
@click.argument("job_id")
@_json
@connection_options
def retry(connection: Connection, job_id: str, as_json: bool) -> None:
    """Start a new job in the place of one that failed or was canceled."""
    with connection.stub() as stub:
        job = stub.RetryJob(
            pb.RetryJobRequest(job_id=_checked(job_id)), timeout=CALL_SECONDS, metadata=connection.metadata
        )
    print_job(job, as_json)


def as_document(message: Message) -> dict[str, Any]:
    """A message as JSON, with fields that have no value as well, so that scripts can rely on them."""
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def outcome(job: pb.Job) -> int:
    """The exit code of an ended job."""
    if job.state == pb.JOB_STATE_SUCCEEDED:
        return DONE
    return exit_code(job.error.code) if job.error.code else FAILED


def print_job(job: pb.Job, as_json: bool) -> None:
    """A job on stdout, as JSON or for people."""
    if as_json:
        click.echo(json.dumps(as_document(job), indent=2))
        return
    lines = [
        ("job", job.job_id),
        ("video", job.video_id),
        ("type", job.type),
        ("state", state_name(job) + (" (cancel requested)" if job.cancel_requested else "")),
        ("ladder", job.ladder),
        ("tasks", f"{job.progress.tasks_committed}/{job.progress.tasks_total}"),
        ("playable", f"{job.playable.position.ToTimedelta().total_seconds():.3f} s"),
        ("renditions", ", ".join(rendition.id for rendition in job.renditions)),
        ("error", f"{job.error.code}: {job.error.message}" if job.error.code else ""),
    ]
    for name, value in lines:
        if value:
            click.echo(f"{name:<11}{value}")


def _checked(job_id: str) -> str:
    try:
        return str(uuid.UUID(job_id))
    except ValueError:
        raise InvalidInputError(f"{job_id!r} is not a job id") from None
