"""Choose the penalty from the training data, for each target or for groups of them.

The score of a penalty is the R² of training rows that are predicted from the others: exactly
(``loo``), or by generalised cross-validation (``gcv``), which replaces every row's own leverage by
their mean and costs a fraction. Golub, Heath & Wahba 1979, Technometrics 21:215-223.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from neurodiffuse.decoders.columns import CONSTANT
from neurodiffuse.decoders.ridge.left_out_error import Error, left_out_error
from neurodiffuse.decoders.ridge.spectrum import Spectrum
from neurodiffuse.decoders.ridge.stream import Blocks
from neurodiffuse.decoders.tiles import ROWS
from neurodiffuse.errors import ConfigError, DataError, listing, near

METHODS = ("gcv", "loo")

SKETCH = 32
"""Random combinations that stand for the targets of a group, when it has more."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Which penalty each target got, and why.

    ``alphas`` float64 (n_alphas,), ascending; ``curves`` float32 (n_groups, n_alphas), the R² of
    left-out training rows, NaN for groups of constant targets; ``group`` intp (t,), the group of
    each target; ``choice`` intp (t,), its index into ``alphas``.
    """

    alphas: np.ndarray
    curves: np.ndarray
    group: np.ndarray
    choice: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """The R² of each target's group at its best penalty, float32 (t,); NaN of constant ones.

        Where it is 0 or less, no penalty predicts left-out rows better than their mean.
        """
        return np.asarray(self.curves.max(axis=1)[self.group])


def select_alphas(
    spectrum: Spectrum,
    alphas: np.ndarray,
    blocks: Blocks,
    *,
    method: str = "gcv",
    groups: np.ndarray | None = None,
    leave_out: np.ndarray | None = None,
    images: np.ndarray | None = None,
    seed: int = 0,
) -> Selection:
    """Return the penalty that predicts left-out training rows best, target by target or by group.

    Parameters
    ----------
    spectrum
        Of `decompose`.
    alphas
        The penalties to choose from, above 0.
    blocks
        The training targets, read once.
    method
        ``"gcv"`` or ``"loo"``. For single targets GCV costs one matrix product whatever the
        number of penalties, leave-one-out one for each of them.
    groups
        Group of each target, (t,), counted from 0 and never falling. Without it each target
        chooses for itself.
    leave_out
        One label for each training row: rows of the same label are left out together, such as
        the trials of an image, a session or a cluster of like images. Only for ``"loo"``.
    images
        The image of each training row, where images have trials in several sessions: no row is
        predicted from others of its image.
    seed
        Of the random combinations.

    Returns
    -------
    Selection

    Raises
    ------
    ConfigError
        If the method is unknown or a penalty is not above 0.
    DataError
        If groups or labels do not fit the data.

    Notes
    -----
    The score of a group is ``1 - sum of squared errors / sum of squares`` over all its targets, so
    that a target counts by its variance, as in `sklearn.linear_model.RidgeCV`: of principal
    components most are noise, and if each counted the same they would choose for the few that are
    not. A group of more than 32 targets is stood for by 32 combinations of them with random signs
    (Johnson-Lindenstrauss), whose summed squares are unbiased.
    """
    _check(method, alphas, leave_out, spectrum)
    alphas = np.sort(np.asarray(alphas, np.float64))
    error = left_out_error(spectrum, alphas, method, leave_out, images)
    if groups is None:
        return _each_target(error, alphas, blocks)
    groups = np.asarray(groups, np.intp)
    if len(groups) and (groups[0] != 0 or (np.diff(groups) < 0).any()):
        raise DataError("ridge: groups of targets must count from 0 and never fall.")
    total = np.zeros((len(alphas), groups[-1] + 1))
    square = np.zeros(groups[-1] + 1)
    for group, probes in _sketches(_centred, blocks, groups, seed):
        total[:, group] += error(probes).sum(axis=1)
        square[group] += np.einsum("ij,ij->", probes, probes, dtype=np.float64)
    curves = _score(total, square)
    return Selection(alphas, curves, groups, _best(curves)[groups])


def sketch(blocks: Blocks, targets: int, seed: int = 0, *, standardised: bool = True) -> np.ndarray:
    """Return few columns (n, k) that stand for all targets, standardised first or only centred."""
    prepare = _standardised if standardised else _centred
    parts = _sketches(prepare, blocks, np.zeros(targets, np.intp), seed)
    return np.concatenate([probes for _, probes in parts], axis=1)


def _each_target(error: Error, alphas: np.ndarray, blocks: Blocks) -> Selection:
    curves = []
    for _, targets in blocks:
        probes = _standardised(targets)
        square = np.einsum("ij,ij->j", probes, probes)
        curves.append(_score(error(probes), square))
    joined = np.concatenate(curves)
    return Selection(alphas, joined, np.arange(len(joined)), _best(joined))


def _score(error: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Return 1 - error / square, float32 (groups, alphas), NaN where there is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        score = 1.0 - error / square
    return np.where(square > 0, score, np.nan).T.astype(np.float32)


def _best(curves: np.ndarray) -> np.ndarray:
    """Return the index of the best penalty; groups without a curve get the most common one."""
    known = np.where(np.isfinite(curves), curves, -np.inf)
    best = np.asarray(known.argmax(axis=1))
    nothing = np.isinf(known).all(axis=1)
    if nothing.any():
        others = np.bincount(best[~nothing], minlength=1)
        best[nothing] = others.argmax() if others.any() else curves.shape[1] - 1
    return best


def _standardised(targets: np.ndarray) -> np.ndarray:
    """Return centred targets of unit deviation (ddof 0); constant ones become 0."""
    out, sd = _centred_with_sd(targets)
    out *= np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0).astype(out.dtype)
    return out


def _centred(targets: np.ndarray) -> np.ndarray:
    """Return targets less their mean; constant ones become 0."""
    return _centred_with_sd(targets)[0]


def _centred_with_sd(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return targets less their mean and their deviation (ddof 0); both are 0 of constant ones."""
    out = np.subtract(targets, targets[0], dtype=np.result_type(targets.dtype, np.float32))
    n = len(out)
    total, square = np.zeros(out.shape[1]), np.zeros(out.shape[1])
    for start in range(0, n, ROWS):
        part = out[start : start + ROWS]
        total += part.sum(axis=0)
        square += np.einsum("ij,ij->j", part, part)
    mean = total / n
    sd = np.sqrt(np.maximum(square / n - mean**2, 0.0))
    constant = sd <= CONSTANT * np.abs(targets[0] + mean)
    out -= mean.astype(out.dtype)
    out[:, constant] = 0.0
    return out, np.where(constant, 0.0, sd)


def _sketches(
    prepare: Callable[[np.ndarray], np.ndarray], blocks: Blocks, groups: np.ndarray, seed: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (group, columns (n, k)) that stand for the targets of each group, k small."""
    sizes = np.bincount(groups)
    begun: np.ndarray | None = None
    for columns, targets in blocks:
        values, inside = prepare(targets), groups[columns]
        for group in np.unique(inside):
            part = values[:, inside == group]
            if sizes[group] <= SKETCH:
                yield int(group), np.ascontiguousarray(part)
                continue
            first = int(np.searchsorted(groups, group))
            rng = np.random.default_rng([seed, int(group), columns.start])
            signs = rng.choice([-1.0, 1.0], (part.shape[1], SKETCH)).astype(part.dtype)
            share = part @ signs / np.sqrt(part.dtype.type(SKETCH))
            begun = share if begun is None else begun + share
            if columns.stop >= first + sizes[group]:
                yield int(group), begun
                begun = None


def _check(
    method: str, alphas: np.ndarray, leave_out: np.ndarray | None, spectrum: Spectrum
) -> None:
    if method not in METHODS:
        raise ConfigError(
            f"alpha: no way to choose is called {method!r}.{near(method, METHODS)} "
            f"Ways: {listing(METHODS)}."
        )
    if not len(alphas) or not (np.isfinite(alphas).all() and (np.asarray(alphas) > 0).all()):
        raise ConfigError(f"alphas: penalties above 0 are needed, not {list(alphas)!r}.")
    n = len(spectrum.gram.x)
    if n < 3:
        raise DataError(f"ridge: {n} training rows; choosing alpha takes 3 or more.")
    if leave_out is not None and method != "loo":
        raise ConfigError("alpha: rows are left out together by 'loo' only, not by 'gcv'.")
    if leave_out is not None and len(leave_out) != n:
        raise DataError(f"ridge: {len(leave_out)} labels to leave out for {n} training rows.")
