"""How the cost of fit and predict grows: ``python benchmarks/ridge_growth.py``.

Targets, voxels and images are each doubled three times from a common problem, which is fitted and
predicted at one penalty, a process each. The penalty is proportional to the images, as inner
products are: one that stays behind comes to need float64. Beside seconds and peak memory stands
what the count of floating-point operations and the sizes of the arrays predict; the slope is that
of the logarithm against the logarithm over the doublings, measured and predicted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from measure import cost, machine
from ridge import ALPHA, Size, flop, hat, make_problem

BASE = {
    "small": Size(500, 700, 200, 4, 256),
    "mid": Size(3000, 5000, 982, 16, 512),
}


def sizes(base: Size) -> dict[str, list[Size]]:
    """Return the problems along each axis, each twice as large as the one before."""
    steps = [2**k for k in range(4)]
    return {
        "targets": [replace(base, tokens=base.tokens * s) for s in steps],
        "voxels": [replace(base, p=base.p * s) for s in steps],
        "images": [replace(base, n=base.n * s) for s in steps],
    }


def array_mib(size: Size) -> float:
    """Return the memory of the arrays that fit and predict must hold, without the program."""
    n, p, m = size.n, size.p, size.m
    square = min(n, p) ** 2
    return 4 * (n * p + m * p + 2 * square + 2 * m * n + 3 * n * min(2048, size.t)) / 2**20


def operations(size: Size) -> float:
    """Return the floating-point operations, in the cheaper of the two forms."""
    n, p, m, t = size.n, size.p, size.m, size.t
    if n <= p:
        return flop(size)["neurodiffuse"]
    return n * p * p + p**3 / 3 + 2 * m * p * p + 2 * m * n * p + 2 * m * n * t


def measure(size: Size, rounds: int) -> dict[str, float]:
    """Return medians over rounds, each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        make_problem(Path(name), size)
        seen = []
        for _ in range(rounds):
            command = [sys.executable, __file__, "--one", json.dumps([name, asdict(size)])]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            seen.append(json.loads(done.stdout))
    found = {k: statistics.median(run[k] for run in seen) for k in ("seconds", "cpu", "peak_mib")}
    return found | {"operations": operations(size), "array_mib": array_mib(size)}


def slope(rows: list[dict[str, float]], what: str, against: list[int]) -> float:
    """Return the slope of the logarithm over the last doubling: what growth tends to."""
    return float(np.log2(rows[-1][what] / rows[-2][what]) / np.log2(against[-1] / against[-2]))


def main() -> None:
    """Measure along each axis, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=BASE, default="mid")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        folder, size = json.loads(given.one)
        made = np.empty((size["m"], 2048), np.float32)
        with cost() as found:
            alpha = ALPHA * size["n"] / BASE["mid"].n
            hat(Path(folder), Size(**size), Ring(made), alpha)  # type: ignore[arg-type]
        print(json.dumps(found))
        return
    result: dict[str, Any] = {"alpha": ALPHA, "rounds": given.rounds, "machine": machine()}
    result["axes"] = {}
    for axis, problems in sizes(BASE[given.size]).items():
        along = [{"targets": s.t, "voxels": s.p, "images": s.n}[axis] for s in problems]
        rows = [measure(size, given.rounds) for size in problems]
        slopes = {k: slope(rows, k, along) for k in ("seconds", "cpu", "operations")}
        result["axes"][axis] = {"along": along, "rows": rows, "slopes": slopes}
        for at, row in zip(along, rows, strict=True):
            print(
                f"{axis:8} {at:7d} {row['seconds']:8.2f} s {row['cpu']:8.2f} CPU s "
                f"{row['operations'] / 1e9:8.0f} GFLOP {row['peak_mib']:6.0f} MiB "
                f"(arrays {row['array_mib']:.0f})",
                flush=True,
            )
        print(axis, "slopes of the last doubling", {k: round(v, 2) for k, v in slopes.items()})
    result["load_after"] = machine()["load"]
    out = Path(__file__).with_name("results") / f"ridge-growth-{given.size}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


class Ring:
    """Takes predictions block by block and keeps one: what is done with them is not our cost."""

    def __init__(self, block: np.ndarray) -> None:
        self.block = block

    def __setitem__(self, where: tuple[slice, slice], values: np.ndarray) -> None:
        self.block[:, : values.shape[1]] = values


if __name__ == "__main__":
    main()
