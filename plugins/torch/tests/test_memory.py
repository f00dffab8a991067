"""Ridge on tensors within the memory that there is: less at once, or one clear line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurodiffuse.errors import RunError
from neurodiffuse_torch_ridge import tensors
from neurodiffuse_torch_ridge.algebra import TorchAlgebra


def short_of(most: int):
    """Return a matmul that has no memory for more than some columns."""
    real = torch.Tensor.__matmul__

    def multiply(self, other):
        if other.shape[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")
        return real(self, other)

    return multiply


def test_targets_that_do_not_fit_go_in_fewer_columns(algebra, monkeypatch):
    rng = np.random.default_rng(0)
    left, targets = rng.standard_normal((5, 80)), rng.standard_normal((80, 70))
    multiply, origin = algebra.product(left), np.zeros(70)
    monkeypatch.setattr(torch.Tensor, "__matmul__", short_of(10))
    out, total, _ = multiply(targets, origin)
    np.testing.assert_allclose(out, left @ targets, atol=1e-10)
    np.testing.assert_allclose(total, targets.sum(axis=0), atol=1e-10)
    monkeypatch.setattr(torch.Tensor, "__matmul__", short_of(0))
    with pytest.raises(
        RunError, match=r"^--device c.*: memory is short for targets\. Free"
    ) as told:
        multiply(targets, origin)
    assert "\n" not in str(told.value)


def test_columns_that_do_not_fit_go_in_halves(algebra, monkeypatch):
    rng = np.random.default_rng(0)
    matrix, columns = rng.standard_normal((9, 80)), rng.standard_normal((80, 70))
    times = algebra.multiplier(matrix)
    monkeypatch.setattr(torch.Tensor, "__matmul__", short_of(10))
    np.testing.assert_allclose(times(columns, False), matrix @ columns, atol=1e-10)
    monkeypatch.setattr(torch.Tensor, "__matmul__", short_of(0))
    with pytest.raises(RunError, match="memory is short for targets"):
        times(columns, False)


def test_a_budget_cuts_columns_before_anything_is_short(monkeypatch):
    matrix, columns = np.ones((4, 100), "f4"), np.ones((100, 50), "f4")
    widths, real = [], tensors.Tensors._in_halves

    def noted(self, rows, compute):
        widths.append(len(rows))
        return real(self, rows, compute)

    monkeypatch.setattr(tensors.Tensors, "_in_halves", noted)
    times = TorchAlgebra("cpu", memory=matrix.nbytes + 20 * 104 * 4).multiplier(matrix)
    np.testing.assert_allclose(times(columns, False), 100)
    assert widths == [20, 20, 10]


def test_rows_that_do_not_fit_are_solved_in_halves(algebra, monkeypatch, positive):
    matrix, rows = positive(12), np.random.default_rng(0).standard_normal((9, 12))
    triangle, real = algebra.cholesky(matrix.copy(order="F")), torch.cholesky_solve

    def solve(columns, factor, upper):
        if columns.shape[1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(columns, factor, upper=upper)

    most = 2
    monkeypatch.setattr(torch, "cholesky_solve", solve)
    np.testing.assert_allclose(algebra.solve(triangle, rows) @ matrix, rows, atol=1e-9)
    most = 0
    with pytest.raises(RunError, match="memory is short for a factor"):
        algebra.solve(triangle, rows)


def test_a_budget_cuts_blocks_before_anything_is_short(monkeypatch):
    left, targets = np.ones((4, 100), "f4"), np.ones((100, 50), "f4")
    widths, real = [], tensors._Multiply._multiply

    def noted(self, part, origin):
        widths.append(part.shape[1])
        return real(self, part, origin)

    monkeypatch.setattr(tensors._Multiply, "_multiply", noted)
    each = 100 * 12 + 4 * 8
    TorchAlgebra("cpu", memory=left.nbytes + 20 * each).product(left)(targets, np.zeros(50, "f4"))
    assert widths == [20, 20, 10]


def test_the_plan_says_what_fits(monkeypatch):
    monkeypatch.setattr(tensors, "free_memory", lambda device: 2**30)
    said = TorchAlgebra("cpu").plan(1000, 1000, 100)
    assert said == "on cpu, float32 without TF32: 16 MiB of 1.0 GiB free"
    with pytest.raises(
        RunError, match=r"needs 3\.\d GiB on it and 1\.0 GiB are free.*--device cpu"
    ):
        TorchAlgebra("cpu").plan(16_000, 16_000, 1000)
    with pytest.raises(RunError, match="and 5 MiB are free"):
        TorchAlgebra("cpu", memory=5 * 2**20).plan(1000, 1000, 100)
