"""Hold the peak of every step and question against what is said of it: ``benchmarks/memory.py``.

A made-up subject is decoded step by step, each size in a process of its own, whose peak
(``VmHWM``, Linux) is set back before each step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, peak_kib

from neurodiffuse import budget, pipeline
from neurodiffuse.builtin import __name__ as builtin
from neurodiffuse.config import resolve
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.questions.weights.project import memory_needed, project
from neurodiffuse.run import Run, opened
from neurodiffuse.types import (
    Dataset,
    Encoder,
    Generator,
    Grid,
    Images,
    Latents,
    Stimuli,
    Subject,
    Trials,
    Window,
)

SIZES = {
    "one": {"n": 1200, "m": 150, "p": 3000, "t": 5000, "side": 96},
    "two": {"n": 2400, "m": 300, "p": 6000, "t": 10000, "side": 136},
    "four": {"n": 4800, "m": 600, "p": 12000, "t": 20000, "side": 192},
}
QUESTIONS = (
    "roi-optimal",
    "roi-optimal, signs",
    "roi-optimal, page",
    "average",
    "controls",
    "score of folders",
)
"""Those of `memory_questions`, each in a process of its own."""

STEPS = ("mask", "encode", "fit", "predict", "generate", "score")


class Pictures(Sequence):  # type: ignore[type-arg]
    """Pictures of noise, each drawn from its number when it is asked for."""

    def __init__(self, ids: Sequence[str], side: int) -> None:
        self.ids, self.side = ids, side

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, k: Any) -> Any:
        rng = np.random.default_rng(int(self.ids[k][1:]))
        return rng.integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)


class Sized(Dataset):
    """A subject of given counts, 300 trials a session, every image seen once."""

    def __init__(self, n: int, m: int, p: int, side: int) -> None:
        self.n, self.m, self.p, self.side = n, m, p, side

    def subjects(self) -> tuple[str, ...]:
        """Return the only one."""
        return ("01",)

    def subject(self, label: str) -> Subject:
        """Return counts."""
        total = self.n + self.m
        ids = tuple(f"i{k}" for k in range(total))
        split = ("train",) * self.n + ("test",) * self.m
        session = tuple(str(k // 300) for k in range(total))
        grid = Grid((self.p, 1, 1), np.eye(4))
        return Subject(label, grid, Trials(ids, split, session, session), (), "all")

    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield noise, a session at a time."""
        rng = np.random.default_rng(0)
        for start in range(0, self.n + self.m, 300):
            rows = min(300, self.n + self.m - start)
            yield rng.standard_normal((rows, self.p), dtype=np.float32)[:, voxels]

    def roi(self, label: str, name: str) -> np.ndarray:
        """Return every voxel."""
        return np.ones(self.p, bool)

    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        """Return pictures of noise."""
        return Stimuli(tuple(ids), Window(Pictures(ids, self.side), 0, len(ids)), ((),) * len(ids))


class Noise(Encoder):
    """Latents that a picture's first bytes are the seed of."""

    def __init__(self, t: int) -> None:
        self.t = t

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return one shape."""
        return ((self.t,),)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return noise."""
        seeds = [int.from_bytes(image.tobytes()[:6], "big") for image in stimuli.images]
        rows = [np.random.default_rng(s).standard_normal(self.t, np.float32) for s in seeds]
        return Latents(stimuli.ids, np.array(rows), self.shapes())


class Grey(Generator):
    """Pictures of noise about a shade, which no file can make smaller."""

    def __init__(self, side: int) -> None:
        self.side = side

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return a picture for each row."""
        rows = latents["noise"]
        shades = (64 + 20 * rows.values[:, 0]).clip(0, 127).astype(np.uint8)
        shape = (self.side, self.side, 3)
        drawn = [np.random.default_rng(seed).integers(0, 128, shape, np.uint8) for seed in seeds]
        return Images(rows.ids, np.stack(drawn) + shades[:, None, None, None])


class Plugin:
    """All of it under one door."""

    @hookimpl
    def register_datasets(self, register: Any) -> None:
        """Register."""
        register("sized", f"{__name__}:Sized", summary="counts")

    @hookimpl
    def register_encoders(self, register: Any) -> None:
        """Register."""
        register("noise", f"{__name__}:Noise", summary="noise", reads=("images",))

    @hookimpl
    def register_generators(self, register: Any) -> None:
        """Register."""
        register("grey", f"{__name__}:Grey", summary="grey", reads=("noise",))


def open_run(folder: Path, size: Mapping[str, int], settings: Sequence[str]) -> Run:
    """Return a run of a size."""
    registry = Registry([("builtin", import_module(builtin)), ("sized", Plugin())])
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f"""name = "memory"
summary = "memory"
[datasets.sized]
n = {size["n"]}
m = {size["m"]}
p = {size["p"]}
side = {size["side"]}
[features.noise]
encoder = "noise"
t = {size["t"]}
alpha = 1e4
[stages.grey]
generator = "grey"
side = {size["side"]}
[metrics.pixcorr]
metric = "pixcorr"
"""
    )
    config = resolve(
        registry, dataset="sized", subjects=["01"], recipe=str(recipe), settings=settings
    )
    config, data = pipeline.open_subjects(config, registry)
    return Run(folder / "run", config, registry, data, quiet=True)


def measured(
    size: Mapping[str, int], settings: Sequence[str], questions: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return for each step and question its peak and what is said of it, MiB."""
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(Path(folder), size, settings)
        for step in STEPS:
            import_module(f"neurodiffuse.steps.{step}")
        said = budget.peaks(budget.counts_of(run, "01", size["p"]))
        found = {"base": {"measured": peak_kib() / 1024, "said": budget.BASE / 2**20}}
        with opened(run):
            for step in STEPS:
                Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back
                getattr(import_module(f"neurodiffuse.steps.{step}"), step)(run, "01")
                if step in said:
                    found[step] = {"measured": peak_kib() / 1024, "said": said[step] / 2**20}
            for name, patterns in (("weights", False), ("weights and patterns", True)):
                Path("/proc/self/clear_refs").write_text("5")
                project(run, "01", "noise", (Part(0, size["t"]),), patterns=patterns)
                needed = memory_needed(run, ("01",), ("noise",), patterns=patterns)
                found[name] = {"measured": peak_kib() / 1024, "said": needed / 2**20}
        asked = [folder, json.dumps(size), json.dumps(settings)]
        for question in questions:
            words = [sys.executable, Path(__file__).with_name("memory_questions.py"), question]
            done = subprocess.run([*words, *asked], check=True, stdout=subprocess.PIPE, text=True)
            found[question] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure each size in a process of its own and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--ask", nargs="*", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/memory.json")
    parser.add_argument("--one", choices=SIZES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(SIZES[given.one], given.settings, given.ask)))
        return
    results = {}
    for name in given.sizes:
        words = [sys.executable, __file__, "--one", name]
        words += [w for setting in given.settings for w in ("--set", setting)]
        words += ["--ask", *given.ask]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        results[name] = SIZES[name] | {"peaks": json.loads(done.stdout)}
        print(f"{name}: {json.dumps(SIZES[name])}")
        for step, peak in results[name]["peaks"].items():
            said, was = peak["said"], peak["measured"]
            print(f"  {step:20} measured {was:6.0f} MiB, said {said:6.0f}, {said / was:.2f} of it")
    told = {"machine": machine(), "settings": given.settings, "results": results}
    given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
