"""The join verifier: does a finished package hold every picture and sample of its title, once and in its place?

It works from the outside, as a player does: manifests, init segments, media segments. Where the plan, the source's
`MediaInfo` or the engine's package model is given, it compares with them too. One segment at a time is in memory,
so it runs in a task over any object store as well as on a folder.

Each file is one group of checks; `verifier.py` names the groups in their order. A new group is a function over the
`PublishedTitle` (or over one `Track` of it) that adds to the `Findings`, in a file of its own, and a line there.
"""

from __future__ import annotations

from transcoder.verification.folder import folder_opener
from transcoder.verification.report import Check, RenditionSummary, VerifyReport
from transcoder.verification.source_text import read_source_text
from transcoder.verification.source_times import read_source_times
from transcoder.verification.verifier import verify_package

__all__ = [
    "Check",
    "RenditionSummary",
    "VerifyReport",
    "folder_opener",
    "read_source_text",
    "read_source_times",
    "verify_package",
]
