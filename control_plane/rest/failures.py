"""Errors as HTTP answers: `{code, message, details?}`, whatever went wrong and wherever."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from control_plane.service.errors import STATUS
from transcoder.errors import FramemillError

__all__ = ["error_response", "install_handlers"]

# Statuses that the framework itself raises, as our codes.
_FRAMEWORK = {
    400: ("VALIDATION_ERROR", "the request is malformed"),
    401: ("UNAUTHORIZED", "a credential is needed"),
    403: ("FORBIDDEN", "this is not allowed"),
    404: ("NOT_FOUND", "there is no such path"),
    405: ("METHOD_NOT_ALLOWED", "the path does not have this method"),
    413: ("PAYLOAD_TOO_LARGE", "the request body is too large"),
    415: ("UNSUPPORTED_MEDIA", "the body's media type is not supported"),
}

_MOST_FIELDS, _LONGEST_PLACE = 20, 200
"""What is said about a wrong request: no more than helps, however much is wrong."""


def error_response(error: FramemillError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer for an error, with the headers that its status calls for."""
    status = STATUS.get(error.code, STATUS["INTERNAL"]).http
    extra = {"Cache-Control": "no-store", **(headers or {})}
    if status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    if status == 416 and "size" in error.details:
        extra["Content-Range"] = f"bytes */{error.details['size']}"
    return _answer(status, error.code, error.message, error.details, extra)


def install_handlers(app: FastAPI) -> None:
    """Make the app answer every error in our form; 422 never."""
    app.add_exception_handler(FramemillError, _framemill)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)


def _answer(
    status: int, code: str, message: str, details: Mapping[str, object], headers: Mapping[str, str]
) -> JSONResponse:
    body: dict[str, object] = {"code": code, "message": message}
    if details:
        body["details"] = dict(details)
    return JSONResponse(body, status, dict(headers))


async def _framemill(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FramemillError)
    return error_response(error)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, message = _FRAMEWORK.get(error.status_code, ("VALIDATION_ERROR", "the request is not acceptable"))
    status = error.status_code if error.status_code in _FRAMEWORK else 400
    return _answer(status, code, message, {}, {"Cache-Control": "no-store", **(error.headers or {})})


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The place without its first part ("body", "query"); pydantic's message, never the caller's input.
    fields = {
        ".".join(str(part) for part in found["loc"][1:])[:_LONGEST_PLACE] or str(found["loc"][0]): str(found["msg"])
        for found in error.errors()[:_MOST_FIELDS]
    }
    message = "; ".join(f"{field}: {reason}" for field, reason in fields.items())
    return _answer(400, "VALIDATION_ERROR", message, {"fields": fields}, {"Cache-Control": "no-store"})
