"""An outbox row as a CloudEvents 1.0 document in the JSON format. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["cloud_event"]


def cloud_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a row of `outbox`. A consumer that has seen (source, id) before may ignore it.

    `sequence` is CloudEvents' extension of that name: the event's number within its job.
    """
    event = {
        "specversion": "1.0",
        "id": str(row["event_id"]),
        "source": "/framemill",
        "type": row["type"],
        "subject": f"jobs/{row['job_id']}" if row["job_id"] is not None else f"videos/{row['video_id']}",
        "time": row["created_at"].isoformat(),
        "datacontenttype": "application/json",
        "ownerid": str(row["owner_id"]),
        "data": row["data"],
    }
    if row["job_seq"] is not None:
        event["sequence"] = str(row["job_seq"])
    return event
