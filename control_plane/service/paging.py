"""Pages by key, newest first: a page continues after a row, so rows that come in between shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, Table, tuple_

from control_plane.service.requests import check_page_size
from transcoder.errors import InvalidInputError

__all__ = ["cut_page", "select_page"]


def select_page(query: Select[Any], table: Table, page_size: int, page_token: str) -> Select[Any]:
    """The query for one page and one row more, which tells whether another follows.

    Errors: InvalidInputError for a token that did not come from here.
    """
    ordered = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(check_page_size(page_size) + 1)
    if page_token:
        ordered = ordered.where(tuple_(table.c.created_at, table.c.id) < tuple_(*_decode(page_token)))
    return ordered


def cut_page(rows: Sequence[RowMapping], page_size: int) -> tuple[Sequence[RowMapping], str]:
    """The rows of the page and the token of the next one, empty on the last."""
    size = check_page_size(page_size)
    if len(rows) <= size:
        return rows, ""
    last = rows[size - 1]
    document = json.dumps([last["created_at"].isoformat(), str(last["id"])])
    return rows[:size], base64.urlsafe_b64encode(document.encode()).decode()


def _decode(page_token: str) -> tuple[datetime, UUID]:
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(page_token.encode("ascii")))
        created_at, found = datetime.fromisoformat(at), UUID(row_id)
        if created_at.tzinfo is None:
            raise ValueError("a time without a zone")
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        reason = "not a token of this list"
        raise InvalidInputError(f"pageToken: {reason}", {"fields": {"pageToken": reason}}) from error
    return created_at, found
