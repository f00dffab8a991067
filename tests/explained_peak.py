"""The peak of ``weights --measure explained`` and what is said of it, in a process of its own.

``explained_peak.py IMAGES TRIALS VOXELS TARGETS`` prints both in bytes, as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from measure import peak_kib
from memory import Plugin, Sized

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.weights import explained
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.run import Run, opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.types import Grid, Subject, Trials

RECIPE = """
name = "memory"
[features.noise]
encoder = "noise"
t = {targets}
alpha = 1e4
[stages.grey]
generator = "grey"
side = 8
[metrics.pixcorr]
metric = "pixcorr"
"""


class Repeated(Sized):
    """A subject who saw each image as often as there are trials for it, 300 trials a session."""

    def __init__(self, n: int, p: int, trials: int) -> None:
        super().__init__(n * trials, 2, p, 8)
        self.images = n

    def subject(self, label: str) -> Subject:
        about = super().subject(label)
        train = tuple(f"i{k % self.images}" for k in range(self.n))
        trials = Trials(
            (*train, *about.trials.stimulus[self.n :]),
            about.trials.split,
            about.trials.session,
            about.trials.session,
        )
        return Subject(label, Grid((self.p, 1, 1), about.grid.affine), trials, (), "all")


def main(images: int, trials: int, voxels: int, targets: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.toml").write_text(RECIPE.format(targets=targets))
        registry = Registry([("builtin", builtin), ("sized", Plugin()), ("repeated", Repeating)])
        settings = [f"datasets.repeated.{k}={v}" for k, v in (("n", images), ("trials", trials))]
        settings += [f"datasets.repeated.p={voxels}", "mask.repetitions=single"]
        config = resolve(
            registry,
            dataset="repeated",
            subjects=["01"],
            recipe=str(folder / "recipe.toml"),
            settings=settings,
        )
        config, data = pipeline.open_subjects(config, registry)
        run = Run(folder / "run", config, registry, data, quiet=True)
        with opened(run):
            for step in (mask, encode, fit):
                step(run, "01")
            Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back
            explained.explained(run, "01", "noise", (Part(0, targets),))
        said = explained.memory_needed(run, ("01",), ("noise",))
        print(json.dumps({"measured": peak_kib() * 1024, "said": said}))


class Repeating:
    """A plugin that offers the data set."""

    from neurodiffuse.hookspecs import hookimpl

    @staticmethod
    @hookimpl
    def register_datasets(register) -> None:
        register("repeated", f"{__name__}:Repeated", summary="counts")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
