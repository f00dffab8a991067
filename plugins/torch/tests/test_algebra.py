"""Ridge on tensors against plain numpy and against BLAS, on whatever device there is."""

from __future__ import annotations

import builtins
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from neurodiffuse import ridge
from neurodiffuse.errors import ConfigError, PluginError, RunError
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse_torch_ridge import algebra as module
from neurodiffuse_torch_ridge import hooks, tensors
from neurodiffuse_torch_ridge.algebra import TorchAlgebra

TOLERANCE = 1e-4
"""Of the predictions' standard deviation, as ridge promises."""


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def algebra(request) -> TorchAlgebra:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return TorchAlgebra(request.param)


def positive(size: int, dtype: str = "f8") -> np.ndarray:
    a = np.random.default_rng(size).standard_normal((size, 2 * size))
    return np.asfortranarray(a @ a.T, dtype)


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
def test_factor_and_solution(algebra, dtype):
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
def test_eigenvectors_and_what_they_filter(algebra, dtype):
    matrix = positive(40, dtype)
    values, vectors = algebra.eigenvectors(matrix.copy(order="F"))
    tolerance = 1e-5 if dtype == "f4" else 1e-12
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=tolerance * values[-1] * 10)
    rows = np.random.default_rng(1).standard_normal((7, 40)).astype(dtype)
    gains = (1 / (values + 1)).astype(dtype)
    expected = np.linalg.solve(matrix.astype(float) + np.eye(40), rows.T.astype(float)).T
    found = algebra.filtered(vectors, gains, rows)
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


# --- memory ------------------------------------------------------------------------------------


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


def test_rows_that_do_not_fit_are_solved_in_halves(algebra, monkeypatch):
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


# --- which is used -----------------------------------------------------------------------------


def pretend(monkeypatch, *, driver=True, cuda=1, mps=False):
    monkeypatch.setattr(module, "_driver", lambda: driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def chosen(device: str):
    return Machine(device, 2**30).algebra(Registry([("torch", hooks)]))


def test_a_gpu_is_used_and_a_cpu_is_left_to_blas(monkeypatch):
    pretend(monkeypatch)
    assert isinstance(chosen("auto"), TorchAlgebra)
    assert (chosen("cuda").device, chosen("cuda").memory) == ("cuda", 2**30)
    assert chosen("cpu") is None
    pretend(monkeypatch, cuda=0)
    assert chosen("auto") is None
    with pytest.raises(ConfigError, match=r"'cuda' is not on this machine"):
        chosen("cuda")
    pretend(monkeypatch, cuda=0, mps=True)
    assert chosen("auto")._only_float32


def test_what_mps_cannot_do_is_done_by_blas(monkeypatch):
    own = TorchAlgebra("cpu")
    monkeypatch.setattr(TorchAlgebra, "_only_float32", True)
    asked = []
    for name in ("gram", "cholesky", "solve", "eigenvectors", "filtered", "product", "multiplier"):
        monkeypatch.setattr(tensors.Tensors, name, lambda *a, name=name: asked.append(name))
    x = np.random.default_rng(0).standard_normal((20, 30))
    for dtype in ("f4", "f8"):
        part = x.astype(dtype)
        own.gram([part], 20, part.dtype, dual=True)
        own.product(part)
        own.multiplier(part)
    assert asked == ["gram", "product", "multiplier"]  # those of float32
    matrix = positive(6)
    triangle = own.cholesky(matrix.copy(order="F"))
    rows = np.ones((2, 6))
    np.testing.assert_allclose(own.solve(triangle, rows) @ matrix, rows)
    values, vectors = own.eigenvectors(matrix.copy(order="F"))
    np.testing.assert_allclose(own.filtered(vectors, 1 / values, rows) @ matrix, rows)
    assert len(asked) == 3


def test_torch_that_cannot_be_imported_is_one_line(monkeypatch):
    pretend(monkeypatch)
    real = builtins.__import__

    def broken(name, *rest):
        if name == "neurodiffuse_torch_ridge.tensors":
            raise OSError("libcudart.so.13: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    for device in ("cuda", "auto"):
        with pytest.raises(PluginError, match=r"torch cannot be imported \(libcud.*cpu") as told:
            chosen(device)
        assert "\n" not in str(told.value)
    assert chosen("cpu") is None


def test_without_a_driver_torch_is_not_imported():
    """A plan, and a decode on a machine without a GPU, must not wait for torch nor hold it."""
    code = (
        "import sys; from neurodiffuse.machine import Machine; from neurodiffuse.plugins import "
        "Registry; from neurodiffuse_torch_ridge import algebra, hooks; "
        "algebra.DRIVERS = ('/nowhere',); algebra.sys = type('S', (), {'platform': 'linux'}); "
        "assert Machine().algebra(Registry([('torch', hooks)])) is None; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_it_is_listed_and_travels_as_its_settings():
    card = Registry.installed().card("algebra", "torch")
    assert card.distribution == "neurodiffuse-torch"
    own = TorchAlgebra("cpu", 5)
    own.product(np.ones((2, 2)))
    assert vars(pickle.loads(pickle.dumps(own))) == {"device": "cpu", "memory": 5}


# --- a whole decoding --------------------------------------------------------------------------


class Forced(TorchAlgebra):
    """Tensors on the CPU, which no machine would choose by itself."""

    def __init__(self) -> None:
        super().__init__("cpu")

    def there(self) -> bool:
        return True

    def product(self, left):
        USED.append("product")
        return super().product(left)

    def gram(self, *parts, **how):
        USED.append("gram")
        return super().gram(*parts, **how)


USED: list[str] = []


class Forcing:
    """A plugin that offers it."""

    from neurodiffuse.hookspecs import hookimpl

    @staticmethod
    @hookimpl
    def register_algebras(register) -> None:
        register("forced", f"{__name__}:Forced", summary="Tensors on the CPU")


@pytest.mark.parametrize("alpha", ["20.0", '"gcv"'])
def test_a_decode_through_tensors_predicts_what_numpy_does(tmp_path, alpha):
    toy = pytest.importorskip("toy")
    from neurodiffuse import builtin, pipeline, plan_text
    from neurodiffuse.config import resolve
    from neurodiffuse.plan import plan_of
    from neurodiffuse.run import Run, opened
    from neurodiffuse.store import LatentFile

    plugins = [("builtin", builtin), ("toy", toy)]
    settings = [f"features.colour.alpha={alpha}", "predict.rescale=train"]
    made, plans = {}, {}
    for name, registry in {
        "blas": Registry(plugins),
        "tensors": Registry([*plugins, ("forcing", Forcing)]),
    }.items():
        USED.clear()
        config = resolve(registry, dataset="toy", subjects=("01",), recipe="toy", settings=settings)
        config, data = pipeline.open_subjects(config, registry)
        run = Run(tmp_path / name, config, registry, data, quiet=True)
        plans[name] = plan_text.describe(run, plan_of(run))
        with opened(run):
            pipeline.execute(run, until="predict")
        place = run.folder("predict", "01")
        made[name] = {f: LatentFile.open(place / f"{f}.npy").rows().values for f in config.features}
        assert bool(USED) == (name == "tensors")
    assert set(USED) == {"gram", "product"}
    assert "ridge      on cpu, float32 without TF32" in plans["tensors"]
    assert "ridge      on" not in plans["blas"]
    assert made["blas"]
    for feature, values in made["blas"].items():
        assert np.abs(made["tensors"][feature] - values).max() < TOLERANCE * values.std()
