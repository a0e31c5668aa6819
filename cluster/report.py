"""The report of a finished package: what it contains, what it cost, what the verifier found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from cluster.documents import Commit
from transcoder.media import MediaInfo
from transcoder.packaging.package import Package, PublishedRendition
from transcoder.plan import Plan
from transcoder.quality import pooled_quality
from transcoder.results import ImageResult, Loudness, SegmentQuality
from transcoder.verification import VerifyReport

__all__ = ["job_report"]

MOST_WARNINGS = 100
"""So many warnings are in a report: the damage of a bad source has no end."""


def job_report(
    media: MediaInfo,
    plan: Plan,
    package: Package,
    commits: Sequence[Commit],
    verified: VerifyReport,
    wall_seconds: float,
) -> dict[str, object]:
    """The content of `report.json`. Sizes in bytes, rates in bits per second, times in seconds."""
    results = [commit.result for commit in sorted(commits, key=lambda commit: str(commit.key))]
    loudness = {name: measured for result in results for name, measured in result.loudness.items()}
    warnings = dict.fromkeys([*media.warnings, *(warning for result in results for warning in result.warnings)])
    return {
        "version": 1,
        "durationSeconds": float(plan.duration),
        "wallSeconds": round(wall_seconds, 3),
        "encodeSeconds": round(sum(commit.result.encode_seconds for commit in commits), 3),
        "cpuSeconds": round(sum(commit.result.cpu_seconds for commit in commits), 3),
        "chunks": len(plan.chunks),
        "segments": package.segments,
        "retriedTasks": sum(commit.attempt > 1 for commit in commits),
        "source": {
            "container": media.container,
            "sizeBytes": media.size_bytes,
            "video": media.main_video.codec if media.main_video else None,
            "audio": [audio.codec for audio in media.audio],
            "text": [text.codec for text in media.text],
            "frames": media.main_video.frame_count if media.main_video else None,
            "truncated": media.truncated,
            "frameRate": str(plan.video.frame_rate) if plan.video else None,
        },
        "pictures": {
            "planned": plan.video.frame_count if plan.video else 0,
            "lost": package.lost,
            "mended": sum(result.mended for result in results),
            "repeated": package.repeated,
            "constantRate": str(plan.video.frame_rate) if plan.video and plan.video.ticks_per_picture else None,
        },
        "encryption": {"scheme": plan.encryption.scheme} if plan.encryption else None,
        "renditions": [_rendition(package, rendition, loudness.get(rendition.id)) for rendition in package.renditions],
        "images": [_image(image) for image in package.images],
        "verification": verified.model_dump(mode="json"),
        "warnings": [*islice(warnings, MOST_WARNINGS), *_left_out(len(warnings))],
    }


def _left_out(count: int) -> list[str]:
    return [f"{count - MOST_WARNINGS} more warnings are left out"] if count > MOST_WARNINGS else []


def _image(image: ImageResult) -> dict[str, object]:
    return {
        "role": image.role,
        "name": image.name,
        "width": image.width,
        "height": image.height,
        "timeSeconds": image.time_seconds,
        "sizeBytes": image.size_bytes,
    }


def _rendition(package: Package, rendition: PublishedRendition, loudness: Loudness | None) -> dict[str, object]:
    return {
        "id": rendition.id,
        "kind": rendition.kind,
        "codecs": rendition.codecs,
        "width": rendition.width,
        "height": rendition.height,
        "frameRate": str(rendition.frame_rate) if rendition.frame_rate else None,
        "language": rendition.language,
        "channels": rendition.channels,
        "loudness": {
            "integratedLufs": loudness.integrated,
            "rangeLu": loudness.range,
            "truePeakDbtp": loudness.true_peak,
            "gainDb": loudness.gain,
        }
        if loudness
        else None,
        "frames": rendition.frames,
        "sizeBytes": rendition.size_bytes,
        "bandwidth": package.bandwidth(rendition),
        "averageBandwidth": package.average_bandwidth(rendition),
        "keyId": rendition.signal.key_id if rendition.signal else None,
        "quality": _quality(rendition),
    }


def _quality(rendition: PublishedRendition) -> dict[str, object] | None:
    """Pooled over the rendition, and of each segment; None where nothing was measured."""
    pooled = pooled_quality(rendition.segments)
    if pooled is None:
        return None
    measured = ((segment.number, segment.quality) for segment in rendition.segments if segment.quality)
    return {**_measures(pooled), "segments": [{"number": number, **_measures(found)} for number, found in measured]}


def _measures(quality: SegmentQuality) -> dict[str, object]:
    return {"psnr": quality.psnr, "ssim": quality.ssim, "worstPsnr": quality.worst_psnr, "vmaf": quality.vmaf}
