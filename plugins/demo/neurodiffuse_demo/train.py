"""Train the demo's networks: ``python -m neurodiffuse_demo.train --folder work``.

Two one-thread processes use two cores better than one two-thread process::

    python -m neurodiffuse_demo.train --folder work --part vae &
    python -m neurodiffuse_demo.train --folder work --part clip --part evaluator; wait
    python -m neurodiffuse_demo.train --folder work --part denoiser --part export

The scenes are drawn first and kept in the folder. A part that was stopped goes on from its last
checkpoint; ``export`` writes the half-precision weights and their checksums into the package.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

PARTS = ("vae", "evaluator", "clip", "denoiser", "export")
STEPS = {"vae": 2100, "evaluator": 500, "clip": 1500, "denoiser": 7500}


def main(arguments: list[str] | None = None) -> None:
    """Train the parts that are asked for, in order."""
    parser = argparse.ArgumentParser(prog="python -m neurodiffuse_demo.train")
    parser.add_argument("--folder", type=Path, required=True, help="scenes, checkpoints, logs")
    parser.add_argument("--part", action="append", choices=PARTS, help="default: all, in order")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--short", type=int, default=0, help="steps of each part, for a smoke test")
    options = parser.parse_args(arguments)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    for part in options.part or PARTS:
        run(part, options.folder, short=options.short)


def run(part: str, folder: Path, *, short: int = 0) -> None:
    """Train one part, or export what has been trained."""
    from neurodiffuse_demo.training import courses

    if part == "export":
        courses.export(folder)
    else:
        courses.run(part, folder, steps=short or STEPS[part], small=bool(short))


if __name__ == "__main__":
    main()
