"""Whether a refiner keeps its promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from neurodiffuse.testing.findings import (
    Finding,
    Findings,
    constructor,
    fresh,
    left_alone,
    memory,
    moved,
    refusals,
)
from neurodiffuse.testing.training import HeldTargets
from neurodiffuse.types import HeldOut, Refiner, Targets

ROWS, TEST, SHAPES, SIZE = 30, 6, ((3, 4), (2,)), 14


def example_held_out(seed: int = 0) -> tuple[HeldOut, Targets]:
    """Return made-up held-out predictions of 30 training rows of 24 images, and of 6 test images.

    Latents are in four clusters; predictions are noisy, and less wide than the latents.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, SIZE)) + 5

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        true = centres[np.arange(n) % 4] + 0.3 * rng.normal(size=(n, SIZE))
        return true, 5 + 0.5 * (true - 5) + 0.4 * rng.normal(size=(n, SIZE))

    true = drawn(24)[0]
    own = np.r_[np.arange(24), np.arange(6)]
    predicted = 5 + 0.5 * (true[own] - 5) + 0.4 * rng.normal(size=(ROWS, SIZE))
    held_out = HeldOut("made up", _held(predicted), _held(true[own]), _held(true), own, seed)
    return held_out, _held(drawn(TEST)[1])


def examine_refiner(refiner: Refiner) -> list[Finding]:
    """Look at shapes, determinism, rows on their own, the folder, and what it is given."""
    found = constructor(refiner, Refiner)
    held_out, test = example_held_out()
    before = [values.copy() for values in _given(held_out, test)]
    with (
        TemporaryDirectory() as place,
        found.trying("fit and refine run"),
        left_alone(found),
    ):
        folder = Path(place) / "one"
        made = _fitted(refiner, held_out, test, folder)
        stray = sorted(p.name for p in Path(place).iterdir() if p != folder)
        found.that(not stray, "fit writes into its folder only", stray)
        _values(found, made)
        again = _fitted(fresh(refiner), held_out, test, Path(place) / "two")
        found.close(made, again, "fit and refine give the same from the same")
        opened = _refined(fresh(refiner), held_out, test, folder)
        found.close(made, opened, "a new object refines with what fit has written")
        rows = [
            _refined(refiner, held_out, test.of(np.array([k])), folder, seed=k) for k in range(TEST)
        ]
        found.close(made, np.vstack(rows), "a row does not depend on the other rows of the call")
        other = replace(held_out, true=_held(_whole(held_out.true)[::-1].copy()))
        apart = _fitted(fresh(refiner), other, test, Path(place) / "other")
        found.that(
            np.isfinite(apart).all(), "predictions that fit no true latents give finite latents"
        )
        moved(
            found,
            refiner,
            lambda one: _fitted(one, held_out, test, Path(place) / "moved"),
            made,
            1e-2,
        )
        memory(found, lambda: _refined(refiner, held_out, test, folder))
        refusals(
            found,
            refiner,
            lambda one: _fitted(one, held_out, test, Path(place) / "refused"),
        )
    same = all(np.array_equal(a, b) for a, b in zip(before, _given(held_out, test), strict=True))
    found.that(same, "fit and refine leave what they are given alone")
    return found


def _held(values: np.ndarray) -> HeldTargets:
    return HeldTargets(np.asarray(values, np.float32), SHAPES)


def _whole(targets: Targets) -> np.ndarray:
    return targets.values()


def _given(held_out: HeldOut, test: Targets) -> list[np.ndarray]:
    parts = (held_out.predicted, held_out.true, held_out.bank, test)
    return [*(_whole(one) for one in parts), held_out.own]


def _fitted(refiner: Refiner, held_out: HeldOut, test: Targets, folder: Path) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    refiner.fit(held_out, folder)
    return _refined(refiner, held_out, test, folder)


def _refined(
    refiner: Refiner, held_out: HeldOut, test: Targets, folder: Path, *, seed: int = 0
) -> np.ndarray:
    """Return refined latents, checked for order and completeness by their columns."""
    rows = len(_whole(test))
    reached, out = 0, []
    for columns, values in refiner.refine(held_out, folder, test, seeds=range(seed, seed + rows)):
        if columns.start != reached or values.shape != (rows, columns.stop - columns.start):
            raise ValueError(
                f"refined latents of shape {values.shape} for targets {columns.start} to "
                f"{columns.stop} of {rows} rows, where targets from {reached} follow"
            )
        reached = columns.stop
        out.append(np.asarray(values))
    if reached != SIZE:
        raise ValueError(f"refined {reached} of {SIZE} targets")
    return np.concatenate(out, axis=1)


def _values(found: Findings, made: np.ndarray) -> None:
    found.that(np.isfinite(made).all(), "refined latents are finite")
    found.that(made.dtype == np.float32, "refined latents are float32", made.dtype)
