"""The algebra on whatever device there is, and matrices to factorise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from neurodiffuse_torch_ridge.algebra import TorchAlgebra


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def algebra(request) -> TorchAlgebra:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return TorchAlgebra(request.param)


@pytest.fixture
def positive() -> Callable[..., np.ndarray]:
    """Return a function that makes a positive definite matrix."""

    def make(size: int, dtype: str = "f8") -> np.ndarray:
        a = np.random.default_rng(size).standard_normal((size, 2 * size))
        return np.asfortranarray(a @ a.T, dtype)

    return make
