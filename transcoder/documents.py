"""The base of the documents that travel between processes and rest in the database as JSON.

A document is frozen, refuses unknown fields, and carries exact times: a `Fraction` is written as "1001/30000".
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Document", "RenditionId"]

RenditionId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
"""A name that is a folder, a URL's part and an XML id."""


class Document(BaseModel):
    """A frozen value with a JSON form; two equal documents have equal JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")
