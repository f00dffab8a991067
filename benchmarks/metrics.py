"""Scoring n pairs of pictures with all eight metrics, against the networks' forward passes alone.

    python benchmarks/metrics.py --images 982

Weights are random and of the published sizes; each metric runs in a process of its own, so that
its peak memory is its own. Per metric: seconds of ``compare`` with nothing kept; of these, the
seconds inside the network; seconds again with the features of what was seen kept (not with
``--once``); seconds of the forward passes alone on tensors that are there already (the floor,
timed on ``--floor`` pictures before and after and scaled to all); and the peak of resident
memory. PixCorr and SSIM have no network and no floor. Seconds are of the processor on a CPU (all
threads) and of the wall clock on a GPU. "Clip" has the size of ViT-L/14. The numbers are added to
``results/metrics-IMAGES.json`` metric by metric.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import machine, peak_kib

NETWORKS = ("AlexNet2", "AlexNet5", "Inception", "Clip", "EffNetB1", "Swav")
METRICS = ("PixCorr", "Ssim", *NETWORKS)
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run every metric and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=982)
    parser.add_argument("--metric", action="append", choices=METRICS, help="default: all")
    parser.add_argument("--dialect", default="brain-diffuser")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--floor", type=int, default=256, help="pictures that time the floor")
    parser.add_argument("--once", action="store_true", help="leave the second time out")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked)))
        return
    print(f"{asked.images} pairs of 425 and 512 pixels, dialect {asked.dialect}")
    columns = ("first", "network", "again", "floor", "first/floor", "peak GB")
    print(f"{'metric':<10}" + "".join(f"{name:>12}" for name in columns))
    for name in asked.metric or METRICS:
        with tempfile.TemporaryDirectory() as folder:
            found = in_a_process(name, asked, folder)
        keep(asked, name, found)
        print(line(name, found), flush=True)


def in_a_process(name: str, asked: argparse.Namespace, folder: str) -> dict[str, float]:
    """Return what `measured` finds in a fresh process."""
    words = [sys.executable, __file__, "--one", name, "--images", str(asked.images)]
    words += ["--dialect", asked.dialect, "--device", asked.device, "--floor", str(asked.floor)]
    words += ["--once"] if asked.once else []
    own = {"NEURODIFFUSE_FEATURES": folder, "NEURODIFFUSE_MODELS": folder}
    told = subprocess.run(
        words, env=os.environ | own, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return dict(json.loads(told.splitlines()[-1]))


def keep(asked: argparse.Namespace, name: str, found: dict[str, float]) -> None:
    """Add what was found to the results of this number of images."""
    path = RESULTS / f"metrics-{asked.images}.json"
    all_found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"metrics": {}}
    all_found |= {"images": asked.images, "dialect": asked.dialect, "machine": machine()}
    all_found["metrics"][name] = found
    path.write_text(json.dumps(all_found, indent=1) + "\n", encoding="utf-8")


def line(name: str, found: dict[str, float]) -> str:
    """Return a line of the table."""
    keys = ("first", "network", "again", "floor")
    times = "".join(f"{found[key]:12.1f}" if key in found else f"{'-':>12}" for key in keys)
    ratio = f"{found['first'] / found['floor']:12.2f}" if "floor" in found else f"{'-':>12}"
    return f"{name:<10}{times}{ratio}{found['peak']:12.2f}"


def measured(asked: argparse.Namespace) -> dict[str, float]:
    """Return seconds and gigabytes of one metric."""
    import numpy as np

    from neurodiffuse.types import Images

    n, rng = asked.images, np.random.default_rng(0)
    ids = tuple(str(k) for k in range(n))
    network = asked.one in NETWORKS
    clock = clock_of(asked.device) if network else time.process_time
    metric = network_metric(asked) if network else pixel_metric(asked)
    found: dict[str, float] = {}
    if network:
        before = floor(metric, asked.floor)
        found["network"] = 0.0
        timed(metric, clock, found)
    seen = Images(ids, rng.integers(0, 256, (n, 425, 425, 3), dtype=np.uint8))
    made = Images(ids, rng.integers(0, 256, (n, 512, 512, 3), dtype=np.uint8))
    began = clock()
    metric.compare(seen, made)
    found["first"] = clock() - began
    found["peak"] = peak_kib() * 1024 / 1e9
    if network:
        metric._loaded = None
        after = floor(metric, asked.floor)
        found["floor"] = (before + after) / 2 * 2 * n / asked.floor
        if not asked.once:
            again, began = network_metric(asked), clock()
            again.compare(seen, made)
            found["again"] = clock() - began
    return found


def pixel_metric(asked: argparse.Namespace) -> Any:
    """Return a metric without a network."""
    from neurodiffuse.metrics import pictures

    return getattr(pictures, asked.one)(dialect=asked.dialect)


def network_metric(asked: argparse.Namespace) -> Any:
    """Return a metric with random weights, which are written if they are not there."""
    from neurodiffuse_metrics import metrics

    path = Path(os.environ["NEURODIFFUSE_FEATURES"]) / "weights.pth"
    kind = getattr(metrics, asked.one)
    metric = kind(dialect=asked.dialect, device=asked.device, weights=str(path))
    if not path.exists():
        write_weights(metric, path)
    return metric


def timed(metric: Any, clock: Callable[[], float], found: dict[str, float]) -> None:
    """Let every call of the network add its seconds to ``found["network"]``."""
    network, device, held = metric._ready()

    def call(x: Any) -> Any:
        began = clock()
        y = network(x)
        found["network"] += clock() - began
        return y

    metric._loaded = (call, device, held)


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
