"""ICC profiles that tests make for themselves: of matrix and curve for RGB, of a small table for CMYK."""

from __future__ import annotations

import struct
from itertools import product

import numpy as np
from numpy.typing import NDArray

# Primaries and white point of each space as x, y chromaticities, and the exponent of its curve.
SPACES = {
    "srgb-like": (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), 2.2),
    "display-p3": (((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), 2.2),
    "adobe-rgb": (((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256),
}
_D65 = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def rgb(space: str) -> bytes:
    """A matrix profile (ICC.1:2001-04) of the space, with its white adapted to D50 by Bradford."""
    matrix, exponent = _adapted(space), SPACES[space][1]
    curve = struct.pack(">4sIIH", b"curv", 0, 1, round(exponent * 256))
    tags = {f"{name}XYZ".encode(): _xyz(matrix[:, at]) for at, name in enumerate("rgb")}
    tags |= {f"{name}TRC".encode(): curve for name in "rgb"}
    return _profile(b"RGB ", b"XYZ ", tags | {b"wtpt": _xyz(_D50)}, space)


def grey(exponent: float) -> bytes:
    """A profile for greys whose curve has that exponent."""
    curve = struct.pack(">4sIIH", b"curv", 0, 1, round(exponent * 256))
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": curve, b"wtpt": _xyz(_D50)}, "grey")


def to_srgb(space: str, color: tuple[int, int, int]) -> tuple[int, ...]:
    """What a colour of the space is in sRGB, cut to what sRGB has."""
    linear = (np.array(color) / 255) ** SPACES[space][1]
    plain = np.linalg.inv(_matrix(SPACES["srgb-like"][0])) @ _matrix(SPACES[space][0]) @ linear
    plain = plain.clip(0, 1)
    coded = np.where(plain <= 0.0031308, 12.92 * plain, 1.055 * plain ** (1 / 2.4) - 0.055)
    return tuple(int(each) for each in np.rint(255 * coded))


INKS = {"c": (55.0, -37.0, -50.0), "m": (48.0, 74.0, -3.0), "y": (89.0, -5.0, 93.0), "k": (16.0, 0.0, 0.0)}
"""Lab of each ink alone on white paper, in the usual order of magnitude of coated paper."""


def cmyk() -> bytes:
    """A profile whose table has the sixteen corners: each ink alone is as in INKS, others darken in turn."""
    corners = []
    for inks in product((0, 1), repeat=4):
        lab = np.array([100.0, 0.0, 0.0])
        for amount, ink in zip(inks, INKS.values(), strict=True):
            if amount:
                lab = np.array([lab[0] * ink[0] / 100, lab[1] + ink[1], lab[2] + ink[2]])
        if sum(inks) > 1:
            lab[1:] /= sum(inks)
        corners += [round(lab[0] * 2.55), round(lab[1] + 128), round(lab[2] + 128)]
    identity = bytes(range(256))
    unit = struct.pack(">9i", *(65536 if at % 4 == 0 else 0 for at in range(9)))
    table = struct.pack(">4sIBBBB", b"mft1", 0, 4, 3, 2, 0) + unit
    table += identity * 4 + bytes(min(max(each, 0), 255) for each in corners) + identity * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table, b"wtpt": _xyz(_D50)}, "cmyk", kind=b"prtr")


def lab_to_srgb(lab: tuple[float, float, float]) -> tuple[int, ...]:
    """A Lab colour (D50) in sRGB."""
    middle = (lab[0] + 16) / 116
    steps = np.array([middle + lab[1] / 500, middle, middle - lab[2] / 200])
    xyz = _D50 * np.where(steps > 6 / 29, steps**3, 3 * (6 / 29) ** 2 * (steps - 4 / 29))
    plain = (np.linalg.inv(_adapted("srgb-like")) @ xyz).clip(0, 1)
    coded = np.where(plain <= 0.0031308, 12.92 * plain, 1.055 * plain ** (1 / 2.4) - 0.055)
    return tuple(int(each) for each in np.rint(255 * coded))


def _matrix(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """From linear values to XYZ (D65)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
    scaled: NDArray[np.float64] = columns * np.linalg.solve(columns, white)
    return scaled


def _adapted(space: str) -> NDArray[np.float64]:
    matrix = _matrix(SPACES[space][0])
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ matrix.sum(axis=1)))
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix
    return adapted


def _xyz(values: NDArray[np.float64]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(float(each) * 65536) for each in values))


def _profile(
    space: bytes, connection: bytes, tags: dict[bytes, bytes], name: str, kind: bytes = b"mntr"
) -> bytes:
    text = name.encode() + b"\0"
    tags = {b"desc": struct.pack(">4sII", b"desc", 0, len(text)) + text + bytes(78)} | tags
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0"
    at, listed, body = 128 + 4 + 12 * len(tags), b"", b""
    for key, value in tags.items():
        listed += struct.pack(">4sII", key, at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, kind, space, connection)
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += struct.pack(">3i", *(round(float(each) * 65536) for each in _D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + listed + body
