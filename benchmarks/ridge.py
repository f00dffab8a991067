"""Compare many-target ridge with its peers: ``python benchmarks/ridge.py [--size small|mid]``.

Three questions, each asked of ours and of peers: predictions at one penalty; the same with the sum
of absolute weights; predictions with a penalty chosen for each target. Every method predicts the
same test images from the same files, rescales by the test statistics and scores R², each in a
process of its own so that peak memory is its own. Methods take turns, and the table shows medians
over the rounds; the rate of a large float32 matrix product, measured in the same turns, is the
machine's ceiling. Peers that would take many minutes are measured on a few targets, many, and the
few again, one after the other; their cost is taken to be a fixed part and one for each target. The
problem is synthetic: a low-rank response to the stimulus, correlated and white noise, of which
targets have very different amounts, so that their best penalties differ.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import cost, gemm_rate, machine

from neurodiffuse.decoders import rescaling, ridge
from neurodiffuse.decoders.columns import column_stats, r_squared, standardise
from neurodiffuse.overlap import follow
from neurodiffuse.store import LatentFile

PREDICT, WEIGHTS, CHOOSE = "predictions", "weights and L1", "penalty for each target"


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
NOISE = (2.0, 80.0)
"""Least and largest deviation of a target's noise; that of its signal is 8."""

ALPHA = 5000.0
ALPHAS = 4000.0 * np.logspace(-2, 2, 10)


def make_problem(folder: Path, size: Size) -> None:
    """Write betas (rows, voxels) and targets, rows first and in blocks of columns."""
    rng = np.random.default_rng(0)
    rows, rank = size.n + size.m, 60
    seen = rng.normal(size=(rows, rank)).astype(np.float32)
    x = seen @ (rng.normal(size=(rank, size.p)) / np.arange(1, rank + 1)[:, None] ** 0.7)
    x += 0.3 * rng.normal(size=(rows, 20)) @ rng.normal(size=(20, size.p))
    x = (x + 2 * rng.normal(size=(rows, size.p))).astype(np.float32)
    x = standardise(x, column_stats(x[: size.n]))
    y = (seen @ rng.normal(size=(rank, size.t)).astype(np.float32)).astype(np.float32)
    noise = rng.permutation(np.geomspace(*NOISE, size.t)).astype(np.float32)
    y += noise * rng.standard_normal(y.shape, dtype=np.float32) + 3
    np.save(folder / "x.npy", x[: size.n])
    np.save(folder / "x_test.npy", x[size.n :])
    np.save(folder / "y.npy", y[: size.n])
    np.save(folder / "y_test.npy", y[size.n :])
    for name, part in (("y_blocks", y[: size.n]), ("y_test_blocks", y[size.n :])):
        ids = [str(k) for k in range(len(part))]
        cut = LatentFile.create(folder / f"{name}.npy", ids, [(size.t,)])
        for columns in cut.columns():
            cut.write_columns(columns, part[:, columns])


def load(folder: Path, name: str) -> np.ndarray:
    """Return an array of the problem, read when it is used."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def hat(folder: Path, size: Size, made: np.ndarray, alpha: float = ALPHA) -> dict[str, float]:
    """Predict as neurodiffuse does: one hat matrix, targets streamed."""
    return _predict(ridge.factorise(ridge.gram(load(folder, "x")), alpha), folder, size, made)


def weights(folder: Path, size: Size, made: np.ndarray) -> None:
    """Predict as `hat` does and sum the absolute weights of each voxel."""
    factor = ridge.factorise(ridge.gram(load(folder, "x")), ALPHA)
    _predict(factor, folder, size, made)
    l1, targets = np.zeros(size.p), LatentFile.open(folder / "y_blocks.npy")

    def add(pair: tuple[slice, np.ndarray]) -> None:
        l1[:] += np.abs(pair[1]).sum(axis=1, dtype=np.float64)

    follow(ridge.weight_blocks(ridge.weight_map(factor), targets.blocks()), add)


def _predict(factor: ridge.Factor, folder: Path, size: Size, made: np.ndarray) -> dict[str, float]:
    rows = ridge.hat(factor, ridge.cross_gram(factor.gram, load(folder, "x_test")))
    return _stream(rows, folder, size, made)


def _stream(
    rows: np.ndarray | ridge.Hats, folder: Path, size: Size, made: np.ndarray
) -> dict[str, float]:
    targets = LatentFile.open(folder / "y_blocks.npy").blocks()
    truths = LatentFile.open(folder / "y_test_blocks.npy").blocks()
    r2 = np.empty(size.t)

    def finish(pair: Any) -> None:
        block, (columns, truth) = pair
        r2[columns] = r_squared(truth, block.values)
        made[:, columns] = rescaling.rescale_block(block.block(size.m), kind="test").values

    # as the step predict does
    follow(zip(ridge.predict_blocks(rows, targets), truths, strict=True), finish)
    return {"r2": float(r2.mean())}


def gcv(folder: Path, size: Size, made: np.ndarray) -> dict[str, float]:
    """Choose a penalty for each target by generalised cross-validation, and predict."""
    return _choose(folder, size, made, ALPHAS)


def gcv_many(folder: Path, size: Size, made: np.ndarray) -> dict[str, float]:
    """Choose among twice as many penalties."""
    return _choose(folder, size, made, np.geomspace(ALPHAS[0], ALPHAS[-1], 2 * len(ALPHAS)))


def loo(folder: Path, size: Size, made: np.ndarray) -> dict[str, float]:
    """Choose a penalty for each target by exact leave-one-out, and predict."""
    return _choose(folder, size, made, ALPHAS, "loo")


def _choose(
    folder: Path, size: Size, made: np.ndarray, alphas: np.ndarray, method: str = "gcv"
) -> dict[str, float]:
    targets, x = LatentFile.open(folder / "y_blocks.npy"), load(folder, "x")
    spectrum = ridge.decompose(ridge.gram(x), alphas.min())
    chosen = ridge.select_alphas(spectrum, alphas, targets.blocks(), method=method)
    used, choice = np.unique(chosen.alphas[chosen.choice], return_inverse=True)
    if not ridge.predicts(spectrum, used.min()):
        spectrum = ridge.decompose(spectrum.gram, used.min(), predict=True)
    cross = ridge.cross_gram(spectrum.gram, load(folder, "x_test"))
    hats = ridge.hats([spectrum.factor(alpha) for alpha in used], cross)
    return _stream(ridge.Hats(hats, choice), folder, size, made) | {"penalties": len(used)}


def himalaya_cv(folder: Path, size: Size, made: np.ndarray) -> dict[str, float]:
    """Choose a penalty for each target with himalaya, five folds, torch."""
    import torch
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV

    set_backend("torch")
    x, y = np.array(load(folder, "x")), np.array(load(folder, "y"))
    mean = y.mean(axis=0)
    y -= mean
    model = KernelRidgeCV(alphas=ALPHAS.astype(np.float32), cv=5, warn=False)
    model.fit(torch.as_tensor(x), torch.as_tensor(y))
    found = np.asarray(model.predict(torch.as_tensor(np.array(load(folder, "x_test")))))
    truth = load(folder, "y_test") - mean
    return {"r2": _finish(found, y.std(axis=0), mean, truth, made, slice(None))}


def himalaya_one(folder: Path, size: Size, made: np.ndarray) -> dict[str, float]:
    """Predict at one penalty with himalaya's kernel ridge, a few targets, extrapolated."""
    import torch
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidge

    set_backend("torch")
    x, x_test = (torch.as_tensor(np.array(load(folder, s))) for s in ("x", "x_test"))

    def some(columns: slice) -> None:
        y = np.array(load(folder, "y")[:, columns])
        mean = y.mean(axis=0)
        model = KernelRidge(alpha=ALPHA, warn=False).fit(x, torch.as_tensor(y - mean))
        found = np.asarray(model.predict(x_test))
        truth = load(folder, "y_test")[:, columns] - mean
        _finish(found, y.std(axis=0), mean, truth, made, columns)

    return _extrapolated(some, size, 64, 256)


def fracridge_one(folder: Path, size: Size, made: np.ndarray) -> dict[str, float]:
    """Predict at one fraction with the function of fracridge, a few targets, extrapolated."""
    from fracridge import fracridge

    x, x_test = np.array(load(folder, "x")), np.array(load(folder, "x_test"))

    def some(columns: slice) -> None:
        y = np.array(load(folder, "y")[:, columns])
        mean = y.mean(axis=0)
        coef = fracridge(x, y - mean, fracs=np.array([0.5]))[0].reshape(size.p, -1)
        truth = load(folder, "y_test")[:, columns] - mean
        _finish(x_test @ coef, y.std(axis=0), mean, truth, made, columns)

    return _extrapolated(some, size, 256, 4096)


def _finish(
    found: np.ndarray,
    sd: np.ndarray,
    mean: np.ndarray,
    truth: np.ndarray,
    made: np.ndarray,
    columns: slice,
) -> float:
    """Rescale predictions of centred targets by the test statistics, write, and return mean R²."""
    made[:, columns] = (found - found.mean(axis=0)) / found.std(axis=0) * sd + mean
    return float(r_squared(truth, found).mean())


def _extrapolated(
    some: Callable[[slice], None], size: Size, few: int, more: int
) -> dict[str, float]:
    """Return the cost of all targets: a fixed part and one for each, from two numbers of them.

    The few are measured before and after the many, so that a slow or fast spell of the machine
    falls on both.
    """
    few, more = min(few, size.t // 4), min(more, size.t // 2)
    costs: list[dict[str, float]] = []
    some(slice(0, 4))  # libraries start their threads
    for targets in (few, more, few):
        with cost() as found:
            some(slice(0, targets))
        costs.append(found)
    out: dict[str, float] = {"measured_few": few, "measured_targets": more}
    for key in ("seconds", "cpu"):
        least = (costs[0][key] + costs[2][key]) / 2
        each = (costs[1][key] - least) / (more - few)
        out |= {f"{key}_each": each, f"{key}_fixed": least - each * few}
        out[key] = least + each * (size.t - few)
    return out


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


METHODS: dict[str, tuple[str, Callable[..., Any]]] = {
    "neurodiffuse": (PREDICT, hat),
    "scikit-learn, token by token": (PREDICT, sklearn_loop),
    "scikit-learn at once": (PREDICT, sklearn_once),
    "himalaya KernelRidge": (PREDICT, himalaya_one),
    "fracridge, one fraction": (PREDICT, fracridge_one),
    "neurodiffuse, weights": (WEIGHTS, weights),
    "scikit-learn, token by token, L1": (WEIGHTS, sklearn_loop_l1),
    "scikit-learn at once, L1": (WEIGHTS, sklearn_once_l1),
    "neurodiffuse, GCV of 10": (CHOOSE, gcv),
    "neurodiffuse, GCV of 20": (CHOOSE, gcv_many),
    "neurodiffuse, exact LOO of 10": (CHOOSE, loo),
    "himalaya KernelRidgeCV of 10, 5 folds": (CHOOSE, himalaya_cv),
}


def flop(size: Size) -> dict[str, float]:
    """Return the floating-point operations that our methods need."""
    n, p, m, t = size.n, size.p, size.m, size.t
    solved = n * n * p + n**3 / 3 + 2 * m * n * p + 2 * m * n * n + 2 * m * n * t
    return {
        "neurodiffuse": solved,
        "neurodiffuse, weights": solved + 2 * n * n * p + 2 * n * p * t,
    }


def run_one(method: str, folder: Path, size: Size) -> dict[str, float]:
    """Run one method in this process and return what it cost."""
    made = np.lib.format.open_memmap(_made(folder, method), "w+", np.float32, (size.m, size.t))
    with cost() as found:
        extrapolated = METHODS[method][1](folder, size, made)
    rate = gemm_rate(size.m, size.n)
    return found | (extrapolated or {}) | {"gemm": rate["wall"], "gemm_cpu": rate["cpu"]}


def _made(folder: Path, method: str) -> Path:
    return folder / f"made-{list(METHODS).index(method)}.npy"


def worst_error(folder: Path, method: str, size: Size) -> float:
    """Return the largest difference to float64 scikit-learn over the targets' deviation."""
    from sklearn.linear_model import Ridge

    columns = slice(0, min(size.t, 2 * size.token))
    x, y = load(folder, "x").astype(float), load(folder, "y")[:, columns].astype(float)
    found = Ridge(alpha=ALPHA).fit(x, y).predict(load(folder, "x_test").astype(float))
    z = (found - found.mean(axis=0)) / found.std(axis=0)
    made = np.load(_made(folder, method))[:, columns]
    return float((np.abs(made - (z * y.std(axis=0) + y.mean(axis=0))) / y.std(axis=0)).max())


def compare(size: Size, rounds: int) -> dict[str, Any]:
    """Run every method in turn, ``rounds`` times, and return medians."""
    runs: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_problem(folder, size)
        for _ in range(rounds):
            for method in METHODS:
                runs[method].append(_in_own_process(method, name, size))
        table = {method: _row(folder, method, size, runs[method]) for method in METHODS}
    gemm = statistics.median(run["gemm"] for seen in runs.values() for run in seen)
    return {"table": table, "gemm": gemm, "runs": runs}


def _in_own_process(method: str, folder: str, size: Size) -> dict[str, float]:
    told = json.dumps([method, folder, asdict(size)])
    command = [sys.executable, __file__, "--one", told]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{method:40} {found['seconds']:8.2f} s {found['peak_mib']:7.0f} MiB", flush=True)
    return found


def _row(folder: Path, method: str, size: Size, seen: list[dict[str, float]]) -> dict[str, Any]:
    group = METHODS[method][0]
    row: dict[str, Any] = {"group": group}
    for key in ("seconds", "cpu", "peak_mib"):
        row[key] = statistics.median(run[key] for run in seen)
    if "measured_targets" in seen[0]:
        parts = [k for k in seen[0] if k.startswith("measured") or k.endswith(("_each", "_fixed"))]
        return row | {key: statistics.median(run[key] for run in seen) for key in parts}
    if group == CHOOSE:
        return row | {k: seen[0][k] for k in ("r2", "penalties") if k in seen[0]}
    row["error"] = worst_error(folder, method, size)
    if method in flop(size):
        for name, spent, rate in (("of_gemm", "seconds", "gemm"), ("of_cpu", "cpu", "gemm_cpu")):
            shares = [flop(size)[method] / run[spent] / run[rate] for run in seen]
            row[name] = statistics.median(shares)
    return row


def shown(result: dict[str, Any]) -> str:
    """Return the table as text; ratios are within each group, to our method."""
    lines = [f"{'method':40} {'s':>8} {'CPU s':>8} {'ratio':>7} {'MiB':>7}"]
    own: dict[str, float] = {}
    for method, row in result["table"].items():
        first = own.setdefault(row["group"], row["seconds"])
        more = [f"{k} {row[k]:.2g}" for k in ("error", "of_gemm", "of_cpu") if k in row]
        more += [f"R² {row['r2']:.5f}"] if "r2" in row else []
        if "cpu_each" in row:
            more.append(
                f"extrapolated: {row['cpu_fixed']:.2f} CPU s + {1e3 * row['cpu_each']:.2f} ms a "
                f"target, of {row['measured_few']:.0f} and {row['measured_targets']:.0f} targets"
            )
        lines.append(
            f"{method:40} {row['seconds']:8.3f} {row['cpu']:8.3f} "
            f"{row['seconds'] / first:7.2f} {row['peak_mib']:7.0f} {' '.join(more)}"
        )
    return "\n".join(lines)


def main() -> None:
    """Read the arguments, measure, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/ridge-SIZE.json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        method, folder, size = json.loads(given.one)
        print(json.dumps(run_one(method, Path(folder), Size(**size))))
        return
    size, start = SIZES[given.size], time.time()
    about = machine()
    result = {
        "size": asdict(size) | {"t": size.t},
        "alpha": ALPHA,
        "rounds": given.rounds,
        "machine": about,
        **compare(size, given.rounds),
    }
    result["load_after"] = machine()["load"]
    print(f"n {size.n}, voxels {size.p}, test {size.m}, targets {size.t}, alpha {ALPHA:g}")
    print(f"{about['cores']} cores, load {about['load']:.1f}, {result['gemm'] / 1e9:.0f} GFLOP/s")
    print(shown(result), f"\n{time.time() - start:.0f} s in all")
    out = given.out or Path(__file__).with_name("results") / f"ridge-{given.size}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
