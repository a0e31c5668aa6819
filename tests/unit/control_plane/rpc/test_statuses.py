"""Errors as google.rpc.Status."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2

from control_plane.rpc.statuses import rich_status, status_code
from control_plane.service.errors import STATUS
from transcoder.errors import ConflictError, InvalidInputError


@pytest.mark.parametrize("code", STATUS)
def test_every_code_has_a_grpc_status(code: str) -> None:
    assert status_code(code) is getattr(grpc.StatusCode, STATUS[code].grpc)


def test_an_unknown_code_is_internal() -> None:
    assert status_code("SOMETHING_NEW") is grpc.StatusCode.INTERNAL


def test_error_info_carries_the_code_and_plain_details() -> None:
    status = rich_status(ConflictError("another job lives", {"jobId": "7", "nested": {"a": 1}}), request_id="r1")
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(request)
    assert (info.reason, info.domain, dict(info.metadata)) == ("CONFLICT", "framemill", {"jobId": "7"})
    assert request.request_id == "r1"
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]


def test_wrong_fields_become_a_bad_request_in_the_names_of_the_proto() -> None:
    status = rich_status(InvalidInputError("no", {"fields": {"requestId": "too long"}}))
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert [(v.field, v.description) for v in bad.field_violations] == [("request_id", "too long")]
