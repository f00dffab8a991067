"""Fit and predict a subject of the Natural Scenes Dataset's size: ``benchmarks/ridge_full.py``.

The steps ``fit`` and ``predict`` themselves run, on a run folder whose betas and latents this
script makes up and writes through the store (12.4 GB of training latents at full size, removed
afterwards). Everything is dropped from the page cache first, so that reads are cold. In turns, a
process of its own runs each of: rescaling by the test images (as published), rescaling by left-out
training images (the default); the summary has medians over ``--rounds``. One CLIP token fitted as
the published code does gives its cost per token.

With ``--choose gcv`` or ``loo`` a penalty is chosen for each target (``--per``), and only rescaling
by the test images is run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import cost, forget, gemm_rate, machine

from neurodiffuse import budget
from neurodiffuse.config import Config, FeatureConfig, PredictConfig
from neurodiffuse.files import write_json
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.predict import predict
from neurodiffuse.store import LatentFile, load_betas, save_betas
from neurodiffuse.types import Betas

CALIBRATION = 1000
SETTLE = 20
"""Seconds in which a disk writes what was made: the first run after it was a third slower."""
RANK = 60


@dataclass(frozen=True)
class Size:
    """Training images, voxels, test images, and (shape, alpha) of each feature."""

    n: int
    p: int
    m: int
    features: dict[str, tuple[tuple[int, ...], float]]

    @property
    def t(self) -> int:
        """Number of targets."""
        return sum(int(np.prod(shape)) for shape, _ in self.features.values())


SIZES = {
    "nsd": Size(
        8859,
        15724,
        982,
        {"vdvae": ((91168,), 5e4), "text": ((77, 768), 1e5), "vision": ((257, 768), 6e4)},
    ),
    "small": Size(
        1200,
        2000,
        200,
        {"vdvae": ((4000,), 5e3), "text": ((7, 768), 1e4), "vision": ((9, 768), 6e3)},
    ),
}


def make(folder: Path, size: Size) -> None:
    """Write betas and latents of a made-up subject: a low-rank response and noise."""
    rng = np.random.default_rng(0)
    rows = size.n + size.m
    seen = rng.standard_normal((rows, RANK), dtype=np.float32)
    x = seen @ (rng.standard_normal((RANK, size.p)) / np.arange(1, RANK + 1)[:, None] ** 0.7)
    x = (x + 2 * rng.standard_normal((rows, size.p), dtype=np.float32)).astype(np.float32)
    x -= x[: size.n].mean(axis=0)
    x /= x[: size.n].std(axis=0)
    ids = tuple(f"image{k:05d}" for k in range(rows))
    train, test = ids[: size.n], ids[size.n :]
    mask = folder / "steps" / "sub-01" / "mask"
    mask.mkdir(parents=True)
    save_betas(mask, "train", Betas(train, x[: size.n]))
    save_betas(mask, "test", Betas(test, x[size.n :]))
    np.savez(mask / "voxels.npz", voxels=np.ones(size.p, bool))
    noise = 4 * rng.standard_normal((rows, 2048 + 512), dtype=np.float32)
    places = {}
    for feature, (shape, _) in size.features.items():
        place = folder / "latents" / f"{feature}-madeup"
        place.mkdir(parents=True)
        files = [
            LatentFile.create(place / f"{s}.npy", part, [shape])
            for s, part in (("train", train), ("test", test))
        ]
        for k, columns in enumerate(files[0].columns()):
            width = columns.stop - columns.start
            y = seen @ rng.standard_normal((RANK, width), dtype=np.float32)
            y += np.roll(noise, 97 * k, axis=0)[:, k % 512 : k % 512 + width] + 3
            files[0].write_columns(columns, y[: size.n])
            files[1].write_columns(columns, y[size.n :])
        places[feature] = place.name
    encode = folder / "steps" / "sub-01" / "encode"
    encode.mkdir(parents=True)
    write_json(encode / "features.json", places)


def open_run(folder: Path, size: Size, rescale: str, choose: str = "", per: str = "target") -> Run:
    """Return the run, whose recipe has the published penalties, or has them chosen."""
    features = {
        f: FeatureConfig("madeup", choose, alpha_per=per)  # type: ignore[arg-type]
        if choose
        else FeatureConfig("madeup", alpha)
        for f, (_, alpha) in size.features.items()
    }
    config = Config(
        recipe="benchmark",
        name="benchmark",
        dataset="madeup",
        subjects=("01",),
        dataset_options={},
        features=features,
        stages={},
        metrics={},
        predict=PredictConfig(rescale=rescale, calibration=CALIBRATION),  # type: ignore[arg-type]
    )
    return Run(folder, config, Registry([]), None, quiet=True)  # type: ignore[arg-type]


def run_steps(
    folder: Path, size: Size, rescale: str, choose: str = "", per: str = "target"
) -> dict[str, Any]:
    """Run both steps in this process and return what each cost, and the machine's ceiling."""
    run, found = open_run(folder, size, rescale, choose, per), {}
    before = gemm_rate(size.m, size.n, seconds=2.0)
    for step in (fit, predict):
        with cost() as found[step.__name__]:
            step(run, "01")
    rates = [before, gemm_rate(size.m, size.n, seconds=2.0)]
    gemm = {f"gemm{k}": [r[w] for r in rates] for k, w in (("", "wall"), ("_cpu", "cpu"))}
    return found | gemm | {"load": os.getloadavg()[0]}


def reference_token(folder: Path, size: Size) -> dict[str, float]:
    """Fit and predict one token as the published code does, all from memory."""
    from sklearn.linear_model import Ridge

    mask = folder / "steps" / "sub-01" / "mask"
    x, x_test = (np.array(load_betas(mask, s).values) for s in ("train", "test"))
    place = folder / "latents" / "text-madeup"
    y, y_test = (
        next(LatentFile.open(place / f"{s}.npy").blocks())[1][:, :768] for s in ("train", "test")
    )
    with cost() as found:
        model = Ridge(alpha=1e5, max_iter=50000, fit_intercept=True).fit(x, y)
        made = model.predict(x_test)
        made = (made - made.mean(axis=0)) / made.std(axis=0) * y.std(axis=0) + y.mean(axis=0)
        model.score(x_test, y_test)
    return found


def flop(size: Size, rescale: str) -> float:
    """Return the operations of both steps' matrix products and factors.

    Gram matrix (half of a product), a factor for each alpha, the new betas' inner products, the
    rows of the hat matrices, their product with the targets, and the table of correlations
    behind the identification score.
    """
    n, p, m, t = size.n, size.p, size.m, size.t
    factors, extra = len(size.features), min(CALIBRATION, n) if rescale == "train" else 0
    rows = m + extra
    return (
        n * n * p
        + factors * n**3 / 3
        + 2 * m * n * p
        + factors * 2 * rows * n * n
        + 2 * rows * n * t
        + 2 * m * m * t
    )


def chosen(size: Size, runs: dict[str, Any], choose: str, per: str, folder: Path) -> dict[str, Any]:
    """Return the cost of choosing, beside what the operations and the plan's memory say.

    Gram matrix, eigenvectors (counted 9 n³), U'Y for every target (32 combinations of a feature's
    or token's), for ``loo`` as much again for each penalty; products of n² for each row of a hat
    matrix, as many matrices as penalties were chosen and one more; and the prediction itself.
    """
    n, p, m, t = size.n, size.p, size.m, size.t
    fitted = folder / "steps" / "sub-01" / "fit"
    kinds = {f: len(np.unique(np.load(fitted / f"{f}_alpha.npy"))) for f in size.features}
    columns = {"target": t, "token": 32 * t // 768, "feature": 32 * len(size.features)}[per]
    work = n * n * p + 9 * n**3 + 2 * n * n * columns * (26 if choose == "loo" else 1)
    if per != "target":
        work += 64 * n * t
    # inner products along the eigenvectors once for a feature, and back for each penalty
    work += 2 * m * n * p + 2 * m * n * n * (len(kinds) + sum(kinds.values()))
    work += 2 * m * n * t + 2 * m * m * t
    counts = budget.Counts(
        n=n,
        m=m,
        p=p,
        trials=0,
        image=0,
        targets={f: int(np.prod(shape)) for f, (shape, _) in size.features.items()},
        alphas=dict.fromkeys(size.features, 1 if per == "feature" else 25),
        chosen=True,
        bands=False,
        repeated=False,
        calibration=0,
        value=4,
    )
    planned = budget.peaks(counts)
    steps = ("fit", "predict")
    return {
        "choose": choose,
        "per": per,
        "penalties": kinds,
        "seconds": {step: runs[step]["seconds"] for step in steps},
        "cpu": {step: runs[step]["cpu"] for step in steps},
        "gflop": work / 1e9,
        "of_gemm": work / sum(runs[s]["seconds"] for s in steps) / float(np.mean(runs["gemm"])),
        "peak_mib": {step: runs[step]["peak_mib"] for step in steps},
        "planned_mib": {step: planned[step] / 2**20 for step in steps},
        "read_ratio": sum(runs[s]["read_bytes"] for s in steps) / (4 * (2 * n + m) * t),
        "load": runs["load"],
    }


def bound_mib(size: Size) -> float:
    """Return the promised peak: 4 bytes (np + mp + n² + mn) and 0.35 GB."""
    n, p, m = size.n, size.p, size.m
    return (4 * (n * p + m * p + n * n + m * n) + 0.35e9) / 2**20


def summary(size: Size, results: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers that the promises are about, medians over the rounds."""
    out: dict[str, Any] = {"bound_mib": bound_mib(size), "target_bytes": 4 * size.n * size.t}
    for rescale in ("test", "train"):
        rows = [_round(size, rescale, runs) for runs in results[rescale]]
        out[rescale] = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        out[rescale]["rounds"] = rows
    token = results["token"]["seconds"]
    out["reference_seconds"] = token * size.t / 768
    return out


def _round(size: Size, rescale: str, runs: dict[str, Any]) -> dict[str, float]:
    seconds = runs["fit"]["seconds"] + runs["predict"]["seconds"]
    cpu = runs["fit"]["cpu"] + runs["predict"]["cpu"]
    rate = flop(size, rescale) / seconds
    # the faster of two: a ceiling, which other work can only lower
    ceiling, ceiling_cpu = float(np.max(runs["gemm"])), float(np.max(runs["gemm_cpu"]))
    return {
        "seconds": seconds,
        "cpu": cpu,
        "of_gemm_cpu": flop(size, rescale) / cpu / ceiling_cpu,
        "of_gemm": rate / ceiling,
        "gflops": rate / 1e9,
        "gemm_gflops": ceiling / 1e9,
        "peak_mib": runs["predict"]["peak_mib"],
        "read_ratio": runs["predict"]["read_bytes"] / (4 * (size.n + size.m) * size.t),
        "load": runs["load"],
    }


def main() -> None:
    """Make the data, run every part in its own process, remove the data and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="nsd")
    parser.add_argument("--folder", type=Path, help="where 20 GB are free; default: temporary")
    parser.add_argument(
        "--choose", choices=("gcv", "loo"), default="", help="have penalties chosen"
    )
    parser.add_argument("--per", choices=("feature", "token", "target"), default="target")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    size = SIZES[given.size]
    if given.one:
        folder = given.folder
        part = reference_token(folder, size) if given.one == "token" else None
        print(json.dumps(part or run_steps(folder, size, given.one, given.choose, given.per)))
        return
    results: dict[str, Any] = {}
    parts = ["test", "train"] * given.rounds + ["token"]
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        start = time.perf_counter()
        make(Path(name), size)
        print(f"made in {time.perf_counter() - start:.0f} s", flush=True)
        os.sync()
        time.sleep(SETTLE)
        for part in ["test"] if given.choose else parts:
            shutil.rmtree(Path(name) / "steps" / "sub-01" / "fit", ignore_errors=True)
            forget(Path(name))
            command = [sys.executable, __file__, "--size", given.size, "--folder", name]
            if given.choose:
                command += ["--choose", given.choose, "--per", given.per]
            done = subprocess.run(
                [*command, "--one", part], check=True, stdout=subprocess.PIPE, text=True
            )
            found = json.loads(done.stdout)
            if part == "token" or given.choose:
                results[part] = found
            else:
                results.setdefault(part, []).append(found)
            print(part, json.dumps(found), flush=True)
        if given.choose:
            said = chosen(size, results["test"], given.choose, given.per, Path(name))
    told = {"size": asdict(size) | {"t": size.t}, "rounds": given.rounds, "machine": machine()}
    told |= {"results": results, "summary": said if given.choose else summary(size, results)}
    kind = f"-{given.choose}-{given.per}" if given.choose else ""
    out = Path(__file__).with_name("results") / f"ridge-full-{given.size}{kind}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told["summary"], indent=1))


if __name__ == "__main__":
    main()
