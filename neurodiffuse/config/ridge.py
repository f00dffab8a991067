"""The options of ridge: checked, and said in words.

They stand in a decoder's section, or, for the decoder that a recipe need not name, in the sections
of the features that it predicts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

RIDGE = "ridge"
"""The name of the decoder that these are options of, which needs not be named."""

KEYS = ("alpha", "alphas", "alpha_per", "bands", "leave_out", "intercept")
"""The options of ridge, as a feature's section may have them."""


class Settings(Protocol):
    """The options of ridge for one feature."""

    @property
    def alpha(self) -> float | str:
        """The penalty, or how it is chosen: ``gcv`` or ``loo``."""

    @property
    def alphas(self) -> tuple[float, ...]:
        """Penalties to choose from; empty: 25 around the mean eigenvalue of the betas."""

    @property
    def alpha_per(self) -> str:
        """Whether each ``feature``, ``token`` or ``target`` chooses."""

    @property
    def bands(self) -> tuple[str, ...]:
        """ROI expressions of voxels that are shrunk differently."""

    @property
    def leave_out(self) -> str:
        """What is left out together; see `LeaveOut`."""

    @property
    def intercept(self) -> bool:
        """Whether predictions have the mean of the training latents."""


@dataclass(frozen=True)
class LeaveOut:
    """Which training rows are left out together: those of an image, a session or a cluster.

    ``clusters`` is how many clusters of images, made in ``feature``; empty: the feature's own.
    """

    by: str
    clusters: int = 0
    feature: str = ""

    @classmethod
    def read(cls, text: str) -> LeaveOut:
        """Return what ``image``, ``session``, ``cluster:K`` or ``cluster:K:FEATURE`` says.

        Raises
        ------
        ValueError
            If it says nothing of the kind.
        """
        if text in ("image", "session"):
            return cls(text)
        by, _, rest = text.partition(":")
        count, colon, feature = rest.partition(":")
        plain = count.isascii() and count.isdigit()
        if by != "cluster" or not plain or int(count) < 2 or bool(colon) != bool(feature):
            raise ValueError(text)
        return cls(by, int(count), feature)

    @property
    def words(self) -> str:
        """What is left out, in words."""
        if self.by != "cluster":
            return f"{self.by}s"
        return f"{self.clusters} clusters of images" + (
            f" by {self.feature}" if self.feature else ""
        )

    def one_at_a_time(self, feature: str, *, single: bool) -> str:
        """Return what is left out at a time of a feature's rows, in words.

        ``single`` says that rows are trials, several of one image.
        """
        if self.by == "image":
            return "one image at a time" + (" with all its trials" if single else "")
        rest = ", with all other trials of its images" if single else ""
        if self.by == "session":
            return f"one session at a time{rest}"
        return (
            f"one of {self.clusters} clusters of images (k-means in {self.feature or feature}) at "
            f"a time{rest}"
        )


def in_words(settings: Settings) -> str:
    """Return the penalty, or how it is chosen, in words."""
    without = "" if settings.intercept else ", without an intercept"
    if not isinstance(settings.alpha, str):
        return f"penalty {settings.alpha:g}{without}"
    left = f"leaving out {LeaveOut.read(settings.leave_out).words}"
    ways = {"gcv": "generalised cross-validation", "loo": left}
    said = f"penalty chosen for each {settings.alpha_per} by {ways[settings.alpha]}"
    if settings.alphas:
        least, most = min(settings.alphas), max(settings.alphas)
        said += f" among {len(settings.alphas)} from {least:g} to {most:g}"
    if settings.bands:
        said += f", voxels scaled in bands: {', '.join(settings.bands)} and all others"
    return said + without


def check_alpha(where: str, given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a penalty, or with how one is to be chosen."""
    alpha, grid = given["alpha"], given.get("alphas", ())
    if alpha in ("gcv", "loo"):
        if isinstance(grid, list | tuple) and all(_is_penalty(a) for a in grid):
            return []
        return [
            f"{where}.alphas: a list of penalties above 0 is needed, such as [1e3, 1e4, 1e5]; "
            f"{grid!r} is not."
        ]
    if not _is_penalty(alpha):
        said = "none is given" if alpha is None else f"{alpha!r} is not one"
        return [
            f"{where}.alpha: the ridge penalty must be a number above 0, or 'gcv' or 'loo' to have "
            f"it chosen; {said}."
        ]
    unset: tuple[object, ...] = (None, [], (), "feature")
    idle = [key for key in ("alphas", "alpha_per", "bands") if given.get(key) not in unset]
    return [
        f"{where}.{key}: only matters when alpha is chosen; write alpha = 'gcv' or leave it out."
        for key in idle
    ]


def check_leave_out(where: str, given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the rows that are to be left out together."""
    text = given.get("leave_out", "image")
    if not isinstance(text, str):
        return []  # told already
    try:
        asked = LeaveOut.read(text)
    except ValueError:
        return [
            f"{where}.leave_out: write 'image', 'session', 'cluster:20' for 20 clusters of images "
            f"(2 or more), or 'cluster:20:NAME' to make them in another feature; not {text!r}."
        ]
    if asked.by != "image" and given["alpha"] == "gcv":
        return [
            f"{where}.leave_out: {text!r} and alpha = 'gcv', which leaves out rows one by one. "
            "Write alpha = 'loo'."
        ]
    return []


def _is_penalty(alpha: Any) -> bool:
    good = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    return good and math.isfinite(alpha) and alpha > 0
