"""A refiner that breaks a promise is told by the check; one that keeps them passes."""

from __future__ import annotations

import numpy as np
import pytest

from neurodiffuse.decoders.retrieval import RetrievalMix
from neurodiffuse.testing import check_refiner


class Faulty(RetrievalMix):
    """The mixture, with one fault."""

    def __init__(self, fault: str = "", k: int = 2) -> None:
        super().__init__(k)
        self.fault = fault

    def fit(self, held_out, folder):
        super().fit(held_out, folder)
        if self.fault == "elsewhere":
            (folder.parent / "stray").touch()
        if self.fault == "global":
            np.random.random()  # noqa: NPY002

    def refine(self, held_out, folder, predicted, *, seeds):
        for columns, values in super().refine(held_out, folder, predicted, seeds=seeds):
            made = np.asarray(values)
            if self.fault == "together":
                made = made + np.float32(len(made))
            elif self.fault == "random":
                made = made + np.random.default_rng().standard_normal(made.shape).astype("f")
            elif self.fault == "double":
                made = made.astype(float)
            elif self.fault == "infinite":
                made = made * np.float32(np.inf)
            elif self.fault == "short" and columns.start:
                return
            elif self.fault == "changed":
                predicted.latents[:] = 0
            yield columns, made


def test_the_mixture_keeps_its_promises():
    check_refiner(RetrievalMix())
    check_refiner(Faulty())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("elsewhere", "fit writes into its folder only: \\['stray'\\]"),
        ("global", "numpy's global random state is left alone"),
        ("together", "a row does not depend on the other rows of the call"),
        ("random", "fit and refine give the same from the same"),
        ("double", "refined latents are float32: float64"),
        ("infinite", "refined latents are finite"),
        ("short", "refined 5 of 14 targets"),
        ("changed", "fit and refine leave what they are given alone"),
    ],
)
def test_a_broken_promise_is_told(fault, said):
    with pytest.raises(AssertionError, match=said):
        check_refiner(Faulty(fault))
