"""Audio renditions as players choose among them: HLS groups, DASH adaptation sets. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from transcoder.packaging.package import Package, PublishedRendition

__all__ = ["AudioGroup", "adaptation_sets", "audio_groups", "paired"]


class AudioGroup(NamedTuple):
    """One encoding of the sound, with a member for every track.

    RFC 8216bis, 4.4.6.1.1: groups have the same members, alike but for URI and channels. A track that lacks this
    encoding is there with its first rendition of the same codec, or of any.

    `spare` are the renditions with more channels of an encoding that a group has: to be chosen by hand. As a group of
    their own they would make variants that differ in nothing by which players tell encodings apart, and a player that
    adapts (hls.js) would change from stereo to 5.1 and back, throwing away the sound it was fetching.
    """

    id: str
    leader: PublishedRendition
    members: tuple[PublishedRendition, ...]
    spare: tuple[PublishedRendition, ...] = ()


def audio_groups(package: Package) -> tuple[AudioGroup, ...]:
    """One group a rung of the ladder that any track has, in the ladder's order, but one a number of channels: of the
    rungs of a codec, those with the fewest channels have groups."""
    tracks: dict[int | None, list[PublishedRendition]] = {}
    for rendition in package.audio:
        tracks.setdefault(rendition.track, []).append(rendition)
    leaders = {rendition.rung: rendition for rendition in reversed(package.audio)}
    fewest: dict[str, int] = {}
    for leader in leaders.values():
        fewest[leader.codecs] = min(fewest.get(leader.codecs, leader.channels or 0), leader.channels or 0)
    alone = {rung for rung, leader in leaders.items() if leader.channels != fewest[leader.codecs]}
    spare = tuple(rendition for rendition in package.audio if rendition.rung in alone)
    groups = []
    for rung in dict.fromkeys(rendition.rung for rendition in package.audio if rendition.rung not in alone):
        leader = leaders[rung]
        members = tuple(max(own, key=lambda one: _likeness(one, leader)) for own in tracks.values())
        groups.append(AudioGroup(rung or "audio", leader, members, tuple(own for own in spare if own not in members)))
    return tuple(groups)


def _likeness(rendition: PublishedRendition, leader: PublishedRendition) -> tuple[bool, bool]:
    return rendition.rung == leader.rung, rendition.codecs == leader.codecs


def paired(
    groups: Sequence[AudioGroup], pictures: Sequence[PublishedRendition]
) -> Iterator[tuple[PublishedRendition, AudioGroup]]:
    """Which groups go with which pictures. Groups of the same codec and channels differ in their rate alone: the larger
    the picture, the better the sound. A player chooses freely among those of different ones.
    """
    kinds: dict[tuple[str, int | None], list[AudioGroup]] = {}
    for group in groups:
        kinds.setdefault((group.leader.codecs, group.leader.channels), []).append(group)
    for alike in kinds.values():
        ranked = sorted(alike, key=lambda group: -(group.leader.max_bitrate or 0))
        for place, picture in enumerate(pictures):
            yield picture, ranked[place * len(ranked) // len(pictures)]


def adaptation_sets(package: Package) -> list[list[PublishedRendition]]:
    """Renditions of one track that a player may switch between: the same codec, channels, sample rate and key."""
    sets: dict[object, list[PublishedRendition]] = {}
    for own in package.audio:
        sets.setdefault((own.track, own.codecs, own.channels, own.sample_rate, own.signal), []).append(own)
    return list(sets.values())
