"""Published results with where they were read and how they were measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from neurodiffuse.errors import DataError

STATUS = {
    "paper": "read in the paper",
    "code": "printed by the authors' published code",
    "quoted": "quoted by others, not read in the paper",
}


@dataclass(frozen=True)
class Published:
    """A row of somebody's table; ``scores`` by the name of the metric plugin, shares of 1.

    ``status`` is one of `STATUS`; ``images`` is None, ``dialect`` and ``ssim_variant`` are empty
    where unknown.
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
    def people(self) -> str:
        """The subjects in words."""
        if not self.subjects:
            return "subjects not stated"
        one = len(self.subjects) == 1
        return (
            f"subject {self.subjects[0]}" if one else f"mean of subjects {', '.join(self.subjects)}"
        )

    def protocol(self, metric: str) -> tuple[str, str]:
        """Return dialect and SSIM's variant of a score, empty where unknown or of no meaning."""
        return self.dialect, self.ssim_variant if metric == "ssim" else ""

    def in_words(self, metric: str) -> str:
        """Return how a score was computed, for a reader."""
        if not self.dialect:
            return "not stated"
        variant = self.ssim_variant or "variant not stated"
        return f"{self.dialect}, {variant}" if metric == "ssim" else self.dialect

    def stated(self, metric: str) -> bool:
        """Return whether it is known how a score was computed."""
        return bool(self.dialect and (metric != "ssim" or self.ssim_variant))


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
