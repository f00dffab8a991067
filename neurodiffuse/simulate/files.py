"""Files whose bytes follow from their content alone: no dates, no library's choices."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

Cell = str | int | float | bool


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, indented."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a TSV; empty cells become ``n/a``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns), *("\t".join(_cell(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(value: Cell) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        text = f"{value:.4f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return " ".join(str(value).split()) or "n/a"


def write_image(
    path: Path,
    data: np.ndarray,
    affine: np.ndarray,
    sidecar: Mapping[str, Any],
    *,
    slope: float = 0,
) -> None:
    """Write a NIfTI-1 volume or series and its JSON sidecar.

    Parameters
    ----------
    path
        Ends in ``.nii.gz``; the sidecar gets the same name with ``.json``.
    data
        (x, y, z) or (x, y, z, n) in the type that is to be stored.
    affine
        (4, 4), to mm.
    sidecar
        Metadata.
    slope
        What stored integers are to be multiplied with; 0 for none.
    """
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    if slope:
        image.header.set_slope_inter(slope, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Run lengths only: most of a volume is zero and noise repeats nothing, so this is both
    # smaller and faster than a search for matches. The header holds neither name nor date.
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 9, zlib.Z_RLE)
    path.write_bytes(packer.compress(image.to_bytes()) + packer.flush())
    write_json(path.with_name(path.name.removesuffix(".nii.gz") + ".json"), sidecar)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write uint8 (height, width, 3) as PNG, each line as it is or less the line above.

    The smaller of the two is kept. (Pillow's bytes change with the zlib it was built with.)
    """
    height, width, _ = image.shape
    plain = image.reshape(height, -1)
    above = np.vstack([np.zeros_like(plain[:1]), plain[:-1]])
    packed = min((_lines(0, plain), _lines(2, plain - above)), key=len)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(0, io.SEEK_END)
    for kind, body in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")):
        out.write(struct.pack(">I", len(body)) + kind + body)
        out.write(struct.pack(">I", zlib.crc32(kind + body)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


def _lines(code: int, rows: np.ndarray) -> bytes:
    marks = np.full((len(rows), 1), code, dtype=np.uint8)
    return zlib.compress(np.hstack([marks, rows]).tobytes(), 9)
