"""Published results with where they were read and how they were measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from neurodiffuse.errors import DataError

STATUS = {"paper": "read in the paper", "code": "printed by the authors' published code"}


@dataclass(frozen=True)
class Published:
    """A row of somebody's table; ``scores`` by the name of the metric plugin, shares of 1.

    ``status`` is ``paper`` or ``code`` (`STATUS`); ``images`` is None, ``dialect`` and
    ``ssim_variant`` are empty where unknown.
    """

    name: str
    status: str
    source: str
    dataset: str
    scores: Mapping[str, float]
    subjects: tuple[str, ...] = ()
    images: int | None = None
    dialect: str = ""
    ssim_variant: str = ""
    note: str = ""

    @property
    def test_set(self) -> str:
        """Subjects and number of images in words."""
        who = f"subjects {', '.join(self.subjects)}" if self.subjects else "subjects not stated"
        return f"{who}; {self.images} images" if self.images else f"{who}; its own split"


def published() -> tuple[Published, ...]:
    """Return the results of ``published.toml``.

    Raises
    ------
    DataError
        If an entry has a status that is not in `STATUS`.
    """
    text = files(__package__).joinpath("published.toml").read_text(encoding="utf-8")
    out = []
    for entry in tomllib.loads(text)["result"]:
        made = Published(**entry | {"subjects": tuple(entry.get("subjects", ()))})
        if made.status not in STATUS:
            raise DataError(f"published.toml: {made.name}: unknown status {made.status!r}.")
        out.append(made)
    return tuple(out)
