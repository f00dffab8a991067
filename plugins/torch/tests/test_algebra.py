"""Ridge on tensors against plain numpy and against BLAS, on whatever device there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurodiffuse.decoders import ridge
from neurodiffuse_torch_ridge import tensors
from neurodiffuse_torch_ridge.algebra import TorchAlgebra

TOLERANCE = 1e-4
"""Of the predictions' standard deviation, as ridge promises."""


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("dual", [True, False])
def test_gram_matrix(algebra, dual, dtype):
    x = np.random.default_rng(0).standard_normal((30, 50)).astype(dtype)
    cut = [x[:, :20], x[:, 20:]] if dual else [x[:11], x[11:]]
    found = algebra.gram(iter(cut), 30 if dual else 50, dtype, dual=dual)
    expected = x.astype(float) @ x.T.astype(float) if dual else x.T.astype(float) @ x.astype(float)
    np.testing.assert_allclose(np.tril(found), np.tril(expected), atol=1e-4 if dtype == "f4" else 0)
    assert found.dtype == dtype
    assert found.flags.f_contiguous


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_factor_and_solution(algebra, dtype, positive):
    matrix = positive(40, dtype)
    rows = np.random.default_rng(1).standard_normal((7, 40)).astype(dtype)
    triangle = algebra.cholesky(matrix.copy(order="F"))
    assert triangle.flags.f_contiguous
    lower, tolerance = np.tril(triangle).astype(float), 1e-4 if dtype == "f4" else 1e-11
    np.testing.assert_allclose(lower @ lower.T, matrix, atol=tolerance * matrix.max())
    triangle[np.triu_indices(40, 1)] = np.nan  # as LAPACK leaves it: not to be read
    np.testing.assert_allclose(algebra.solve(triangle, rows) @ matrix, rows, atol=10 * tolerance)
    assert algebra.cholesky(-np.asfortranarray(np.eye(3, dtype=dtype))) is None


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_eigenvectors_and_what_they_filter(algebra, dtype, positive):
    matrix = positive(40, dtype)
    values, vectors = algebra.eigenvectors(matrix.copy(order="F"))
    tolerance = 1e-5 if dtype == "f4" else 1e-12
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=tolerance * values[-1] * 10)
    rows = np.random.default_rng(1).standard_normal((7, 40)).astype(dtype)
    gains = (1 / (values + 1)).astype(dtype)
    expected = np.linalg.solve(matrix.astype(float) + np.eye(40), rows.T.astype(float)).T
    times = algebra.multiplier(vectors)
    found = times(gains[:, None] * times(rows.T, True), False).T
    np.testing.assert_allclose(found, expected, atol=1e-3 if dtype == "f4" else 1e-10)
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i2", ">f4"])
def test_product_with_targets_of_any_type(algebra, dtype):
    rng = np.random.default_rng(2)
    left = rng.standard_normal((9, 2500)).astype("f4")
    targets = (10 * rng.standard_normal((2500, 33)) + 100).astype(dtype)
    targets.flags.writeable = False  # as a mapped file is
    origin = targets[0].astype("f4")
    shifted = targets.astype(float) - origin
    out, total, square = algebra.product(left)(targets, origin)
    np.testing.assert_allclose(out, left.astype(float) @ shifted, atol=0.02)
    np.testing.assert_allclose(total, shifted.sum(axis=0), rtol=1e-4, atol=0.1)
    np.testing.assert_allclose(square, (shifted**2).sum(axis=0), rtol=1e-5)
    assert (out.dtype, total.dtype, square.dtype) == (np.float32, np.float64, np.float64)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_products_with_a_matrix_and_its_transpose(algebra, dtype):
    rng = np.random.default_rng(3)
    matrix = np.asfortranarray(rng.standard_normal((70, 40)), dtype)
    times, tolerance = algebra.multiplier(matrix), 1e-4 if dtype == "f4" else 1e-12
    for turned, left in ((False, matrix), (True, matrix.T)):
        columns = rng.standard_normal((left.shape[1], 33)).astype(dtype)
        expected = left.astype(float) @ columns
        for given in (columns, np.asfortranarray(columns), columns[:, :1]):
            found = times(given, turned)
            np.testing.assert_allclose(found, expected[:, : given.shape[1]], atol=tolerance)
            assert found.dtype == dtype
            found *= found  # in place, as errors are squared


@pytest.mark.parametrize(("n", "p"), [(60, 150), (150, 60)])
@pytest.mark.parametrize("method", ["gcv", "loo", "groups"])
def test_penalties_are_those_that_blas_chooses(algebra, method, n, p):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, p)).astype("f4")
    noise = np.logspace(-1, 2, 12)
    y = (
        x @ rng.standard_normal((p, 12)) / np.sqrt(p) + noise * rng.standard_normal((n, 12))
    ).astype("f4")
    blocks = [(slice(0, 7), y[:, :7]), (slice(7, 12), y[:, 7:])]
    sent = []

    def chosen(own):
        gram = ridge.gram(x, algebra=own)
        alphas = ridge.default_alphas(gram)
        how = {"method": "gcv"} if method == "gcv" else {"method": "loo"}
        if method == "groups":
            how["leave_out"] = np.arange(n) // 3
        return ridge.select_alphas(ridge.decompose(gram, alphas.min()), alphas, blocks, **how)

    class Counted(TorchAlgebra):
        def multiplier(self, matrix):
            sent.append(matrix.shape)
            return super().multiplier(matrix)

    found, expected = chosen(Counted(algebra.device)), chosen(ridge.BLAS)
    assert (n, min(n, p)) in sent
    np.testing.assert_allclose(found.curves, expected.curves, atol=1e-4)
    assert (found.choice == expected.choice).all()
    assert len(set(expected.choice)) > 3


@pytest.mark.parametrize(
    ("n", "p", "alpha"), [(60, 150, 10.0), (150, 60, 10.0), (60, 60, 1e-8), (60, 150, 1e9)]
)
def test_predictions_left_out_rows_and_weights_are_those_of_blas(algebra, n, p, alpha):
    """The third is too ill-conditioned for float32: the way out is the same there."""
    rng = np.random.default_rng(n)
    x = (3 * rng.standard_normal((n + 9, p)) + 5).astype("f4")
    y = (2 * rng.standard_normal((n, 20)) + x[:n, -1:] + 100).astype("f4")
    y[:, 3] = 0.1
    cut = [(slice(0, 12), y[:, :12]), (slice(12, 20), y[:, 12:])]

    def answers(own):
        factor = ridge.factorise(ridge.gram(x[:n], algebra=own), alpha)
        rows = ridge.hat(factor, ridge.cross_gram(factor.gram, x[n:]))
        rows = np.vstack([rows, ridge.leave_out_hat(factor, ridge.held_out_rows(n, 5))])
        said = ridge.predict_blocks(ridge.placed(rows, own), cut)
        weights = ridge.weight_blocks(ridge.weight_map(factor), cut)
        deviation = np.concatenate([block.deviation for block in said], axis=1)
        return factor.gram.dtype, deviation, np.concatenate([w for _, w in weights], axis=1)

    precise, *found = answers(algebra)
    as_precise, *expected = answers(ridge.BLAS)
    assert precise == as_precise
    assert (precise == np.float64) == (alpha < 1)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * other.std()


def test_float32_is_float32_whatever_was_allowed_before(algebra, monkeypatch):
    monkeypatch.setattr(tensors, "_column_sums", lambda v: seen.append(now()) or np.zeros(2))
    now, seen = torch.get_float32_matmul_precision, []
    before = now()
    torch.set_float32_matmul_precision("medium")
    try:
        algebra.product(np.ones((3, 4), "f4"))(np.ones((4, 2), "f4"), np.zeros(2, "f4"))
        assert seen == ["highest", "highest"]
        assert now() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
