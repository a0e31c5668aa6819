"""The checks that both doors share."""

from __future__ import annotations

from uuid import UUID

import pytest

from control_plane.service.requests import (
    check_labels,
    check_page_size,
    check_priority,
    check_request_id,
    job_request,
    parse_id,
)
from transcoder.errors import InvalidInputError


def test_a_ladder_is_a_name_and_nothing_else() -> None:
    assert job_request().ladder.name == "h264"
    assert job_request(ladder="h264", drm="none").ladder.name == "h264"
    for path in ("/etc/passwd", "ladder.yaml", "../h264.json"):
        with pytest.raises(InvalidInputError) as raised:
            job_request(ladder=path)
        assert list(raised.value.details["fields"]) == ["ladder"]


def test_drm_is_refused_for_now() -> None:
    with pytest.raises(InvalidInputError, match="drm"):
        job_request(drm="clearkey")


@pytest.mark.parametrize(
    "labels",
    [{"": "x"}, {"a b": "x"}, {"k": "v" * 257}, {"k": "\x00"}, {"k": "\ud800"}, {f"k{n}": "" for n in range(65)}],
)
def test_labels_out_of_bounds(labels: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="labels"):
        check_labels(labels)


def test_labels_within_bounds() -> None:
    labels = {"team/app": "köln", "n": ""}
    assert check_labels(labels) == labels


@pytest.mark.parametrize("priority", [-101, 101, 2**31 - 1])
def test_priority(priority: int) -> None:
    assert check_priority(100) == 100
    with pytest.raises(InvalidInputError):
        check_priority(priority)


def test_request_ids() -> None:
    assert check_request_id(None) is None
    assert check_request_id("") is None
    assert check_request_id("a-b_c") == "a-b_c"
    for wrong in ("a b", "x" * 129, "ü", "\n"):
        with pytest.raises(InvalidInputError, match="requestId"):
            check_request_id(wrong)


def test_page_sizes() -> None:
    assert [check_page_size(size) for size in (0, 1, 200, 10_000)] == [50, 1, 200, 200]
    with pytest.raises(InvalidInputError):
        check_page_size(-1)


def test_ids() -> None:
    text = "01234567-89ab-cdef-0123-456789abcdef"
    assert parse_id(text, "jobId") == UUID(text)
    with pytest.raises(InvalidInputError) as raised:
        parse_id("7", "jobId")
    assert list(raised.value.details["fields"]) == ["jobId"]
