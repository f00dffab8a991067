"""What spreading tasks costs: ``benchmarks/executor.py``.

Tasks that do nothing, on two processes and on a local Dask cluster of two workers; then blocks of
ridge predictions, on two BLAS threads of one process and on two workers of one thread each. The
two ways take turns, medians of several rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine

from neurodiffuse.decoders import ridge
from neurodiffuse.executor import Executor, InProcess, Processes
from neurodiffuse.executor.cluster import Dask

ROWS, WIDTH = 3000, 2048


class Nothing:
    """A task that does nothing."""

    def __call__(self, task: tuple[int]) -> int:
        """Return its number."""
        return task[0]


class Block:
    """A block of predictions from targets that are drawn once in each process."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.targets: np.ndarray | None = None

    def __call__(self, task: tuple[int]) -> float:
        """Return one number of the block."""
        if self.targets is None:
            rng = np.random.default_rng(0)
            self.targets = rng.standard_normal((ROWS, WIDTH), dtype=np.float32)
        made = next(ridge.predict_blocks(self.rows, [(slice(0, WIDTH), self.targets)]))
        return float(made.deviation[0, 0])


def seconds(executor: Executor, work: Any, tasks: int) -> float:
    """Return how long tasks take, the second time, when processes and work are there."""
    numbers = [(k,) for k in range(tasks)]
    dict(executor.run(work, numbers[:2], quiet=True))
    start = time.perf_counter()
    dict(executor.run(work, numbers, quiet=True))
    return time.perf_counter() - start


def measured(rounds: int) -> dict[str, Any]:
    """Return milliseconds of overhead a task, and seconds of the predictions."""
    from distributed import LocalCluster
    from threadpoolctl import threadpool_limits

    rows = np.random.default_rng(1).standard_normal((982, ROWS), dtype=np.float32)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Dask(cluster.scheduler_address) as dask,
        Processes(2) as processes,
    ):
        ways: dict[str, Executor] = {"local:2": processes, "dask": dask}
        overhead: dict[str, list[float]] = {name: [] for name in ways}
        blocks: dict[str, list[float]] = {"2 BLAS threads": [], **{name: [] for name in ways}}
        for _ in range(rounds):
            for name, executor in ways.items():
                overhead[name].append(1000 * seconds(executor, Nothing(), 300) / 300)
            with threadpool_limits(2):
                blocks["2 BLAS threads"].append(seconds(InProcess(), Block(rows), 12))
            for name, executor in ways.items():
                blocks[name].append(seconds(executor, Block(rows), 12))
    return {
        "milliseconds_a_task": {k: statistics.median(v) for k, v in overhead.items()},
        "seconds_of_12_blocks": {k: statistics.median(v) for k, v in blocks.items()},
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/executor.json")
    given = parser.parse_args()
    told = {"machine": machine(), "rounds": given.rounds, "results": measured(given.rounds)}
    given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told["results"], indent=1))


if __name__ == "__main__":
    main()
