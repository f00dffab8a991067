"""Predict millions of targets whose training latents are never stored: ``benchmarks/unstored.py``.

A made-up subject is decoded up to the predictions. The peak of each step (``VmHWM``, Linux) is held
against what is said of it, and the time of the step predict, less the encoder's, against that of
the products alone at the machine's best rate.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import memory
from measure import gemm_rate, machine, peak_kib

from neurodiffuse import budget
from neurodiffuse.machine import Machine
from neurodiffuse.run import opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.steps.predict import predict
from neurodiffuse.types import Latents, Stimuli


def measured(targets: int, images: int, test: int, left_out: int) -> dict[str, float]:
    """Return peaks in MiB, what is said of that of the step predict, and seconds."""
    size = {"n": images, "m": test, "p": 2000, "t": targets, "side": 32}
    settings = ["features.noise.store=false", f"predict.calibration={left_out}"]
    if not left_out:
        settings = ["features.noise.store=false", "predict.rescale=none"]
    spent, found = [0.0], {}
    plain = memory.Noise.encode

    def timed(self: memory.Noise, stimuli: Stimuli) -> Latents:
        start = time.perf_counter()
        made = plain(self, stimuli)
        spent[0] += time.perf_counter() - start
        return made

    memory.Noise.encode = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run = memory.open_run(Path(folder), size, settings)
        run = replace(run, machine=Machine(memory=6 * 2**30))
        found["said"] = budget.peaks(budget.counts_of(run, "01", 2000))["predict"] / 2**20
        with opened(run):
            for step in (mask, encode, fit, predict):
                Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back
                spent[0], start = 0.0, time.perf_counter()
                step(run, "01")
                found[step.__name__] = peak_kib() / 1024
                seconds = time.perf_counter() - start
        on_disk = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    rows = test + left_out
    rate = gemm_rate(rows, 64, 65536)["wall"]
    return found | {
        "seconds": seconds,
        "encoding": spent[0],
        "share_of_rate": 2 * rows * images * targets / rate / (seconds - spent[0]),
        "disk_mib": on_disk / 2**20,
    }


def main() -> None:
    """Measure in a process of its own and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=14_900_000)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--test", type=int, default=50)
    parser.add_argument("--left-out", type=int, default=10)
    place = Path(__file__).parent / "results/unstored.json"
    parser.add_argument("--out", type=Path, default=place)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    counts = [given.targets, given.images, given.test, given.left_out]
    if given.one:
        print(json.dumps(measured(*counts)))
        return
    words = ["--targets", "--images", "--test", "--left-out"]
    pairs = [text for pair in zip(words, map(str, counts), strict=True) for text in pair]
    command = [sys.executable, __file__, "--one", *pairs]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = dict(zip(("targets", "images", "test", "left_out"), counts, strict=True))
    found |= {name: round(value, 3) for name, value in json.loads(done.stdout).items()}
    given.out.write_text(json.dumps(found | {"machine": machine()}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
