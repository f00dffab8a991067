"""Pictures in files: one reader for every command."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from neurodiffuse.errors import DataError, MissingDataError

LARGEST = 64_000_000
"""Pixels of the largest picture that is read."""

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")


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
    """Return a picture as uint8 (height, width, 3), RGB; a transparent one lies on white.

    Raises
    ------
    DataError
        If it is cut off, no image, deeper than 8 bits or larger than 64 megapixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            width, height = image.size
            if width * height > LARGEST:
                raise DataError(_huge(path, f"{width} × {height} pixels"))
            if image.mode in ("F", "I") or image.mode.startswith("I;"):
                raise DataError(
                    f"{path}: has more than 8 bits a channel (mode {image.mode}); convert it to "
                    "8-bit RGB or grey."
                )
            return np.array(_opaque(image).convert("RGB"))
    except Image.DecompressionBombError as error:
        raise DataError(_huge(path, "too many pixels")) from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: is not an image that can be read. Replace the file, or take its trials out "
            "of the events."
        ) from error
    except FileNotFoundError as error:
        raise MissingDataError(f"{path}: there is no such image.") from error
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"{path}: may not be read; change the file's permissions.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises when cut off
        text = " ".join(str(error).split())
        raise DataError(
            f"{path}: the image is cut off or damaged ({text}). Restore the file."
        ) from error


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _huge(path: Path, what: str) -> str:
    return (
        f"{path}: is a huge image, {what}; the most that is read is {LARGEST // 10**6} "
        "megapixels. Make it smaller."
    )
