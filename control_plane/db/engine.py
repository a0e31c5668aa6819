"""The async engine, and the migrations that every start runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["create_engine", "migrate", "storable"]

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 0x4672_616D_656D  # "Framem": any constant, the same in every process


def storable(value: Any) -> Any:
    """The value with every string made fit for PostgreSQL, which has no NUL and no lone surrogate in a text.

    Both occur in the tags and file names of hostile media.
    """
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def _to_json(value: Any) -> str:
    return json.dumps(storable(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def create_engine(dsn: str) -> AsyncEngine:
    """An engine for `postgresql+psycopg://...`. The caller disposes of it.

    Connections are tried before use, so that a restarted server costs no request.
    """
    return create_async_engine(
        dsn, pool_size=10, max_overflow=30, pool_pre_ping=True, json_serializer=_to_json,
        connect_args={"connect_timeout": 5, "options": "-c timezone=UTC -c lock_timeout=15s"},
    )  # fmt: skip


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema to the newest version. Any number of processes may start at once.

    The advisory lock and all migrations share one transaction: a start that fails changes nothing.
    """
    async with engine.begin() as connection:
        # Another start may be in the middle of a long migration: waiting for it is right.
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
