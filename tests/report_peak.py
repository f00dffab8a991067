"""The peak of the report of a toy run, in a process of its own: bytes on standard output."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import toy
from measure import peak_kib

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse.steps.report import report


def main(folder: str, *settings: str) -> None:
    registry = Registry([("builtin", builtin), ("toy", toy)])
    config = resolve(registry, dataset="toy", subjects=("01",), recipe="toy", settings=settings)
    config, dataset = pipeline.open_subjects(config, registry)
    run = Run(Path(folder), config, registry, dataset, quiet=True)
    with opened(run):
        report(run)
    print(1024 * peak_kib())


if __name__ == "__main__":
    main(*sys.argv[1:])
