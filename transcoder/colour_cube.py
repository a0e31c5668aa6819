"""Colours from one meaning to another, as a table: transfer, gamut and dynamic range in one step.

A table of 65 code values a component is computed from the definitions and looked up with tetrahedral interpolation
(libav's `lut3d`), so that every picture of every chunk on every machine gets the same. What it does:

1. Code values become display light, in cd/m2: PQ by its EOTF (SMPTE ST 2084); HLG by its inverse OETF and the OOTF of a
   display of 1000 cd/m2 (ITU-R BT.2100, table 5); sRGB and plain gammas by theirs; BT.709 and its kin by the reference
   display, ITU-R BT.1886. Standard range counts diffuse white, 203 cd/m2 (ITU-R BT.2408), as its 1.
2. From high to standard range, highlights are rolled off: the largest of red, green and blue goes through the EETF of
   ITU-R BT.2390 (5.4.1), from the source's peak to diffuse white, and the other two are scaled with it, so that hues
   stay.
3. The primaries are changed in linear light (SMPTE RP 177). What lies outside the new gamut is clipped, component by
   component (ITU-R BT.2407, hard clipping): saturated colours stay saturated.
4. Light becomes code values again, by the inverse of 1.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transcoder.errors import UnsupportedMediaError
from transcoder.media import Colour

__all__ = ["convert", "cube_file"]

_NODES = 65
"""Code values of each component in the table. The steepest part, PQ to BT.1886 in the dark, is then off by a quarter of
an 8-bit step on average."""

_WHITE = 203.0
"""Diffuse white in cd/m2, and the peak of standard range."""

_HLG_PEAK = 1000.0

Array = NDArray[np.float64]

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""SMPTE ST 2084, 5.2."""

_HLG_A = 0.17883277
_HLG_B, _HLG_C = 1 - 4 * _HLG_A, 0.5 - _HLG_A * float(np.log(4 * _HLG_A))
"""ARIB STD-B67."""

_PRIMARIES: dict[int, tuple[float, ...]] = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, 0.3127, 0.3290),
    4: (0.670, 0.330, 0.210, 0.710, 0.140, 0.080, 0.310, 0.316),
    5: (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, 0.3127, 0.3290),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, 0.3127, 0.3290),
}
"""x and y of red, green, blue and white (ITU-T H.273, table 2)."""


def cube_file(source: Colour, target: Colour, peak: int, folder: Path) -> Path:
    """The table as a `.cube` file (Adobe) in `folder`, written unless it is there.

    `peak` is the brightest light of a PQ source in cd/m2. Errors: UnsupportedMediaError for colours that are not known.
    """
    parts = (source.primaries, source.transfer, target.primaries, target.transfer, peak)
    path = folder / f"{'-'.join(map(str, parts))}.cube"
    if not path.exists():
        path.write_text(_cube(source, target, peak), encoding="ascii")
    return path


@lru_cache(maxsize=2)
def _cube(source: Colour, target: Colour, peak: int) -> str:
    values = np.linspace(0.0, 1.0, _NODES)
    # Red runs fastest.
    blue, green, red = np.meshgrid(values, values, values, indexing="ij")
    codes = np.stack([red.ravel(), green.ravel(), blue.ravel()], axis=-1)
    lines = io.StringIO()
    np.savetxt(lines, convert(codes, source, target, peak), fmt="%.6f")
    return f"LUT_3D_SIZE {_NODES}\n{lines.getvalue()}"


def convert(codes: Array, source: Colour, target: Colour, peak: int) -> Array:
    """Full-range RGB code values of shape (n, 3) from 0 to 1, from one colour's meaning to another's.

    Errors: UnsupportedMediaError for unknown primaries or transfer.
    """
    light = _to_light(codes, source.transfer)
    if source.hdr and not target.hdr:
        light = _rolled_off(light, float(peak) if source.hdr == "pq" else _HLG_PEAK)
    if source.primaries != target.primaries:
        matrix = np.linalg.inv(_to_xyz(target.primaries)) @ _to_xyz(source.primaries)
        light = np.maximum(light @ matrix.T, 0)
    return np.clip(_from_light(light, target.transfer), 0.0, 1.0)


def pq_eotf(codes: Array) -> Array:
    """Light in cd/m2 of PQ code values."""
    power = np.maximum(codes, 0) ** (1 / _M2)
    light: Array = 10_000.0 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def pq_inverse(light: Array) -> Array:
    """PQ code values of light in cd/m2."""
    power = np.maximum(light / 10_000.0, 0) ** _M1
    codes: Array = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return codes


def _hlg_eotf(codes: Array) -> Array:
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - _HLG_C) / _HLG_A) + _HLG_B) / 12)
    luminance = scene @ _to_xyz(9)[1]
    light: Array = _HLG_PEAK * luminance[..., None] ** 0.2 * scene
    return light


def _hlg_inverse(light: Array) -> Array:
    luminance = np.maximum(light @ _to_xyz(9)[1] / _HLG_PEAK, 1e-12)[..., None]
    scene = np.maximum(light, 0) / _HLG_PEAK * luminance ** (1 / 1.2 - 1)
    curve = np.log(np.maximum(12 * scene - _HLG_B, 1e-12))
    codes: Array = np.where(scene <= 1 / 12, np.sqrt(3 * scene), _HLG_A * curve + _HLG_C)
    return codes


def _srgb(codes: Array) -> Array:
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def _srgb_inverse(light: Array) -> Array:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


_GAMMAS = {1: 2.4, 4: 2.2, 5: 2.8, 6: 2.4, 7: 2.4, 8: 1.0, 11: 2.4, 12: 2.4, 14: 2.4, 15: 2.4, 17: 2.6}
"""Displays that are a power: BT.1886 for all systems that say what a camera does; DCDM (17)."""

_DECADES = {9: 2.0, 10: 2.5}
"""Logarithmic transfers, over so many powers of ten."""


def _to_light(codes: Array, transfer: int) -> Array:
    if transfer == 16:
        return pq_eotf(codes)
    if transfer == 18:
        return _hlg_eotf(codes)
    if transfer == 13:
        return _WHITE * _srgb(codes)
    if transfer in _DECADES:
        return _WHITE * np.where(codes > 0, 10 ** ((codes - 1) * _DECADES[transfer]), 0)
    if transfer not in _GAMMAS:
        raise UnsupportedMediaError(f"the picture's transfer characteristics ({transfer}) are not supported")
    return _WHITE * codes ** _GAMMAS[transfer]


def _from_light(light: Array, transfer: int) -> Array:
    if transfer == 16:
        return pq_inverse(light)
    if transfer == 18:
        return _hlg_inverse(light)
    relative = np.clip(light / _WHITE, 0, 1)
    inverse: Callable[[Array], Array] = _srgb_inverse if transfer == 13 else lambda x: x ** (1 / _GAMMAS[transfer])
    return inverse(relative)


def _rolled_off(light: Array, peak: float) -> Array:
    """The EETF of BT.2390 over the largest component, from 0..`peak` to 0..diffuse white."""
    largest = np.clip(light.max(axis=-1), 0, peak)
    scale = pq_inverse(np.array(peak))
    white = float(pq_inverse(np.array(_WHITE)) / scale)
    code, knee = pq_inverse(largest) / scale, 1.5 * white - 0.5
    part = np.clip((code - knee) / max(1 - knee, 1e-9), 0, 1)
    spline = (
        (2 * part**3 - 3 * part**2 + 1) * knee
        + (part**3 - 2 * part**2 + part) * (1 - knee)
        + (-2 * part**3 + 3 * part**2) * white
    )
    rolled = pq_eotf(np.where(code < knee, code, spline) * scale)
    made: Array = np.clip(light, 0, peak) * (rolled / np.maximum(largest, 1e-9))[..., None]
    return made


def _to_xyz(primaries: int) -> Array:
    """Linear RGB to CIE XYZ (SMPTE RP 177, 3.3). The second row has the weights of luminance."""
    if primaries == 10:
        return np.eye(3)
    if primaries not in _PRIMARIES:
        raise UnsupportedMediaError(f"the picture's colour primaries ({primaries}) are not supported")
    points = np.array(_PRIMARIES[primaries]).reshape(4, 2)
    columns = np.stack([points[:, 0] / points[:, 1], np.ones(4), (1 - points.sum(axis=1)) / points[:, 1]])
    weights = np.linalg.solve(columns[:, :3], columns[:, 3])
    matrix: Array = columns[:, :3] * weights
    return matrix
