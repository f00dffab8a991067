"""Ridge regression as a decoder: the default, and that of Ozcelik & VanRullen 2023."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neurodiffuse.config.ridge import KEYS, check_alpha, check_leave_out, in_words
from neurodiffuse.decoders.algebra import BLAS, Algebra
from neurodiffuse.decoders.ridge import memory
from neurodiffuse.decoders.ridge.fitted import FittedRidge
from neurodiffuse.decoders.ridge.fitting import fit
from neurodiffuse.decoders.ridge.summary import summary
from neurodiffuse.types import Decoder, FitSummary, Sizes, Training, Work


@dataclass(frozen=True)
class Options:
    """The options of ridge for one feature, in the names of `neurodiffuse.config.ridge`."""

    alpha: float | str
    alphas: tuple[float, ...]
    alpha_per: str
    bands: tuple[str, ...]
    leave_out: str
    intercept: bool


class Ridge(Decoder):
    """Predict every latent by ridge regression from standardised betas, with an intercept.

    Parameters
    ----------
    alpha
        The penalty, above 0, or how one is chosen among ``alphas``: by generalised
        cross-validation (``"gcv"``) or by leaving rows out (``"loo"``).
    alphas
        Penalties to choose from; empty: 25 from 0.01 to 10,000 times the mean eigenvalue of the
        betas' inner products.
    alpha_per
        Choose once for the ``"feature"``, for each ``"token"``, or for each ``"target"``.
    bands
        ROI expressions: groups of voxels that are shrunk differently, and all others one more.
    leave_out
        What is left out together: ``"image"``, ``"session"``, ``"cluster:K"`` or
        ``"cluster:K:FEATURE"``.
    intercept
        False: predictions lack the mean of the training latents.
    features
        Options of single features, which go before those above; a recipe's sections of features
        say them.
    device
        What is asked to compute; a plugin has the `Algebra` of a device.
    algebra
        What computes; None is BLAS.

    Raises
    ------
    ValueError
        If an option is not possible.
    """

    def __init__(
        self,
        alpha: float | Literal["gcv", "loo"] | None = None,
        alphas: Sequence[float] = (),
        alpha_per: Literal["feature", "token", "target"] = "feature",
        bands: Sequence[str] = (),
        leave_out: str = "image",
        intercept: bool = True,
        features: Mapping[str, Mapping[str, Any]] | None = None,
        device: str = "auto",
        algebra: Algebra | None = None,
    ) -> None:
        self.alpha, self.alphas, self.alpha_per = alpha, alphas, alpha_per
        self.bands, self.leave_out, self.intercept = bands, leave_out, intercept
        self.features, self.device, self.algebra = features, device, algebra
        if alpha is not None:
            given = {name: getattr(self, name) for name in KEYS}
            found = check_alpha("", given) + check_leave_out("", given)
            if found:
                raise ValueError("; ".join(line.lstrip(".").rstrip(".") for line in found))

    def options(self, feature: str) -> Options:
        """Return the options of a feature."""
        said = (self.features or {}).get(feature, {})
        if "alpha" not in said:  # what stands beside a penalty belongs to it
            said = {name: getattr(self, name) for name in KEYS} | dict(said)
        return Options(
            said["alpha"],
            tuple(said.get("alphas", ())),
            said.get("alpha_per", "feature"),
            tuple(said.get("bands", ())),
            said.get("leave_out", "image"),
            said.get("intercept", True),
        )

    def fit(self, training: Training, folder: Path) -> None:
        """Write the factors of every feature; see `neurodiffuse.decoders.ridge`."""
        options = {feature: self.options(feature) for feature in training.features}
        fit(training, options, folder, self.algebra or BLAS)

    def open(self, training: Training, folder: Path) -> FittedRidge:
        """Return the maps that `fit` has left."""
        options = {feature: self.options(feature) for feature in training.features}
        return FittedRidge(training, options, folder, self.algebra or BLAS)

    def words(self, feature: str = "") -> str:
        """Return the penalty of a feature, or how it is chosen."""
        return f"ridge regression, {in_words(self.options(feature))}" if feature else ""

    def memory(self, work: Work, sizes: Sizes) -> int:
        """Return the bytes that some work needs; see `neurodiffuse.decoders.ridge.memory`."""
        options = {feature: self.options(feature) for feature in sizes.targets}
        return memory.needed(work, sizes, options)

    def where(self, sizes: Sizes) -> str:
        """Return where ridge is computed, and what of a device it needs."""
        if self.algebra is None:
            named = self.device not in ("auto", "cpu")
            return f"on the CPU: no plugin offers ridge on {self.device!r}" if named else ""
        size, rows = min(sizes.voxels, sizes.rows), sizes.patterns + sizes.left_out
        return self.algebra.plan(size, sizes.rows, rows)

    def summary(self, folder: Path, feature: str) -> FitSummary:
        """Return the penalty of a feature, and how it was chosen."""
        return summary(folder, feature, self.options(feature))
