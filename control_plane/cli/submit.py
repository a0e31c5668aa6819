"""`framemill submit`: upload over HTTP, then a job over gRPC."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from control_plane.cli.connection import CALL_SECONDS, Connection, connection_options
from control_plane.cli.jobs import as_document, outcome, print_job
from control_plane.cli.watch import follow_with_bar
from control_plane.pb.framemill.v1 import transcode_pb2 as pb
from control_plane.service.errors import UnavailableError, error_for_code
from transcoder.errors import FramemillError, InternalError, InvalidInputError

__all__ = ["submit"]

# The answer comes after the server has flushed the file to its disk, which takes its time for a large one.
_TIMEOUT = httpx.Timeout(30.0, read=600.0, write=120.0)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--title", help="Title of the video; the file's name unless given.")
@click.option("--ladder", default="", help="Name of the ladder.")
@click.option("--priority", type=int, default=0, show_default=True, help="A higher one runs earlier.")
@click.option("--wait", is_flag=True, help="Follow the job until it ends; the exit code says how.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@connection_options
def submit(
    connection: Connection, file: Path, title: str | None, ladder: str, priority: int, wait: bool, as_json: bool
) -> int:
    """Upload FILE and start a transcode of it."""
    uploaded = _upload(connection, file, title)
    request = pb.CreateJobRequest(
        request_id=str(uuid.uuid4()), video_id=uploaded["videoId"], ladder=ladder, priority=priority
    )
    with connection.stub() as stub:
        job = stub.CreateJob(request, timeout=CALL_SECONDS, metadata=connection.metadata)
    code = 0
    if wait:
        job = follow_with_bar(connection, job.job_id, file.name)
        code = outcome(job)
    if as_json:
        click.echo(json.dumps({"video": uploaded["video"], "job": as_document(job)}, indent=2))
    else:
        print_job(job, as_json=False)
    return code


def _upload(connection: Connection, file: Path, title: str | None) -> dict[str, Any]:
    columns = (TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        progress.open(file, "rb") as stream,
        httpx.Client(base_url=connection.http_url, headers=connection.headers, timeout=_TIMEOUT) as client,
    ):
        try:
            answer = client.post(
                "/v1/videos",
                data={"title": title} if title else {},
                files={"file": (file.name, stream, "application/octet-stream")},
            )
        except httpx.TransportError as error:
            raise UnavailableError(f"the server at {connection.http_url} cannot be reached: {error}") from error
        except httpx.InvalidURL as error:
            raise InvalidInputError(f"{connection.http_url!r} is not a URL") from error
    if answer.status_code == httpx.codes.CREATED:
        body: dict[str, Any] = answer.json()
        return body
    raise _failure(answer)


def _failure(answer: httpx.Response) -> FramemillError:
    try:
        body = answer.json()
        code, message, details = str(body["code"]), str(body["message"]), body.get("details") or {}
    except (ValueError, KeyError, TypeError):
        return InternalError(f"the server answered {answer.status_code}, and not as Framemill does")
    return error_for_code(code, message, details)
