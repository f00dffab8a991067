"""Pictures in files: one reader for every command."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.readers.absent import why_absent
from neurodiffuse.readers.reach import check_file

LARGEST = 64_000_000
"""Pixels of the largest picture that is read."""

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")
"""The ends of the names of pictures, for every command."""

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
"""What Pillow calls the kinds of pictures that are read, besides 16-bit grey."""

_ORIENTATION = 0x0112  # the tag of EXIF
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True),
          8: (1, False)}  # fmt: skip
"""Quarter turns to the left, and whether left and right are then swapped, by EXIF orientation."""


class ImageFiles(Sequence):  # type: ignore[type-arg]
    """Pictures in files, each read when it is asked for, as uint8 (height, width, 3), RGB."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [read_picture(path) for path in self.paths[index]]
        return read_picture(self.paths[index])


def read_picture(path: Path) -> np.ndarray:
    """Return a picture as uint8 (height, width, 3), RGB, as viewers show it.

    It is turned upright where EXIF says how it was held, and a transparent one lies on white. Of
    16 bits per channel the upper 8 are taken, and of several frames or pages the first. Colour
    profiles are not applied.

    Raises
    ------
    MissingDataError
        If there is no such file.
    DataError
        If it is cut off, not an image, of a kind without a defined brightness (floats, 32 bits)
        or larger than 64 megapixels.
    """
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            width, height = image.size
            if width * height > LARGEST:
                raise DataError(_huge(path, f"{width} × {height} pixels"))
            depth = 16 if _is_grey16(image) else 8
            image.load()
            if depth == 8 and image.mode not in MODES:
                raise DataError(
                    f"{path}: is a picture of a kind that is not read (mode {image.mode}). Save "
                    "it as RGB or grey, with 8 or 16 bits per channel."
                )
            pixels = _grey16(image) if depth == 16 else np.array(_opaque(image).convert("RGB"))
            return _upright(pixels, _orientation(image))
    except Image.DecompressionBombError as error:
        raise DataError(_huge(path, "too many pixels")) from error
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"{path}: may not be read; change the file's permissions.") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        if missing := why_absent(path):
            raise MissingDataError(f"{path}: {missing}") from error
        if isinstance(error, UnidentifiedImageError):
            raise DataError(
                f"{path}: is not an image that can be read ({path.stat().st_size:,} bytes). "
                "Replace the file, or leave the picture out."
            ) from error
        text = " ".join(str(error).split())
        raise DataError(
            f"{path}: the image is cut off or damaged ({text}). Restore the file."
        ) from error


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _is_grey16(image: Image.Image) -> bool:
    """Return whether the file holds 16-bit grey, which Pillow opens as ``I;16`` or ``I``."""
    if image.mode.startswith("I;16"):
        return True
    tiles = getattr(image, "tile", ())
    stored = tiles[0][3] if image.mode == "I" and tiles else ""
    return str(stored[0] if isinstance(stored, tuple) else stored) in ("I;16", "I;16B", "I;16L")


def _grey16(image: Image.Image) -> np.ndarray:
    stored = np.asarray(image)
    grey = (stored >> 8).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[stored == clear] = 255
    return np.repeat(grey[..., None], 3, axis=2)


def _orientation(image: Image.Image) -> int:
    """Return how a camera was held, 1 (upright) where EXIF does not say or cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, OSError, struct.error):
        return 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    turns, mirrored = _TURNS.get(orientation, (0, False))
    turned = np.rot90(pixels, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def _huge(path: Path, what: str) -> str:
    return (
        f"{path}: is a huge image, {what}; the most that is read is {LARGEST // 10**6} "
        "megapixels. Make it smaller."
    )
