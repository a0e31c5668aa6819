"""Playback: signed paths that a player can follow, and what they lead to in the package store.

A token is in the path, so that the relative URLs in a manifest carry it. It names no user and no key: it is
urlsafe base64 of key id (4 bytes), expiry (8 bytes, seconds since the epoch, big endian) and an HMAC-SHA256
over both and the package.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cluster.documents import Publication
from control_plane.db.schema import jobs, packages, tasks, videos
from control_plane.service.errors import UnauthorizedError
from control_plane.service.views import PlaybackView, Principal, VideoStatus
from transcoder.errors import NotFoundError

__all__ = ["PlaybackService"]

MASTER: Final = "hls/master.m3u8"
MPD: Final = "dash/manifest.mpd"
POSTER: Final = "thumbnails/poster.jpg"
_HEAD: Final = struct.Struct(">4sQ")
_PATH: Final = re.compile(r"(?:hls|dash|cmaf|text|thumbnails)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_KNOWN_PREFIXES: Final = 4096


class PlaybackService:
    """Signs and resolves playback paths with a key that all processes of an installation share."""

    def __init__(self, engine: AsyncEngine, signing_key: bytes, ttl_seconds: int) -> None:
        self._engine = engine
        self._key = signing_key
        self._key_id = hashlib.sha256(b"framemill playback key id" + signing_key).digest()[:4]
        self._ttl_seconds = ttl_seconds
        # A package's prefix never changes: segments are asked for often, and need no query each.
        self._prefixes: OrderedDict[UUID, str] = OrderedDict()

    async def playback(self, principal: Principal, video_id: UUID) -> PlaybackView:
        """How to play a video now: its newest READY package, else the newest that can be played.

        Errors: NotFoundError, also while nothing can be played yet.
        """
        row = await self._playable(principal, video_id)
        publication = Publication.model_validate(row["publication"])
        expires_at = int(time.time()) + self._ttl_seconds
        root = f"/v1/playback/{self._sign(row['id'], expires_at)}/{row['id']}"
        return PlaybackView(
            video_id=video_id, package_id=row["id"], status=VideoStatus(row["video_status"]),
            hls_path=f"{root}/{MASTER}", dash_path=f"{root}/{MPD}",
            poster_path=f"{root}/{POSTER}" if row["has_poster"] else None,
            playable_seconds=float(publication.seconds), duration_seconds=float(publication.total_seconds),
            final=publication.final, expires_at=datetime.fromtimestamp(expires_at, UTC),
        )  # fmt: skip

    async def resolve(self, token: str, package_id: UUID, path: str) -> str:
        """The object key behind a signed path.

        Errors: UnauthorizedError for a bad or expired token, NotFoundError for a path outside a package.
        """
        self._check(token, package_id)
        _check_path(path)
        return f"{await self._prefix(package_id)}/{path}"

    async def resolve_owned(self, principal: Principal, video_id: UUID, path: str) -> str:
        """The object key of a file of the owner's video, in the package that `playback` would take.

        Errors: NotFoundError.
        """
        _check_path(path)
        row = await self._playable(principal, video_id)
        return f"{row['prefix']}/{path}"

    async def _playable(self, principal: Principal, video_id: UUID) -> RowMapping:
        poster = exists().where(
            jobs.c.package_id == packages.c.id, tasks.c.job_id == jobs.c.id, tasks.c.kind == "image",
            tasks.c.index == 0,
            tasks.c.committed_attempt.is_not(None),
        )  # fmt: skip
        query = (
            select(
                packages.c.id, packages.c.prefix, packages.c.publication, videos.c.status.label("video_status"),
                poster.label("has_poster"),
            )
            .join(videos, videos.c.id == packages.c.video_id)
            .where(
                videos.c.id == video_id, videos.c.owner_id == principal.owner_id,
                packages.c.status.in_(["PLAYABLE", "READY"]),
            )
            .order_by((packages.c.status == "READY").desc(), packages.c.created_at.desc())
            .limit(1)
        )  # fmt: skip
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFoundError("there is nothing to play yet, or no such video")
        return row

    async def _prefix(self, package_id: UUID) -> str:
        prefix = self._prefixes.get(package_id)
        if prefix is None:
            async with self._engine.connect() as connection:
                found = await connection.execute(select(packages.c.prefix).where(packages.c.id == package_id))
                prefix = found.scalar_one_or_none()
            if prefix is None:
                raise NotFoundError("there is no such package")
            self._prefixes[package_id] = prefix
            if len(self._prefixes) > _KNOWN_PREFIXES:
                self._prefixes.popitem(last=False)
        return prefix

    def _sign(self, package_id: UUID, expires_at: int) -> str:
        head = _HEAD.pack(self._key_id, expires_at)
        return base64.urlsafe_b64encode(head + self._seal(head, package_id)).decode().rstrip("=")

    def _seal(self, head: bytes, package_id: UUID) -> bytes:
        return hmac.digest(self._key, b"framemill playback" + head + package_id.bytes, "sha256")

    def _check(self, token: str, package_id: UUID) -> None:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise UnauthorizedError("the playback token is not valid") from None
        head, seal = raw[: _HEAD.size], raw[_HEAD.size :]
        if len(head) != _HEAD.size or not hmac.compare_digest(seal, self._seal(head, package_id)):
            raise UnauthorizedError("the playback token is not valid")
        if _HEAD.unpack(head)[1] <= time.time():
            raise UnauthorizedError("the playback token has expired")


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path):
        raise NotFoundError("there is no such file")
