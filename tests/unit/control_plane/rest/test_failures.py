"""Every error of the HTTP door has one form."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from control_plane.rest.failures import error_response, install_handlers
from control_plane.service.errors import STATUS, RangeNotSatisfiableError, UnauthorizedError, error_for_code
from transcoder.errors import FramemillError, NotFoundError


class Asked(BaseModel, extra="forbid"):
    count: int


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    install_handlers(app)

    @app.get("/missing")
    async def missing() -> None:
        raise NotFoundError("there is no such thing", {"id": "7"})

    @app.post("/asked/{number}")
    async def asked(number: int, body: Asked) -> int:
        return number + body.count

    return app


@pytest.fixture
async def client(app: FastAPI):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
        yield client


async def test_our_errors_keep_code_message_and_details(client: httpx.AsyncClient) -> None:
    answer = await client.get("/missing")
    assert answer.status_code == 404
    assert answer.json() == {"code": "NOT_FOUND", "message": "there is no such thing", "details": {"id": "7"}}
    assert answer.headers["cache-control"] == "no-store"


async def test_an_unknown_path_and_an_unknown_method(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    answer = await client.delete("/missing")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "content", "field"),
    [("/asked/x", '{"count": 1}', "number"), ("/asked/1", '{"count": "secret"}', "count"), ("/asked/1", "{}", "count")],
)
async def test_a_wrong_field_is_named_and_never_422(
    client: httpx.AsyncClient, path: str, content: str, field: str
) -> None:
    answer = await client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "VALIDATION_ERROR"
    assert list(body["details"]["fields"]) == [field]
    assert "secret" not in answer.text


async def test_little_is_said_however_much_is_wrong(client: httpx.AsyncClient) -> None:
    asked = {f"{n}{'x' * 1000}": n for n in range(1000)}
    answer = await client.post("/asked/1", json=asked)
    assert answer.status_code == 400
    assert 1 <= len(answer.json()["details"]["fields"]) <= 20
    assert len(answer.content) < 20_000


async def test_broken_json(client: httpx.AsyncClient) -> None:
    answer = await client.post("/asked/1", content="{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("code", STATUS)
def test_every_code_has_its_status(code: str) -> None:
    error = error_for_code(code, "why")
    assert isinstance(error, FramemillError)
    assert error.code == code
    assert error_response(error).status_code == STATUS[code].http


def test_statuses_with_headers_of_their_own() -> None:
    assert error_response(UnauthorizedError("no")).headers["www-authenticate"] == "Bearer"
    outside = error_response(RangeNotSatisfiableError("no", {"size": 12}))
    assert outside.headers["content-range"] == "bytes */12"
