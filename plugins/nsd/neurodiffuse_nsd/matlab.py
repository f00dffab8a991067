"""The frame of MATLAB 5 files: whether every part lies within the part that holds it.

SciPy's reader trusts the kinds and lengths that a file states, and a damaged file can crash the
process; so they are walked through first.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

_HEAD = 128
_MATRIX, _PACKED = 14, 15
_KINDS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, _MATRIX, 16, 17, 18})
_DEEP = 16
_NUMBERS = range(6, 16)
"""Classes of arrays of numbers; the design of NSD holds no others."""


def check_frame(path: Path) -> None:
    """Refuse a file whose parts do not fit into one another.

    Raises
    ------
    ValueError
        With what is wrong. A file of version 4, which has no frame, is refused too.
    """
    data = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEAD])
    if order is None:
        raise ValueError("it does not begin as one")
    at = _HEAD
    while at < len(data):
        kind, begin, end = _tag(data, at, len(data), order)
        if kind == _PACKED:
            unpacked = zlib.decompress(data[begin:end])
            kind, inner, last = _tag(unpacked, 0, len(unpacked), order)
            _walk(kind, unpacked, inner, last, order)
            at = end
        else:
            _walk(kind, data, begin, end, order)
            at = end + -(end - begin) % 8


def _walk(kind: int, data: bytes, begin: int, end: int, order: str, depth: int = 0) -> None:
    if kind not in _KINDS or depth > _DEEP:
        raise ValueError(f"it has a part of an unknown kind, {kind}")
    if kind != _MATRIX:
        return
    at, parts = begin, []
    while at < end:
        inner, first, last = _tag(data, at, end, order)
        parts.append((inner, first, last))
        _walk(inner, data, first, last, order, depth + 1)
        at = first + (4 if first == at + 4 else last - first + -(last - first) % 8)
    if len(parts) < 3 or [kind for kind, _, _ in parts[:3]] != [6, 5, 1]:
        raise ValueError("an array has no class, shape and name")
    number = data[parts[0][1]] if order == "<" else data[parts[0][2] - 5]
    if number in _NUMBERS and (len(parts) < 4 or any(kind == _MATRIX for kind, _, _ in parts)):
        raise ValueError("an array of numbers has none")


def _tag(data: bytes, at: int, most: int, order: str) -> tuple[int, int, int]:
    """Return the kind of the part at a place, and where its content begins and ends."""
    if at + 8 > most:
        raise ValueError("it is cut off")
    kind, size = struct.unpack_from(f"{order}II", data, at)
    begin = at + 8
    if kind >> 16:  # a small part has both in four bytes
        kind, size, begin = kind & 0xFFFF, kind >> 16, at + 4
        if size > 4:
            raise ValueError("a small part is too long")
    if begin + size > most:
        raise ValueError("it is cut off, or a part is longer than what holds it")
    return kind, begin, begin + size
