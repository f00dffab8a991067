"""Scoring n pairs of pictures with all networks, against the networks' forward passes alone.

    python benchmarks/metrics.py --images 982

Weights are random and of the published sizes; each metric runs in a process of its own, so that
its peak memory is its own. Per metric: seconds of ``compare`` with nothing kept, seconds again
with the features of what was seen kept, seconds of the forward passes alone on tensors that are
there already (the floor), and the peak of resident memory. Seconds are of the processor on a
CPU (all threads) and of the wall clock on a GPU. "Clip" has the size of ViT-L/14.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

METRICS = ("AlexNet2", "AlexNet5", "Inception", "Clip", "EffNetB1", "Swav")


def main() -> None:
    """Run every metric and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=982)
    parser.add_argument("--metric", action="append", choices=METRICS, help="default: all")
    parser.add_argument("--dialect", default="brain-diffuser")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.one, asked.images, asked.dialect, asked.device)))
        return
    print(f"{asked.images} pairs of 425 and 512 pixels, dialect {asked.dialect}")
    print(
        f"{'metric':<10} {'first':>8} {'again':>8} {'floor':>8} {'first/floor':>11} {'peak GB':>8}"
    )
    total = {"first": 0.0, "again": 0.0, "floor": 0.0}
    for name in asked.metric or METRICS:
        with tempfile.TemporaryDirectory() as folder:
            found = in_a_process(name, asked, folder)
        print(line(name, found), flush=True)
        total = {key: total[key] + found[key] for key in total}
    print(line("sum", total | {"peak": float("nan")}))


def in_a_process(name: str, asked: argparse.Namespace, folder: str) -> dict[str, float]:
    """Return what `measured` finds in a fresh process."""
    words = [sys.executable, __file__, "--one", name, "--images", str(asked.images)]
    words += ["--dialect", asked.dialect, "--device", asked.device]
    own = {"NEURODIFFUSE_FEATURES": folder, "NEURODIFFUSE_MODELS": folder}
    told = subprocess.run(
        words, env=os.environ | own, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return dict(json.loads(told.splitlines()[-1]))


def line(name: str, found: dict[str, float]) -> str:
    """Return a line of the table."""
    times = " ".join(f"{found[key]:8.1f}" for key in ("first", "again", "floor"))
    return f"{name:<10} {times} {found['first'] / found['floor']:11.2f} {found['peak']:8.2f}"


def measured(name: str, n: int, dialect: str, device: str) -> dict[str, float]:
    """Return seconds and gigabytes of one metric."""
    import numpy as np

    from neurodiffuse.types import Images
    from neurodiffuse_metrics import metrics

    path = Path(os.environ["NEURODIFFUSE_FEATURES"]) / "weights.pth"
    metric = getattr(metrics, name)(dialect=dialect, device=device, weights=str(path))
    write_weights(metric, path)
    clock = clock_of(device)
    rng, ids = np.random.default_rng(0), tuple(str(k) for k in range(n))
    seen = Images(ids, rng.integers(0, 256, (n, 425, 425, 3), dtype=np.uint8))
    made = Images(ids, rng.integers(0, 256, (n, 512, 512, 3), dtype=np.uint8))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = clock()
    metric.compare(seen, made)
    first = clock() - began
    began = clock()
    again = getattr(metrics, name)(dialect=dialect, device=device, weights=str(path))
    again.compare(seen, made)
    second = clock() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{name}: {before / 1e6:.2f} GB before, {peak / 1e6:.2f} GB at most", file=sys.stderr)
    return {"first": first, "again": second, "floor": floor(metric, 2 * n), "peak": peak / 1e6}


def clock_of(device: str) -> Callable[[], float]:
    """Return what tells seconds: the processor's own on a CPU, so that others do not count."""
    from neurodiffuse_torch import device_of

    return time.process_time if device_of(device).type == "cpu" else time.perf_counter


def floor(metric: Any, n: int) -> float:
    """Return the seconds that the network needs for n pictures that are tensors already."""
    import torch

    from neurodiffuse_metrics.metrics import BATCH

    network, device, _ = metric._ready()
    clock = clock_of(device.type)
    x = torch.rand(min(BATCH, n), 3, metric.view.side, metric.view.side, device=device)
    began = clock()
    with torch.inference_mode():
        for start in range(0, n, BATCH):
            network(x[: min(BATCH, n - start)]).cpu()
    return clock() - began


def write_weights(metric: Any, path: Path) -> None:
    """Write random weights of the published size."""
    import torch
    from torch import nn

    from neurodiffuse_metrics.networks.clip import ClipVision

    if type(metric).__name__ == "Clip":
        network: nn.Module = ClipVision(1024, 24, 4096, 14, 257, 768)
    else:
        network = metric.network()[0]({}, path)
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            nn.init.normal_(tensor, std=(2.0 / tensor[0].numel()) ** 0.5)
        else:
            nn.init.constant_(tensor, float(name.endswith(("weight", "running_var"))))
    torch.save(network.state_dict(), path)


if __name__ == "__main__":
    main()
