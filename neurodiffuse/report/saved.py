"""Pictures in a folder, read one by one: a report shows few of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neurodiffuse.files import read_clearly


class SavedPictures(Sequence):  # type: ignore[type-arg]
    """The pictures ``NAME.png`` of a folder, each uint8 (height, width, 3), read when asked for."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return SavedPictures(self.folder, self.names[index])
        path = self.folder / f"{self.names[index]}.png"
        with read_clearly(path), Image.open(path) as file:
            return np.asarray(file)
