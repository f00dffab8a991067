"""Which controls a run can be put to, and what each of them is there for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from neurodiffuse.config import Config
from neurodiffuse.errors import ConfigError, listing, near
from neurodiffuse.questions.ablate.variants import NeededError, of_captions, without_features
from neurodiffuse.questions.branches import Step
from neurodiffuse.questions.controls import holdout, latents, retrieval
from neurodiffuse.report.wording import CEILING, joined
from neurodiffuse.run import Run

PAINT = ("predict", "generate", "score")
REFIT = ("mask", "fit", *PAINT)

KINDS = ("ceiling", "decoded", "rescale", "text-only", "hold-out", "retrieval", "floor")

RESCALED: dict[Literal["train", "test"], str] = {
    "train": "of left-out training images, so that nothing of the test set is used",
    "test": "of the test images' own predictions, as in the published code of Brain-Diffuser",
}


@dataclass(frozen=True, eq=False)
class Control:
    """A row: how it differs from the run. ``own`` is empty where the run has its pictures.

    ``instead`` are other ways to do some of its own steps; ``said`` is what they depend on.
    """

    name: str
    kind: str
    meaning: str
    own: tuple[str, ...] = ()
    source: str = "decoded"
    config: Config | None = None
    instead: Mapping[str, Step] = field(default_factory=dict)
    said: Any = None


def plan(run: Run, *, feature: str, neighbours: int, wanted: Sequence[str]) -> list[Control]:
    """Return the controls of some kinds, in the order of the table, with the run's own row.

    Raises
    ------
    ConfigError
        If a kind is unknown.
    """
    for kind in wanted:
        if kind not in KINDS:
            raise ConfigError(
                f"--only {kind!r}: no such control.{near(kind, KINDS)} Controls: {listing(KINDS)}."
            )
    made: dict[str, Callable[[], list[Control]]] = {
        "ceiling": lambda: [_ceiling(run)],
        "decoded": lambda: [Control("Decoded", "decoded", "The run as it is.")],
        "rescale": lambda: _rescaled(run),
        "text-only": lambda: _text_only(run),
        "hold-out": lambda: _held_out(run, feature, neighbours),
        "retrieval": lambda: [_retrieval(run, feature)],
        "floor": lambda: _floors(run),
    }
    kinds = [k for k in KINDS if not wanted or k in wanted or k == "decoded"]
    return [control for kind in kinds for control in made[kind]()]


def default_feature(run: Run) -> str:
    """Return the feature in which images are near: the last one of pictures in the recipe.

    Recipes name low-level features first. Where all are of captions it is the last of these.
    """
    found = [f for f in run.config.features if not of_captions(run.registry, run.config, f)]
    if not found:
        return list(run.config.features)[-1]
    return found[-1]


def check_feature(run: Run, feature: str) -> str:
    """Return a feature of the recipe, by default `default_feature`."""
    if not feature:
        return default_feature(run)
    if feature not in run.config.features:
        known = run.config.features
        raise ConfigError(
            f"--feature {feature!r}: the recipe has no such feature.{near(feature, known)} "
            f"Features: {listing(known)}."
        )
    return feature


def _ceiling(run: Run) -> Control:
    meaning = (
        "Painted from the test images' true latents: what the generators could reach if the brain "
        "were read without error."
    )
    if run.config.score.oracle:
        return Control(CEILING, "ceiling", meaning, source="oracle")
    return Control(CEILING, "ceiling", meaning, PAINT, instead={"predict": latents.true})


def _rescaled(run: Run) -> list[Control]:
    own, first = run.config.predict.rescale, run.config.rescaled_from
    return [
        Control(
            f"Rescaled by {kind}",
            "rescale",
            f"Predictions divided by the spread {spread}. The run itself: {own!r}.",
            PAINT if first in PAINT else (first, *PAINT),
            config=dataclasses.replace(
                run.config, predict=dataclasses.replace(run.config.predict, rescale=kind)
            ),
        )
        for kind, spread in RESCALED.items()
        if kind != own
    ]


def _text_only(run: Run) -> list[Control]:
    config = run.config
    seen = [f for f in config.features if not of_captions(run.registry, config, f)]
    said = [f for f in config.features if f not in seen]
    if not seen or not said:
        return []
    try:
        stages = without_features(run.registry, config, seen)
    except NeededError:
        return []
    meaning = (
        f"Nothing of pictures: painted from {joined(said)} alone, from noise. What a caption that "
        "is guessed from the brain gives."
    )
    other = dataclasses.replace(config, stages=stages)
    return [Control("Text only", "text-only", meaning, ("generate", "score"), config=other)]


def _held_out(run: Run, feature: str, k: int) -> list[Control]:
    gone = {s: holdout.neighbours(run, s, feature, k) for s in run.config.subjects}
    drawn = {s: holdout.at_random(run, s, len(images)) for s, images in gone.items()}
    each = "; ".join(
        f"sub-{s}: {len(images)} of {len(set(holdout.trained(run, s)))} training images"
        for s, images in gone.items()
    )
    near_ones = (
        f"The maps refitted without the {k} training images nearest to each test image in "
        f"{feature} ({each}): what is left when no near double was trained on."
    )
    random_ones = (
        "The maps refitted without as many training images drawn at random: what the smaller "
        "training set alone costs."
    )
    return [
        _refitted("Nearest held out", near_ones, gone),
        _refitted("As many held out at random", random_ones, drawn),
    ]


def _refitted(name: str, meaning: str, gone: Mapping[str, tuple[str, ...]]) -> Control:
    def mask(run: Run, subject: str) -> None:
        holdout.mask_without(run, subject, gone[subject])

    return Control(name, "hold-out", meaning, REFIT, instead={"mask": mask}, said=dict(gone))


def _retrieval(run: Run, feature: str) -> Control:
    last = list(run.config.stages)[-1]
    stage = dataclasses.replace(run.config.stages[last], init="", samples=1)
    return Control(
        "Nearest training image",
        "retrieval",
        f"Nothing is painted: the training image whose {feature} latents correlate most with the "
        "predicted ones. A method that cannot beat this may be recalling.",
        ("generate", "score"),
        config=dataclasses.replace(run.config, stages={last: stage}),
        instead={"generate": partial(retrieval.retrieve, feature=feature)},
        said=["retrieval", feature],
    )


def _floors(run: Run) -> list[Control]:
    return [
        Control(
            "Predictions shuffled",
            "floor",
            "Each test image painted from the latents predicted for another one: what any "
            "plausible picture scores.",
            PAINT,
            instead={"predict": latents.shuffled},
            said="shuffled",
        ),
        Control(
            "Mean latents",
            "floor",
            "Every test image painted from the mean latents of the training set: what is known "
            "without a brain. The pictures differ by their seeds only.",
            PAINT,
            instead={"predict": latents.mean},
            said="mean",
        ),
        Control(
            "Labels shuffled",
            "floor",
            "The maps refitted with the training images' names exchanged at random: the whole "
            "road, with nothing to learn.",
            REFIT,
            instead={"mask": holdout.mask_mislabelled},
            said="mislabelled",
        ),
    ]
