"""Time many-target ridge against scikit-learn: ``python benchmarks/ridge.py [--size small|mid]``.

Every method predicts the same test images from the same files, rescales by the test statistics
and scores R², each in a process of its own so that peak memory is its own. Methods take turns,
and the table shows medians over the rounds; the rate of a large float32 matrix product, measured
in the same turns, is the machine's ceiling. The problem is synthetic: a low-rank response to the
stimulus, correlated and white noise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import ridge

WIDTH = 2048


@dataclass(frozen=True)
class Size:
    """Training images, voxels, test images, tokens and values in a token."""

    n: int
    p: int
    m: int
    tokens: int
    token: int

    @property
    def t(self) -> int:
        """Number of targets."""
        return self.tokens * self.token


SIZES = {"small": Size(900, 1200, 300, 26, 96), "mid": Size(3000, 4000, 982, 26, 768)}
ALPHA = 5000.0


def make_problem(folder: Path, size: Size) -> None:
    """Write betas (rows, voxels) and targets, rows first and in blocks of columns."""
    rng = np.random.default_rng(0)
    rows, rank = size.n + size.m, 60
    seen = rng.normal(size=(rows, rank)).astype(np.float32)
    x = seen @ (rng.normal(size=(rank, size.p)) / np.arange(1, rank + 1)[:, None] ** 0.7)
    x += 0.3 * rng.normal(size=(rows, 20)) @ rng.normal(size=(20, size.p))
    x = (x + 2 * rng.normal(size=(rows, size.p))).astype(np.float32)
    x = ridge.standardise(x, ridge.column_stats(x[: size.n]))
    y = (seen @ rng.normal(size=(rank, size.t)).astype(np.float32)).astype(np.float32)
    y += 4 * rng.standard_normal(y.shape, dtype=np.float32) + 3
    np.save(folder / "x.npy", x[: size.n])
    np.save(folder / "x_test.npy", x[size.n :])
    np.save(folder / "y.npy", y[: size.n])
    np.save(folder / "y_test.npy", y[size.n :])
    blocks = -(-size.t // WIDTH)
    cut = np.lib.format.open_memmap(
        folder / "y_blocks.npy", "w+", np.float32, (blocks, size.n, WIDTH)
    )
    for block in range(blocks):
        part = y[: size.n, block * WIDTH : (block + 1) * WIDTH]
        cut[block, :, : part.shape[1]] = part


def load(folder: Path, name: str) -> np.ndarray:
    """Return an array of the problem, read when it is used."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def target_blocks(folder: Path, size: Size) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the training targets as the latent store does."""
    for number, block in enumerate(load(folder, "y_blocks")):
        columns = slice(number * WIDTH, min((number + 1) * WIDTH, size.t))
        yield columns, block[:, : columns.stop - columns.start]


def hat(folder: Path, size: Size, made: np.ndarray) -> None:
    """Predict as neurodiffuse does: one hat matrix, targets streamed."""
    _predict(ridge.factorise(ridge.gram(load(folder, "x")), ALPHA), folder, size, made)


def weights(folder: Path, size: Size, made: np.ndarray) -> None:
    """Predict as `hat` does and sum the absolute weights of each voxel."""
    factor = ridge.factorise(ridge.gram(load(folder, "x")), ALPHA)
    _predict(factor, folder, size, made)
    l1 = np.zeros(size.p)
    for _, part in ridge.weight_blocks(ridge.weight_map(factor), target_blocks(folder, size)):
        l1 += np.abs(part).sum(axis=1)


def _predict(factor: ridge.Factor, folder: Path, size: Size, made: np.ndarray) -> None:
    truth = load(folder, "y_test")
    rows = ridge.hat(factor, ridge.cross_gram(factor.gram, load(folder, "x_test")))
    for block in ridge.predict_blocks(rows, target_blocks(folder, size)):
        ridge.r_squared(truth[:, block.columns], block.values)
        made[:, block.columns] = ridge.rescale_block(block, size.m, kind="test").values


def sklearn_loop(folder: Path, size: Size, made: np.ndarray) -> None:
    """Predict as the published code does: scikit-learn's Ridge once a token."""
    _sklearn(folder, size, made, size.token, l1=False)


def sklearn_loop_l1(folder: Path, size: Size, made: np.ndarray) -> None:
    """Do the same and sum the absolute weights of each voxel."""
    _sklearn(folder, size, made, size.token, l1=True)


def sklearn_once(folder: Path, size: Size, made: np.ndarray) -> None:
    """Predict with one call of scikit-learn's Ridge for all targets."""
    _sklearn(folder, size, made, size.t, l1=False)


def sklearn_once_l1(folder: Path, size: Size, made: np.ndarray) -> None:
    """Do the same and sum the absolute weights of each voxel."""
    _sklearn(folder, size, made, size.t, l1=True)


def _sklearn(folder: Path, size: Size, made: np.ndarray, step: int, *, l1: bool) -> None:
    from sklearn.linear_model import Ridge

    x, x_test = np.array(load(folder, "x")), np.array(load(folder, "x_test"))
    y, y_test = np.array(load(folder, "y")), np.array(load(folder, "y_test"))
    total = np.zeros(size.p)
    for start in range(0, size.t, step):
        columns = slice(start, start + step)
        model = Ridge(alpha=ALPHA, max_iter=50000, fit_intercept=True).fit(x, y[:, columns])
        found = model.predict(x_test)
        z = (found - found.mean(axis=0)) / found.std(axis=0)
        made[:, columns] = z * y[:, columns].std(axis=0) + y[:, columns].mean(axis=0)
        model.score(x_test, y_test[:, columns])
        if l1:
            total += np.abs(model.coef_).sum(axis=0)


METHODS = {
    "hat": hat,
    "sklearn-loop": sklearn_loop,
    "sklearn-once": sklearn_once,
    "weights": weights,
    "sklearn-loop-l1": sklearn_loop_l1,
    "sklearn-once-l1": sklearn_once_l1,
}


def flop(size: Size) -> dict[str, float]:
    """Return the floating-point operations that each of our methods needs."""
    n, p, m, t = size.n, size.p, size.m, size.t
    solved = n * n * p + n**3 / 3
    return {"hat": solved + 2 * m * n * p + 2 * m * n * n + 2 * m * n * t}


def gemm_rate(size: Size) -> float:
    """Return the float32 operations a second of a matrix product of the hat's shape."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((size.m, size.n), dtype=np.float32)
    b = rng.standard_normal((size.n, WIDTH), dtype=np.float32)
    a @ b
    start, times = time.perf_counter(), 0
    while time.perf_counter() - start < 0.3:
        a @ b
        times += 1
    return 2 * size.m * size.n * WIDTH * times / (time.perf_counter() - start)


def run_one(method: str, folder: Path, size: Size) -> dict[str, float]:
    """Run one method in this process and return what it cost."""
    made = np.lib.format.open_memmap(
        folder / f"made-{method}.npy", "w+", np.float32, (size.m, size.t)
    )
    cpu, start = time.process_time(), time.perf_counter()
    METHODS[method](folder, size, made)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "peak_mib": peak, "gemm": gemm_rate(size)}


def worst_error(folder: Path, method: str, size: Size) -> float:
    """Return the largest difference to float64 scikit-learn over the targets' deviation."""
    from sklearn.linear_model import Ridge

    columns = slice(0, min(size.t, 2 * size.token))
    x, y = load(folder, "x").astype(float), load(folder, "y")[:, columns].astype(float)
    found = Ridge(alpha=ALPHA).fit(x, y).predict(load(folder, "x_test").astype(float))
    z = (found - found.mean(axis=0)) / found.std(axis=0)
    made = load(folder, f"made-{method}")[:, columns]
    return float((np.abs(made - (z * y.std(axis=0) + y.mean(axis=0))) / y.std(axis=0)).max())


def compare(size: Size, rounds: int) -> dict[str, Any]:
    """Run every method in turn, ``rounds`` times, and return medians."""
    runs: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_problem(folder, size)
        for _ in range(rounds):
            for method in METHODS:
                told = json.dumps([method, name, asdict(size)])
                done = subprocess.run(
                    [sys.executable, __file__, "--one", told],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                runs[method].append(json.loads(done.stdout))
        errors = {method: worst_error(folder, method, size) for method in METHODS}
    table = {}
    for method, seen in runs.items():
        table[method] = {
            key: statistics.median(run[key] for run in seen)
            for key in ("seconds", "cpu", "peak_mib")
        }
        table[method]["error"] = errors[method]
    for method, operations in flop(size).items():
        rates = [operations / run["seconds"] / run["gemm"] for run in runs[method]]
        table[method]["of_gemm"] = statistics.median(rates)
    gemm = statistics.median(run["gemm"] for seen in runs.values() for run in seen)
    return {"table": table, "gemm": gemm, "runs": runs}


def machine() -> dict[str, Any]:
    """Return the properties of this machine that explain the numbers."""
    from threadpoolctl import threadpool_info

    blas = [i for i in threadpool_info() if i["user_api"] == "blas"]
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "load": os.getloadavg()[0],
        "blas": sorted({f"{b['internal_api']} {b['version']} {b['architecture']}" for b in blas}),
        "blas_threads": sorted({b["num_threads"] for b in blas}),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def shown(result: dict[str, Any]) -> str:
    """Return the table as text; the ratios are within each group, to our method."""
    lines = [f"{'method':16} {'s':>8} {'CPU s':>8} {'ratio':>7} {'MiB':>7} {'error/sd':>9} gemm"]
    for method, row in result["table"].items():
        own = result["table"]["weights" if method == "weights" or "l1" in method else "hat"]
        part = f"{row['of_gemm']:.0%}" if "of_gemm" in row else ""
        lines.append(
            f"{method:16} {row['seconds']:8.3f} {row['cpu']:8.3f} "
            f"{row['seconds'] / own['seconds']:7.2f} {row['peak_mib']:7.0f} "
            f"{row['error']:9.1e} {part:>4}"
        )
    return "\n".join(lines)


def main() -> None:
    """Read the arguments, measure, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file; default benchmarks/ridge-SIZE.json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        method, folder, size = json.loads(given.one)
        print(json.dumps(run_one(method, Path(folder), Size(**size))))
        return
    size, about = SIZES[given.size], machine()
    result = {"size": asdict(size), "alpha": ALPHA, "machine": about, **compare(size, given.rounds)}
    print(f"n {size.n}, voxels {size.p}, test {size.m}, targets {size.t}, alpha {ALPHA:g}")
    print(f"{about['cores']} cores, load {about['load']:.1f}, {result['gemm'] / 1e9:.0f} GFLOP/s")
    print(shown(result))
    out = given.out or Path(__file__).with_name(f"ridge-{given.size}.json")
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
