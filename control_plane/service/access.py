"""Who asks: API keys. The database holds their SHA-256 only; a key is 256 random bits, so no salt is needed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import uuid
from pathlib import Path
from typing import Final

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from control_plane.db.schema import BOOTSTRAP_USER_ID, api_keys, users
from control_plane.secret_file import read_or_create
from control_plane.service.errors import UnauthorizedError
from control_plane.service.views import Principal
from transcoder.errors import ResourceMissingError

__all__ = ["AccessService"]

_KEY: Final = re.compile(r"fm_[A-Za-z0-9_-]{43}")
_BOOTSTRAP_LOCK: Final = 0x4672_6B65_79


class AccessService:
    """Checks API keys and makes the first one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def authenticate(self, api_key: str) -> Principal:
        """The owner of a key. Errors: UnauthorizedError, the same for every wrong key."""
        if not _KEY.fullmatch(api_key):
            raise UnauthorizedError("a valid API key is required")
        digest = _digest(api_key)
        query = (
            select(api_keys.c.key_sha256, users.c.id, users.c.name)
            .join(users, users.c.id == api_keys.c.owner_id)
            .where(api_keys.c.key_sha256 == digest, api_keys.c.revoked_at.is_(None))
        )
        async with self._engine.connect() as connection:
            found = (await connection.execute(query)).one_or_none()
        # The index has compared hashes, whose timing tells nothing about a key; this one is constant in time.
        if found is None or not hmac.compare_digest(bytes(found.key_sha256), digest):
            raise UnauthorizedError("a valid API key is required")
        return Principal(owner_id=found.id, name=found.name)

    async def ensure_bootstrap_key(self, path: Path) -> str | None:
        """Create the bootstrap user's first key, store it in `path` (mode 0600) and return it; None later on.

        Order: the file first, then the row. A crash between the two leaves a key that is no use yet, which the
        next start takes from the file and registers; the other way round the only key could be lost.
        Errors: ResourceMissingError where the file is there and holds no key.
        """
        async with self._engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _BOOTSTRAP_LOCK})
            known = await connection.execute(
                select(api_keys.c.id).where(api_keys.c.owner_id == BOOTSTRAP_USER_ID).limit(1)
            )
            if known.first() is not None:
                return None
            key = await asyncio.to_thread(read_or_create, path, f"fm_{secrets.token_urlsafe(32)}")
            if not _KEY.fullmatch(key):
                raise ResourceMissingError(f"{path.name} in the data directory does not hold an API key")
            await connection.execute(
                insert(api_keys).values(
                    id=uuid.uuid4(), owner_id=BOOTSTRAP_USER_ID, name="bootstrap", key_sha256=_digest(key)
                )
            )
            return key


def _digest(api_key: str) -> bytes:
    return hashlib.sha256(api_key.encode("ascii")).digest()
