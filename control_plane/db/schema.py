"""The tables, as SQLAlchemy Core.

Core and not the ORM: what matters here is which statement runs under which lock and in which order, and a unit
of work would hide just that. The migrations create the tables; a test compares the two.

Locks are always taken in the order job, then video, then anything else; a request that starts at the video
never locks a job that exists. `owner_id` is on every row: the tenant.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

__all__ = [
    "BOOTSTRAP_USER_ID",
    "METADATA",
    "api_keys",
    "attempts",
    "derivatives",
    "dispatchers",
    "job_history",
    "jobs",
    "outbox",
    "packages",
    "tasks",
    "users",
    "videos",
]

BOOTSTRAP_USER_ID: Final = UUID("00000000-0000-4000-8000-000000000001")
"""The owner of everything until there are accounts, and of what belongs to the installation itself."""

METADATA: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


def _id() -> Column[UUID]:
    return Column("id", Uuid, primary_key=True)


def _owner() -> Column[UUID]:
    return Column("owner_id", Uuid, ForeignKey("users.id"), nullable=False)


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _time(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


def _error() -> list[Column[object]]:
    return [Column("error_code", Text), Column("error_message", Text), Column("error_details", JSONB)]


users: Final = Table("users", METADATA, _id(), _owner(), Column("name", Text, nullable=False), _now("created_at"))

api_keys: Final = Table(
    "api_keys", METADATA, _id(), _owner(),
    Column("name", Text, nullable=False),
    Column("key_sha256", LargeBinary, nullable=False, unique=True),
    _now("created_at"), _time("revoked_at"),
)  # fmt: skip

videos: Final = Table(
    "videos", METADATA, _id(), _owner(),
    Column("title", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("source_key", Text, nullable=False),
    Column("source_name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("media", JSONB),
    Column("current_package_id", Uuid, ForeignKey("packages.id", use_alter=True)),
    *_error(), _now("created_at"), _now("updated_at"),
    Index("videos_owner_id_created_at_id_idx", "owner_id", "created_at", "id"),
)  # fmt: skip

packages: Final = Table(
    "packages", METADATA, _id(), _owner(),
    Column("video_id", Uuid, ForeignKey("videos.id"), nullable=False),
    Column("prefix", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("publication", JSONB, nullable=False),
    _now("created_at"), _time("ready_at"),
    Index("packages_video_id_created_at_idx", "video_id", "created_at"),
)  # fmt: skip

jobs: Final = Table(
    "jobs", METADATA, _id(), _owner(),
    Column("video_id", Uuid, ForeignKey("videos.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_reason", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("request_id", Text),
    Column("retry_of", Uuid, ForeignKey("jobs.id")),
    Column("package_id", Uuid, ForeignKey("packages.id")),
    Column("plan", JSONB),
    Column("renditions", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("publication", JSONB, nullable=False),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("cluster", Text),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("event_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("report", JSONB),
    *_error(), _now("created_at"), _time("started_at"), _time("finished_at"),
    UniqueConstraint("owner_id", "request_id"),
    Index(
        "jobs_one_live_per_video_and_type", "video_id", "type", unique=True,
        postgresql_where=text("status IN ('QUEUED', 'RUNNING')"),
    ),
    Index(
        "jobs_claimable", text("priority DESC"), "created_at", "id",
        postgresql_where=text("status IN ('QUEUED', 'RUNNING')"),
    ),
    Index("jobs_owner_id_created_at_id_idx", "owner_id", "created_at", "id"),
    Index("jobs_package_id_idx", "package_id"),
)  # fmt: skip

tasks: Final = Table(
    "tasks", METADATA,
    Column("job_id", Uuid, ForeignKey("jobs.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    _owner(),
    Column("kind", Text, nullable=False),
    Column("track", Integer, nullable=False),
    Column("index", Integer, nullable=False),
    # The highest attempt number ever given, by this job or by one whose tasks it adopted.
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("committed_attempt", Integer),
    Column("result", JSONB),
    _time("committed_at"),
)  # fmt: skip

attempts: Final = Table(
    "attempts", METADATA,
    Column("job_id", Uuid, primary_key=True),
    Column("task_key", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    _owner(),
    Column("status", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    *_error(), _now("started_at"), _time("finished_at"),
    ForeignKeyConstraint(["job_id", "task_key"], ["tasks.job_id", "tasks.key"]),
)  # fmt: skip

derivatives: Final = Table(
    "derivatives", METADATA, _id(), _owner(),
    Column("video_id", Uuid, ForeignKey("videos.id"), nullable=False),
    Column("package_id", Uuid, ForeignKey("packages.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    _now("created_at"),
    UniqueConstraint("package_id", "kind", "name"),
)  # fmt: skip

outbox: Final = Table(
    "outbox", METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    _owner(),
    Column("type", Text, nullable=False),
    Column("video_id", Uuid, ForeignKey("videos.id"), nullable=False),
    Column("job_id", Uuid, ForeignKey("jobs.id")),
    Column("job_seq", BigInteger),
    Column("data", JSONB, nullable=False),
    # The clock, not now(): that is the start of the transaction, and later events could look earlier.
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    _time("published_at"),
    UniqueConstraint("job_id", "job_seq"),
    Index("outbox_unpublished", "id", postgresql_where=text("published_at IS NULL")),
)  # fmt: skip

job_history: Final = Table(
    "job_history", METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _owner(),
    Column("job_id", Uuid, ForeignKey("jobs.id"), nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Index("job_history_job_id_id_idx", "job_id", "id"),
)  # fmt: skip

dispatchers: Final = Table(
    "dispatchers", METADATA,
    Column("cluster", Text, primary_key=True),
    _owner(),
    Column("holder", Uuid, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)  # fmt: skip
