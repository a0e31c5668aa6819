"""Playback over HTTP: ranges, tags, caching, tokens, and what is never served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from support.doors import Doors, error_of, open_doors

from cluster.documents import Publication

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors() -> AsyncIterator[Doors]:
    async with open_doors() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def playable(doors: Doors) -> dict[str, Any]:
    """A video whose package holds a few objects, published by the ledger as the engine does."""
    created = await doors.upload()
    await doors.analyzed(created["analyzeJobId"])
    job_id = (await doors.transcode(created["videoId"]))["id"]
    job, ledger = await doors.claim(job_id)
    prefix = f"{str(job.package_prefix).rstrip('/')}/"
    doors.store.create(f"{prefix}hls/master.m3u8", b"#EXTM3U\n")
    doors.store.create(f"{prefix}dash/manifest.mpd", b"<MPD/>")
    doors.store.create(f"{prefix}cmaf/v240/1.m4s", bytes(range(256)) * 4096)
    doors.store.create(f"{prefix}text/s0/1.vtt", b"WEBVTT\n")
    doors.store.create(f"{prefix}attempts/secret.mp4", b"x")
    await ledger.publish(Publication(segments=1))
    answer = await doors.client.get(f"/v1/videos/{created['videoId']}/playback")
    assert answer.status_code == 200, answer.text
    return {**answer.json(), "prefix": prefix}


async def test_the_way_to_the_streams(doors: Doors, playable: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=doors.http_url, trust_env=False) as player:
        hls = await player.get(playable["hlsUrl"])
        dash = await player.get(playable["dashUrl"])
    assert (hls.status_code, hls.text) == (200, "#EXTM3U\n")
    assert hls.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert dash.headers["content-type"] == "application/dash+xml"
    assert hls.headers["cache-control"] == dash.headers["cache-control"] == "no-cache"
    assert hls.headers["access-control-allow-origin"] == "*"
    assert {"ETag", "Content-Range", "Date"} <= set(hls.headers["access-control-expose-headers"].split(", "))


async def test_text_comes_as_text_and_for_good(doors: Doors, playable: dict[str, Any]) -> None:
    token_path = playable["hlsUrl"].replace("hls/master.m3u8", "text/s0/1.vtt")
    for path in (token_path, f"/v1/videos/{playable['videoId']}/text/s0/1.vtt"):
        answer = await doors.client.get(path)
        assert (answer.status_code, answer.text) == (200, "WEBVTT\n")
        assert answer.headers["content-type"].startswith("text/vtt")
        assert "immutable" in answer.headers["cache-control"]


async def test_a_segment_whole_in_part_and_not_at_all(doors: Doors, playable: dict[str, Any]) -> None:
    whole = bytes(range(256)) * 4096
    token_path = playable["hlsUrl"].replace("hls/master.m3u8", "cmaf/v240/1.m4s")
    owner_path = f"/v1/videos/{playable['videoId']}/cmaf/v240/1.m4s"
    for path in (token_path, owner_path):
        answer = await doors.client.get(path)
        assert (answer.status_code, answer.content) == (200, whole)
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["accept-ranges"] == "bytes"
        assert ("access-control-allow-origin" in answer.headers) == (path == token_path)
        etag = answer.headers["etag"]
        part = await doors.client.get(path, headers={"Range": "bytes=100-299"})
        assert (part.status_code, part.content) == (206, whole[100:300])
        assert part.headers["content-range"] == f"bytes 100-299/{len(whole)}"
        tail = await doors.client.get(path, headers={"Range": "bytes=-7", "If-Range": etag})
        assert (tail.status_code, tail.content) == (206, whole[-7:])
        stale = await doors.client.get(path, headers={"Range": "bytes=-7", "If-Range": '"old"'})
        assert (stale.status_code, len(stale.content)) == (200, len(whole))
        known = await doors.client.get(path, headers={"If-None-Match": etag})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
        head = await doors.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole))
        outside = await doors.client.get(path, headers={"Range": f"bytes={len(whole)}-"})
        assert error_of(outside) == (416, "RANGE_NOT_SATISFIABLE")
        assert outside.headers["content-range"] == f"bytes */{len(whole)}"


async def test_a_manifest_that_grows_has_a_new_tag(doors: Doors, playable: dict[str, Any]) -> None:
    old = (await doors.client.get(playable["hlsUrl"])).headers["etag"]
    doors.store.replace(f"{playable['prefix']}hls/master.m3u8", b"#EXTM3U\n#more\n")
    grown = await doors.client.get(playable["hlsUrl"], headers={"If-None-Match": old})
    assert (grown.status_code, grown.text) == (200, "#EXTM3U\n#more\n")
    doors.store.replace(f"{playable['prefix']}hls/master.m3u8", b"#EXTM3U\n")
    assert (await doors.client.get(playable["hlsUrl"])).headers["etag"] == old


async def test_a_preflight(doors: Doors, playable: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=doors.http_url, trust_env=False) as player:
        answer = await player.options(playable["hlsUrl"], headers={"Origin": "https://site.example"})
    assert answer.status_code == 204
    assert "Range" in answer.headers["access-control-allow-headers"]


async def test_nothing_else_of_the_store_is_served(doors: Doors, playable: dict[str, Any]) -> None:
    root = playable["hlsUrl"].removesuffix("hls/master.m3u8")
    for path in ("attempts/secret.mp4", "hls/../attempts/secret.mp4", "hls/%2e%2e/attempts/secret.mp4",
                 "hls/nothing.m3u8", "hls//master.m3u8", "cmaf/", "report.json"):  # fmt: skip
        answer = await doors.client.send(doors.client.build_request("GET", httpx.URL(doors.http_url + root + path)))
        assert answer.status_code == 404, path
    forged = playable["hlsUrl"].split("/")
    forged[3] = forged[3][:-4] + ("AAAA" if forged[3][-4:] != "AAAA" else "BBBB")
    answer = await doors.client.get("/".join(forged))
    assert error_of(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["hls/none.m3u8", "cmaf/v240", f"cmaf/{'x' * 300}/1.m4s", f"hls/{'x/' * 800}x.m3u8"])
async def test_what_is_not_there_is_told_without_its_key(doors: Doors, playable: dict[str, Any], path: str) -> None:
    answer = await doors.client.get(playable["hlsUrl"].replace("hls/master.m3u8", path))
    assert answer.status_code == 404
    assert answer.json() == {"code": "NOT_FOUND", "message": "there is no such file"}
