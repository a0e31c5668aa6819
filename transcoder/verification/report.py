"""What the verifier found: each check with its outcome, and what each rendition really holds."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from transcoder.documents import Document
from transcoder.errors import VerificationError

__all__ = ["Check", "Findings", "RenditionSummary", "VerifyReport", "in_seconds"]


class Check(Document):
    """One thing that was checked. `found` names the first place where it does not hold."""

    name: str
    rendition: str | None
    ok: bool
    expected: str
    found: str


class RenditionSummary(Document):
    """What one rendition really holds. `decoded` counts decoded frames, where it was decoded."""

    id: str
    kind: str
    codecs: str
    segments: int
    frames: int
    size_bytes: int
    start_seconds: float
    end_seconds: float
    decoded: int | None = None
    width: int | None = None
    height: int | None = None


class VerifyReport(Document):
    """The outcome: `ok` where every check is. `notes` say what could not be checked."""

    ok: bool
    checks: tuple[Check, ...]
    renditions: tuple[RenditionSummary, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)

    def require_ok(self) -> None:
        """Errors: VerificationError with the first failed check as its message, all of them in its details."""
        if not self.ok:
            first = self.failed[0]
            place = f" of {first.rendition}" if first.rendition else ""
            raise VerificationError(
                f"the check {first.name!r}{place} failed: expected {first.expected}, found {first.found}",
                {"failed": [check.model_dump(mode="json") for check in self.failed]},
            )


class Findings:
    """Collects what the groups of checks find. A check never raises: damage is a finding with its place.

    `rendition` is None for a check of the title as a whole.
    """

    def __init__(self) -> None:
        self._checks: list[Check] = []
        self._summaries: dict[str, RenditionSummary] = {}
        self._notes: list[str] = []

    def report(self) -> VerifyReport:
        """The outcome so far. A package in which no rendition can be read is not in order."""
        ok = bool(self._summaries) and all(check.ok for check in self._checks)
        return VerifyReport(
            ok=ok, checks=tuple(self._checks), renditions=tuple(self._summaries.values()), notes=tuple(self._notes)
        )

    def add(self, name: str, rendition: str | None, ok: bool, expected: str, found: str) -> None:
        """A check with its outcome."""
        self._checks.append(Check(name=name, rendition=rendition, ok=ok, expected=expected, found=found))

    def same(self, name: str, rendition: str | None, expected: object, found: object) -> None:
        """A check that holds where two values are equal."""
        self.add(name, rendition, expected == found, str(expected), str(found))

    def none_of(self, name: str, rendition: str | None, expected: str, problems: Iterable[str]) -> None:
        """A check that holds where there is no problem; the first one is what was found."""
        found = list(problems)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        self.add(name, rendition, not found, expected, found[0] + more if found else expected)

    def note(self, text: str) -> None:
        """Something that could not be checked, and why."""
        self._notes.append(text)

    def summarise(self, summary: RenditionSummary) -> None:
        """What one rendition holds."""
        self._summaries[summary.id] = summary

    def extend_summary(self, rendition: str, **known: object) -> None:
        """More about a rendition that was summarised already, by the names of `RenditionSummary`."""
        self._summaries[rendition] = self._summaries[rendition].model_copy(update=known)


def in_seconds(value: Fraction | int) -> str:
    """A time for a person."""
    return f"{float(value):.6f} s"
