"""What ridge computes with: BLAS on any number of threads, and another algebra handed in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ridge_case import blocks, joined, problem
from scipy import linalg
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_info, threadpool_limits

from neurodiffuse.decoders import ridge, tiles
from neurodiffuse.errors import DataError


class Plain(ridge.Algebra):
    """Textbook formulas in float64, and a note of what was asked."""

    def __init__(self):
        self.asked, self.sent = [], 0

    def gram(self, parts, size, dtype, *, dual):
        self.asked.append("gram")
        parts = [part.astype(float) for part in parts]
        return np.asfortranarray(
            sum(p @ p.T if dual else p.T @ p for p in parts), dtype
        )  # all parts at once: a test's betas are small

    def cholesky(self, matrix):
        self.asked.append("cholesky")
        try:
            return np.asfortranarray(np.linalg.cholesky(matrix.astype(float)), matrix.dtype)
        except np.linalg.LinAlgError:
            return None

    def solve(self, triangle, rows):
        self.asked.append("solve")
        lower = np.tril(triangle.astype(float))
        return np.linalg.solve(lower @ lower.T, rows.T).T.astype(rows.dtype)

    def eigenvectors(self, matrix):
        self.asked.append("eigenvectors")
        values, vectors = np.linalg.eigh(matrix.astype(float))
        return values.astype(matrix.dtype), vectors.astype(matrix.dtype)

    def multiplier(self, matrix):
        self.asked.append("sent")

        def multiply(columns, turned):
            self.asked.append("multiplier")
            return (matrix.T if turned else matrix).astype(float) @ columns

        return multiply

    def product(self, left):
        self.sent += 1

        def multiply(targets, origin):
            self.asked.append("product")
            shifted = targets.astype(float) - origin
            out = (left.astype(float) @ shifted).astype(left.dtype)
            return out, shifted.sum(axis=0), (shifted**2).sum(axis=0)

        return multiply


def answers(x, x_new, y, alpha, algebra):
    """Predictions, left-out rows and weights, of everything that ridge does with a factor."""
    factor = ridge.factorise(ridge.gram(x, algebra=algebra), alpha)
    rows = ridge.hat(factor, ridge.cross_gram(factor.gram, x_new))
    left_out = ridge.leave_out_hat(factor, ridge.held_out_rows(len(x), 5))
    placed = ridge.placed(np.vstack([rows, left_out]), algebra)
    predicted = joined(ridge.predict_blocks(placed, blocks(y)), "deviation")
    weights = [w for _, w in ridge.weight_blocks(ridge.weight_map(factor), blocks(y))]
    return predicted, np.concatenate(weights, axis=1)


@pytest.mark.parametrize(
    ("n", "p", "alpha", "grams"), [(40, 100, 10.0, 1), (100, 40, 10.0, 2), (60, 60, 1e-8, 2)]
)
def test_everything_is_computed_with_the_algebra_that_was_handed_in(n, p, alpha, grams):
    """Left-out rows of the primal form, and a penalty as small as 1e-8, need float64 besides."""
    x, x_new, y, _ = problem(n, p)
    plain = Plain()
    found, expected = (answers(x, x_new, y, alpha, a) for a in (plain, ridge.BLAS))
    assert set(plain.asked) >= {"gram", "solve", "cholesky", "product"}
    assert plain.asked.count("gram") == grams
    assert plain.sent == 2  # the rows and the weight map, once each, for several blocks
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() < 1e-4 * other.std()


@pytest.mark.parametrize(("n", "p"), [(40, 100), (100, 40)])
def test_chosen_penalties_use_it_too(n, p):
    x, x_new, y, _ = problem(n, p)

    def both(algebra):
        spectrum = ridge.decompose(ridge.gram(x, algebra=algebra), 1.0, predict=True)
        factors = (spectrum.factor(1.0), spectrum.factor(100.0))
        cross = ridge.cross_gram(spectrum.gram, x_new)
        choice = np.arange(y.shape[1]) % 2
        hats = ridge.Hats(ridge.hats(factors, cross), choice)
        said = joined(ridge.predict_blocks(ridge.placed(hats, algebra), blocks(y)), "deviation")
        weights = ridge.weight_blocks(ridge.weight_map_of_each(factors, choice), blocks(y))
        return said, np.concatenate([w for _, w in weights], axis=1)

    plain = Plain()
    for one, other in zip(both(plain), both(ridge.BLAS), strict=True):
        assert np.abs(one - other).max() < 1e-4 * other.std()
    assert set(plain.asked) == {"gram", "eigenvectors", "sent", "multiplier", "product"}


@pytest.mark.parametrize(("n", "p"), [(40, 100), (100, 40)])
def test_penalties_of_one_spectrum_share_a_product(n, p):
    x, x_new, _, _ = problem(n, p)
    plain = Plain()
    spectrum = ridge.decompose(ridge.gram(x, algebra=plain), 1.0, predict=True)
    factors = [spectrum.factor(alpha) for alpha in (1.0, 10.0, 100.0)]
    cross = ridge.cross_gram(spectrum.gram, x_new)
    alone = [ridge.hat(factor, cross) for factor in factors]
    plain.asked.clear()
    together = ridge.hats(factors, cross)
    primal = n > p  # what was solved is multiplied with training betas once more for each
    assert plain.asked.count("sent") == 1 + 3 * primal
    assert plain.asked.count("multiplier") == 1 + 3 + 3 * primal
    for one, same in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-12)
    with pytest.raises(DataError, match="Form them with cross_gram"):
        ridge.hats(factors, cross.astype(np.float32))


@pytest.mark.parametrize(("n", "p"), [(20, 50), (20, 21), (20, 12)])
def test_rows_of_the_inverse(n, p):
    """Of a factor and of eigenvectors, those included that the betas do not span."""
    x = np.random.default_rng(1).standard_normal((n, p))
    gram = ridge.gram(x, dtype=np.float64)
    inverse = np.linalg.inv(gram.matrix + gram.lift + 2.0 * np.eye(min(n, p)))
    which = np.array([3, 0, 3, 11])
    for factor in (ridge.factorise(gram, 2.0), ridge.decompose(gram, 2.0).factor(2.0)):
        np.testing.assert_allclose(factor.inverse_rows(which), inverse[which], atol=1e-12)


@pytest.mark.parametrize(
    ("m", "n", "width", "dtype"),
    [
        (1200, 1500, 1100, "f4"),
        (513, 2000, 777, "f2"),
        (3, 40, 20, "f4"),
        (1, 9, 1, "f8"),
        (2, 2 * tiles.PIECE + tiles.ROWS + 7, 30, "f4"),
    ],
)
def test_the_product_has_the_same_bits_on_any_number_of_threads(m, n, width, dtype):
    rng = np.random.default_rng(m)
    left = rng.standard_normal((m, n)).astype(np.float32)
    targets = (rng.standard_normal((n, width)) + 5).astype(dtype)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            had = [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]
            (block,) = ridge.predict_blocks(left, [(slice(0, width), targets)])
            now = [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]
        assert had == now  # the limit is taken back
        found.append((block.deviation, block.mean, block.sd))
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)
    double = targets.astype(float)
    truth = left.astype(float) @ (double - double.mean(axis=0))
    assert np.abs(found[0][0] - truth).max() < 1e-4 * np.abs(truth).mean()
    np.testing.assert_allclose(found[0][1], double.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found[0][2], double.std(axis=0), rtol=1e-4)


def test_products_of_several_threads_keep_their_bits_and_the_limit():
    rng = np.random.default_rng(1)
    left = rng.standard_normal((600, 1500)).astype(np.float32)
    targets = rng.standard_normal((1500, 700)).astype(np.float32)
    origin = np.zeros(700, np.float32)
    with threadpool_limits(1):
        expected = tiles.shifted_product(left, targets, origin)[0]
    threads = [info["num_threads"] for info in threadpool_info()]
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda _: tiles.shifted_product(left, targets, origin)[0], range(6))
        for one in found:
            np.testing.assert_array_equal(one, expected)
    assert [info["num_threads"] for info in threadpool_info()] == threads


def test_an_error_in_a_tile_is_raised_and_the_limit_taken_back():
    left, targets = np.ones((4, 3), np.float32), np.array([["a"] * 2] * 3)
    before = threadpool_info()
    with threadpool_limits(2), pytest.raises(TypeError):
        tiles.shifted_product(left, targets, np.zeros(2, np.float32))
    assert threadpool_info() == before


def test_blas_solves_what_it_factors():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((30, 50))
    matrix = np.asfortranarray(a @ a.T)
    rows = rng.standard_normal((4, 30))
    triangle = ridge.BLAS.cholesky(matrix.copy(order="F"))
    np.testing.assert_allclose(ridge.BLAS.solve(triangle, rows) @ matrix, rows, atol=1e-10)
    assert ridge.BLAS.cholesky(np.asfortranarray(-np.eye(3))) is None
    values, vectors = ridge.BLAS.eigenvectors(matrix.copy(order="F"))
    np.testing.assert_allclose(values, linalg.eigvalsh(matrix), rtol=1e-10)
    times = ridge.BLAS.multiplier(vectors)
    inverse = times(times(rows.T, True) / values[:, None], False).T
    np.testing.assert_allclose(inverse @ matrix, rows, atol=1e-8)


@pytest.mark.parametrize(("n", "p"), [(40, 100), (100, 40)])
@pytest.mark.parametrize("alpha", [30.0, 1e-7])
def test_the_last_factor_takes_the_memory_of_the_gram_matrix(n, p, alpha):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, p)).astype(np.float32), rng.standard_normal((n, 3))
    gram = ridge.gram(x)
    ridge.factorise(gram, 5.0)
    np.testing.assert_array_equal(gram.matrix, ridge.gram(x).matrix)  # not the last: it is left
    factor = ridge.factorise(gram, alpha, last=True)
    if alpha > 1:  # smaller ones need more than float32, and matrices of their own
        assert np.shares_memory(factor.triangle, gram.matrix)
        assert factor.gram.matrix is None
    rows = ridge.hat(factor, ridge.cross_gram(factor.gram, x))
    found = np.concatenate([b.values for b in ridge.predict_blocks(rows, [(slice(0, 3), y)])])
    expected = Ridge(alpha, solver="svd").fit(x.astype(float), y).predict(x.astype(float))
    assert np.abs(found - expected).max() < 1e-4 * expected.std()
