"""The publisher: shows players what is committed, and never anything that is not there.

Order of writes, each of them idempotent, so that a takeover just does them again:
1. the committed attempt's segments get their canonical names (`cmaf/{rendition}/{number}.m4s`), by a link that
   never writes over other bytes; the first init segment of a rendition serves all its parts;
2. the media playlists, which name segments; 3. the multivariant playlist, which names those; 4. the MPD;
5. the ledger's publication. A reader that has a manifest can fetch everything it names.

A cancelled publisher ends the write it is in, so that of two writes the later one is what stays. The first publication
of each publisher writes the manifests even where nothing was added: the one before it may have died between any two
of its writes, or after it had closed them and before the job had ended.

Model and manifests are made anew each time, of everything that is visible: with five rungs that costs 0.04 s a
publication at the end of a two-hour title and 0.3 s at the end of a ten-hour one (on one core of an AMD EPYC), nearly
all of it the text of the playlists, which must name every segment again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime

from cluster.documents import Commit, JobState, Publication, TaskKey
from cluster.ports import JobLedger, ObjectStore
from cluster.tasks import attempt_prefix
from cluster.threads import in_thread
from cluster.units import package_of
from transcoder.errors import AlreadyExistsError, NotFoundError
from transcoder.packaging import dash, hls
from transcoder.packaging.package import (
    DASH_MANIFEST,
    HLS_MANIFEST,
    Package,
    image_path,
    init_path,
    segment_path,
)
from transcoder.plan import Plan

__all__ = ["Publisher"]


class Publisher:
    """Publishes one package into its store, over the contiguous prefix of committed tasks."""

    def __init__(self, store: ObjectStore, ledger: JobLedger, plan: Plan, state: JobState) -> None:
        self._store, self._ledger, self._plan = store, ledger, plan
        self._published = state.publication
        self._commits = {commit.key: commit for commit in state.commits}
        self._promoted: set[TaskKey] = set()
        self._written = False
        self._renditions = 0

    @property
    def commits(self) -> tuple[Commit, ...]:
        """Everything that is committed by now."""
        return tuple(self._commits.values())

    @property
    def published(self) -> Publication:
        """What players can see."""
        return self._published

    def add(self, commit: Commit) -> None:
        """Take note of a new commit; `publish` shows it once everything before it is there."""
        self._commits[commit.key] = commit

    async def publish(self) -> Publication:
        """Publish what has become visible since the last time. Does nothing where nothing has."""
        package = await in_thread(self._prepare, self.commits, final=False)
        grown = package.segments > self._published.segments
        wider = len(package.renditions) > self._renditions  # text that is there by now
        if grown or (package.segments and (wider or not self._written)):
            available = self._published.available_from or datetime.now(UTC)
            await in_thread(self._write_manifests, package, available)
            self._written, self._renditions = True, len(package.renditions)
            if grown:
                await self._record(package, available)
        return self._published

    async def complete(self) -> Package:
        """The final package, everything in its place and nothing closed yet: what the verifier looks at."""
        return await in_thread(self._prepare, self.commits, final=True)

    async def finish(self, package: Package) -> None:
        """Publish the final manifests, VOD and static, of a package that the verifier agreed to."""
        available = self._published.available_from or datetime.now(UTC)
        await in_thread(self._write_manifests, package, available)
        await self._record(package, available)

    async def _record(self, package: Package, available: datetime) -> None:
        self._published = Publication(
            segments=package.segments, seconds=package.seconds, total_seconds=self._plan.duration,
            final=package.final, available_from=available,
        )  # fmt: skip
        await self._ledger.publish(self._published)

    def _package(self, commits: Iterable[Commit], *, final: bool) -> Package:
        return package_of(self._plan, {commit.key: commit.result for commit in commits}, final=final)

    def _prepare(self, commits: tuple[Commit, ...], *, final: bool) -> Package:
        """Runs in a thread, on a snapshot: the loop goes on and commits more meanwhile."""
        self._promote(commits)
        return self._package(commits, final=final)

    def _promote(self, commits: tuple[Commit, ...]) -> None:
        for commit in commits:
            if commit.key in self._promoted:
                continue
            prefix = attempt_prefix(commit.key, commit.attempt)
            for part in commit.result.renditions:
                for segment in part.segments:
                    target = segment_path(part.rendition, segment.number, part.kind)
                    self._link(f"{prefix}/{part.rendition}/{target.rpartition('/')[2]}", target)
                if part.kind == "text":
                    continue
                # Another part's init segment may be there and serves: it differs in its creation time only, since
                # the decoder configuration is compared before the commit.
                with contextlib.suppress(AlreadyExistsError):
                    self._link(f"{prefix}/{part.rendition}/init.mp4", init_path(part.rendition))
            for image in commit.result.images:
                self._link(f"{prefix}/{image.name}", image_path(image.name))
            self._promoted.add(commit.key)

    def _link(self, source: str, target: str) -> None:
        try:
            self._store.link(source, target)
        except NotFoundError:
            # Promoted by an engine before this one, and its attempt folder is gone already.
            self._store.stat(target)

    def _write_manifests(self, package: Package, available: datetime) -> None:
        for path, text in hls.playlists(package):
            self._store.replace(path, text.encode())
        self._store.replace(HLS_MANIFEST, hls.multivariant(package).encode())
        mpd = dash.manifest(package, available_from=available, now=datetime.now(UTC))
        self._store.replace(DASH_MANIFEST, mpd)
