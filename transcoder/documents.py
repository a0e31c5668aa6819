"""The base of the documents that travel between processes and rest in the database as JSON.

A document is frozen, refuses unknown fields, and carries exact times: a `Fraction` is written as "1001/30000".
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Document"]


class Document(BaseModel):
    """A frozen value with a JSON form; two equal documents have equal JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")
