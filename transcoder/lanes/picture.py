"""From a decoded picture to the pictures of all rungs: one filter graph for one input format.

In this order: what is not a planar picture becomes one, alpha is flattened over black, the picture is turned upright,
and then for each rung scaled and brought to its colour. Every decision is the plan's; of a picture only its own size,
format and colour count, because they may change within a source.

Scaling never mixes matrices: a picture is scaled either as it is, into the same matrix, or as red, green and blue.
Bicubic, like FFmpeg's own default. What comes out is limited range, 4:2:0, square pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import av.filter
import av.filter.context
from av.video.reformatter import ColorRange

from transcoder.colour import assumed, same_curve
from transcoder.colour_cube import cube_file
from transcoder.ladder import Rendition
from transcoder.media import Colour
from transcoder.plan import VideoTrack

__all__ = ["PictureFormat", "PictureGraph"]

_TURNS = {90: ["transpose=clock"], 180: ["hflip", "vflip"], 270: ["transpose=cclock"]}
"""Filters that turn a picture by so many degrees clockwise."""

_MATRIX_NAMES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}

_EXACT = "bicubic+accurate_rnd+full_chroma_int"
"""How to convert between a matrix and RGB: with all the chroma there is, and rounded as arithmetic says."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """What decides about a graph. `colour` is fully specified."""

    width: int
    height: int
    pixel_format: str
    colour: Colour

    @classmethod
    def of(cls, frame: av.VideoFrame, planned: Colour) -> PictureFormat:
        """A picture's format; where it does not say what its colours mean, it is as `planned`."""
        layout = frame.format
        rgb = layout.is_rgb or layout.has_palette
        own = Colour(
            primaries=_said(frame.color_primaries, planned.primaries),
            transfer=_said(frame.color_trc, planned.transfer),
            matrix=_said(frame.colorspace, planned.matrix),
            full_range=planned.full_range if frame.color_range == ColorRange.UNSPECIFIED
            else frame.color_range == ColorRange.JPEG,
        )  # fmt: skip
        if layout.name.startswith("yuvj"):
            own = own.model_copy(update={"full_range": True})
        return cls(
            frame.width, frame.height, layout.name, assumed(own, width=frame.width, height=frame.height, rgb=rgb)
        )


def _said(value: int, planned: int) -> int:
    return planned if int(value) in {0, 2, 3} else int(value)


class PictureGraph:
    """The filter graph: one picture in, one a rung out, none held back. Tables of colours go into `folder`."""

    def __init__(self, track: VideoTrack, own: PictureFormat, folder: Path, threads: int) -> None:
        self.format = own
        self._folder = folder
        self._track = track
        graph = self._graph = av.filter.Graph()
        graph.threads = threads
        matrix = own.colour.matrix
        self._source = graph.add(
            "buffer",
            f"video_size={own.width}x{own.height}:pix_fmt={own.pixel_format}:time_base=1/{track.timescale}:"
            f"colorspace={matrix}:range={2 if own.colour.full_range else 1}",
        )
        upright = self._upright(self._planar(self._source))
        split = graph.add("split", str(len(track.renditions)))
        upright.link_to(split)
        self._sinks = [self._rung(split, number, rendition) for number, rendition in enumerate(track.renditions)]
        graph.configure()

    def pictures(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """The pictures of all rungs, in the plan's order, for one of this graph's format."""
        colour = self.format.colour
        frame.colorspace, frame.color_range = colour.matrix, 2 if colour.full_range else 1
        self._source.push(frame)
        made = []
        for sink in self._sinks:
            picture = sink.pull()
            assert isinstance(picture, av.VideoFrame)
            made.append(picture)
        return made

    def _chain(
        self, context: av.filter.context.FilterContext, *filters: tuple[str, str | None], pad: int = 0
    ) -> av.filter.context.FilterContext:
        for name, arguments in filters:
            added = self._graph.add(name, arguments)
            context.link_to(added, pad)
            context, pad = added, 0
        return context

    def _planar(self, context: av.filter.context.FilterContext) -> av.filter.context.FilterContext:
        """Palettes, packed pixels and alpha become planes of colour."""
        layout = av.VideoFormat(self.format.pixel_format, 2, 2)
        rgb = layout.is_rgb or layout.has_palette
        deep = max(component.bits for component in layout.components) > 8
        if layout.has_palette or any(component.is_alpha for component in layout.components):
            # Straight alpha over black is a product. libav multiplies in place only where all planes are of one size.
            form = ("gbrap16le" if deep else "gbrap") if rgb else ("yuva444p16le" if deep else "yuva444p")
            return self._chain(context, self._scale(), ("format", form), ("premultiply", "inplace=1"))
        if rgb and not layout.is_planar:
            return self._chain(context, self._scale(), ("format", "gbrp16le" if deep else "gbrp"))
        return context

    def _upright(self, context: av.filter.context.FilterContext) -> av.filter.context.FilterContext:
        top, bottom, left, right = self._track.crop
        turns = [f"crop=iw-{left + right}:ih-{top + bottom}:{left}:{top}:exact=1"] if any(self._track.crop) else []
        turns += ["hflip"] if self._track.mirrored else []
        turns += _TURNS.get(self._track.rotation % 360, [])
        parts = (turn.partition("=") for turn in turns)
        return self._chain(context, *((name, arguments or None) for name, _, arguments in parts))

    def _rung(
        self, split: av.filter.context.FilterContext, pad: int, rendition: Rendition
    ) -> av.filter.context.FilterContext:
        source, target = self.format.colour, rendition.colour
        size = f"w={rendition.width}:h={rendition.height}"
        form = "yuv420p" if rendition.bits == 8 else "yuv420p10le"
        needs_cube = source.primaries != target.primaries or not same_curve(source.transfer, target.transfer)
        last = (("setsar", "1"), ("format", form), ("buffersink", None))
        if not needs_cube and source.matrix == target.matrix:
            return self._chain(
                split, self._scale(f"{size}:flags=bicubic", source.matrix, target.matrix, limited=True), *last, pad=pad
            )
        context = self._chain(
            split, self._scale(f"{size}:flags={_EXACT}", source.matrix, 0), ("format", "gbrp16le"), pad=pad
        )
        if needs_cube:
            # Light, range and gamut change together.
            cube = cube_file(source, target, self._track.peak_luminance, self._folder)
            looked_up = self._graph.add("lut3d", file=str(cube), interp="tetrahedral")
            context.link_to(looked_up)
            context = looked_up
        return self._chain(context, self._scale(f"flags={_EXACT}", 0, target.matrix, limited=True), *last)

    def _scale(
        self, arguments: str = "", source: int | None = None, target: int | None = None, *, limited: bool = False
    ) -> tuple[str, str]:
        parts = [arguments] if arguments else []
        if source:
            parts.append(f"in_color_matrix={_MATRIX_NAMES[source]}")
        if target:
            parts.append(f"out_color_matrix={_MATRIX_NAMES[target]}")
        if limited:
            parts.append("out_range=limited")
        return "scale", ":".join(parts)
