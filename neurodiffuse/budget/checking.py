"""Hold a budget against what is needed, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping

from neurodiffuse.budget.counts import counts_of
from neurodiffuse.budget.steps import peaks
from neurodiffuse.errors import RunError
from neurodiffuse.files import read_json
from neurodiffuse.machine import Machine
from neurodiffuse.run import Run
from neurodiffuse.work import WHOLE

SPARE = 128 * 2**20
"""What is added to the budget that a message asks for, so that it is enough however rounded."""

REMEDIES = {
    "mask": "decode from fewer voxels (--mask)",
    "encode": "allow more memory: one image a time is too much already",
    "fit": "decode from fewer voxels (--mask), or average repetitions",
    "predict": "decode from fewer voxels, or --set predict.calibration=250",
    "score": "test fewer images",
    "report": "leave --memory out: it draws as much for any number of images",
    "weights": "decode from fewer voxels (--mask)",
    "pictures": "do without them (--no-pictures)",
    "roi-optimal": "decode from fewer voxels (--mask), or ask for fewer regions or --seeds",
    "page": "ask for fewer regions, subjects or --seeds",
    "average": "average fewer subjects or test images",
    "controls": "do without refits (--only), or decode from fewer voxels (--mask)",
}

ALONE = (*WHOLE, "report", "pictures", "page", "average", "controls")
"""Where at most one process of the workers that share a budget is at work."""


def check(run: Run, needed: Mapping[str, int]) -> None:
    """Refuse a budget that a step would not stay within.

    Raises
    ------
    RunError
        With a step that needs more, how much, and what to change.
    """
    check_machine(run.machine, needed)


def check_machine(machine: Machine, needed: Mapping[str, int]) -> None:
    """Refuse a budget as `check` does, where there is no run."""
    memory = machine.memory
    if memory is None:
        return
    # subjects follow one another in a whole step (`WHOLE`) where workers' parts would not do
    workers = sharing(machine)
    whole = {step: size * (1 if step in ALONE else workers) for step, size in needed.items()}
    step = max(whole, key=lambda name: whole[name])
    if whole[step] > memory:
        each = f" in each of {workers} workers" if whole[step] > needed[step] else ""
        enough = words(whole[step] + SPARE).replace(" ", "")
        raise RunError(
            f"--memory: {step} needs about {words(needed[step])}{each} and there is "
            f"{words(memory)}. Give --memory {enough}, or {REMEDIES[step]}."
        )


def sharing(machine: Machine) -> int:
    """Return how many processes a budget is divided among."""
    memory = machine.memory or 1
    return memory // (machine.executor.share(memory) or memory)


def check_again(run: Run, *steps: str) -> None:
    """Refuse a budget that steps, done again for a decoded run, would not stay within.

    Raises
    ------
    RunError
        As `check`.
    """
    if run.machine.memory is None:
        return
    each = []
    for label in run.config.subjects:
        voxels = read_json(run.folder("mask", label) / "about.json")["voxels"]
        each.append(peaks(counts_of(run, label, voxels)))
    check(run, {step: max(needed[step] for needed in each) for step in steps})


def words(size: float) -> str:
    """Return bytes as ``1.4 GiB``."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
