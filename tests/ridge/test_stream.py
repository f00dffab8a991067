"""Targets in blocks, from files and in half precision; targets and betas that do not vary."""

import numpy as np
import pytest
from ridge_case import TOLERANCE, blocks, hat, joined, problem, refit

from neurodiffuse.decoders import rescaling, ridge
from neurodiffuse.errors import DataError


def test_blocks_do_not_change_the_answer_nor_the_input():
    x, x_new, y, _ = problem(50, 80, t=23)
    gram = ridge.gram(x)
    rows = hat(gram, 3.0, x_new)
    before = y.copy()
    streamed = list(ridge.predict_blocks(rows, blocks(y, 4)))
    whole = next(ridge.predict_blocks(rows, blocks(y, 23)))
    np.testing.assert_allclose(joined(streamed), whole.values, rtol=1e-6)
    np.testing.assert_array_equal(y, before)
    assert [b.columns.start for b in streamed] == [0, 4, 8, 12, 16, 20]
    for block in streamed:
        np.testing.assert_allclose(block.mean, y[:, block.columns].mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(block.sd, y[:, block.columns].std(axis=0), rtol=1e-5, atol=1e-6)
    constant = np.concatenate([b.constant for b in streamed])
    assert np.flatnonzero(constant).tolist() == [3]
    assert (joined(streamed)[:, 3] == np.float32(0.1)).all()


def test_many_rows_and_columns_are_taken_in_stretches():
    """More rows and voxels than one stretch holds, from a file that is only mapped."""
    rng = np.random.default_rng(3)
    for n, p in ((1100, 1300), (2100, 30)):
        x = rng.normal(size=(n, p)).astype(np.float32)
        y = rng.normal(size=(n, 3)).astype(np.float32)
        gram = ridge.gram(x)
        rows = hat(gram, 50.0, x[:5])
        _, truth = refit(x, y, x[:5], 50.0)
        predicted = joined(ridge.predict_blocks(rows, blocks(y)), "deviation")
        assert (np.abs(predicted - truth) / truth.std(axis=0)).max() < TOLERANCE


def test_mapped_betas_and_float16_targets(tmp_path):
    x, x_new, y, _ = problem(40, 60)
    np.save(tmp_path / "x.npy", x)
    mapped = ridge.gram(np.load(tmp_path / "x.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped.matrix, ridge.gram(x).matrix)
    half = (y - y.mean(axis=0)).astype(np.float16)
    rows = hat(mapped, 2.0, x_new)
    _, truth = refit(x, half, x_new, 2.0)
    predicted = joined(ridge.predict_blocks(rows, blocks(half)), "deviation")
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, truth, atol=TOLERANCE * truth.std())


def test_target_that_varies_by_rounding_only_is_constant():
    """The same text encoded in batches of another size differs in the last bit."""
    x, x_new, y, _ = problem(40, 60)
    y[:, 0] = 0.1
    y[::2, 0] = np.nextafter(np.float32(0.1), np.float32(1))
    block = next(ridge.predict_blocks(hat(ridge.gram(x), 1.0, x_new), blocks(y, 12)))
    assert np.flatnonzero(block.constant).tolist() == [0, 3]
    assert (block.deviation[:, 0] == 0).all()
    assert block.sd[0] == 0


@pytest.mark.filterwarnings("error")
def test_alpha_beyond_float32_predicts_the_mean():
    x, x_new, y, _ = problem(40, 60)
    block = next(ridge.predict_blocks(hat(ridge.gram(x), 1e300, x_new), blocks(y, 12)))
    np.testing.assert_allclose(block.values, np.tile(y.mean(axis=0), (9, 1)), rtol=1e-6)
    assert rescaling.rescale_block(block.block(9), kind="test").flat.all()


def test_constant_voxels_only_give_the_mean():
    x = np.full((10, 4), 0.1, np.float32)
    y = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    gram = ridge.gram(x)
    rows = hat(gram, 1.0, x[:2])
    block = next(ridge.predict_blocks(rows, blocks(y)))
    np.testing.assert_allclose(block.values, np.tile(y.mean(axis=0), (2, 1)), rtol=1e-5)
    done = rescaling.rescale_block(block.block(2), kind="test")
    assert done.flat.all()
    np.testing.assert_allclose(done.values, block.values, rtol=1e-5)


def test_shapes_that_do_not_fit_are_named():
    x, _, y, _ = problem(10, 8)
    gram = ridge.gram(x)
    with pytest.raises(DataError, match=r"\(rows, 8\)"):
        ridge.cross_gram(gram, x[:, :7])
    broken = x.copy()
    broken[2, 3:5] = np.nan, np.inf
    with pytest.raises(DataError, match="betas of 2 voxels are NaN or infinite"):
        ridge.gram(broken)
    with pytest.raises(DataError, match="none empty"):
        ridge.gram(x[:0])
    with pytest.raises(DataError, match="9 rows for betas of 10"):
        next(ridge.predict_blocks(np.ones((2, 10), np.float32), blocks(y[:9])))
    with pytest.raises(DataError, match="none is empty"):
        next(ridge.predict_blocks(np.ones((0, 10), np.float32), blocks(y)))
