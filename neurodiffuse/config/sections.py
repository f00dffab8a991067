"""The sections of a configuration as frozen dataclasses; `Config` holds them all."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from neurodiffuse.config.ridge import RIDGE
from neurodiffuse.errors import ConfigError
from neurodiffuse.names import wrong_with

STEPS = ("mask", "encode", "fit", "predict", "generate", "score", "report")

ANY = "any"
"""The domain of a recipe that learns what pictures are like from the training pictures alone."""

LATER = ("decoders", "refiners")
"""Tables that came later: without entries they are not stored, as by versions before."""

OWN_DECODER = ""
"""The name of the decoder that a recipe need not name: ridge, written where the step writes."""

FITTED = ("alpha", "alphas", "alpha_per", "bands", "leave_out", "roi")
"""Keys of a feature that matter for its fit and not for its latents."""


@dataclass(frozen=True)
class MaskConfig:
    """Which voxels, which trials. An empty ``select`` is the data set's own mask."""

    select: str = ""
    repetitions: Literal["average", "single"] = "average"
    nonfinite: Literal["error", "drop"] = "error"

    @property
    def averaging(self) -> str:
        """What becomes of an image's repetitions, in words."""
        return {
            "average": "averaged over repetitions of an image",
            "single": "kept as single trials for training and averaged over repetitions for "
            "testing",
        }[self.repetitions]


@dataclass(frozen=True)
class FeatureConfig:
    """One kind of latents: its encoder, the voxels it is predicted from, how ridge predicts it.

    What follows matters where ridge predicts it, which it does unless another decoder is named
    (`DecoderConfig`). ``alpha`` is a penalty, or how to choose one among ``alphas`` (empty: around
    the mean eigenvalue of the betas): once for each ``alpha_per``. ``bands`` are ROI expressions:
    groups of voxels that are shrunk differently, and all other voxels one more. ``leave_out`` says
    which training rows do not predict one another (`LeaveOut`). Without ``intercept`` predictions
    lack the mean of the training latents.

    Without ``store`` the training latents are never on disk: they are encoded while predictions
    are accumulated, image by image, which a decoder can do that is linear in them.
    """

    encoder: str
    alpha: float | Literal["gcv", "loo", ""] = ""
    roi: str = ""
    alphas: tuple[float, ...] = ()
    alpha_per: Literal["feature", "token", "target"] = "feature"
    bands: tuple[str, ...] = ()
    leave_out: str = "image"
    intercept: bool = True
    store: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make lists tuples; TOML and JSON give lists."""
        for name in ("alphas", "bands"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))

    def regions(self) -> list[tuple[str, str]]:
        """Return its region expressions, each with the key that it stands in."""
        given = [("roi", self.roi), *(("bands", band) for band in self.bands)]
        return [(key, text) for key, text in given if text]


@dataclass(frozen=True)
class DecoderConfig:
    """What predicts features from the brain; ``predicts`` none: all that no other decoder does."""

    decoder: str
    predicts: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make a list a tuple; TOML and JSON give lists."""
        object.__setattr__(self, "predicts", tuple(self.predicts))


@dataclass(frozen=True)
class RefinerConfig:
    """What makes predicted latents better, and of which features; none: of all that are left."""

    refiner: str
    refines: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make a list a tuple; TOML and JSON give lists."""
        object.__setattr__(self, "refines", tuple(self.refines))


@dataclass(frozen=True)
class EncodeConfig:
    """Type that latents are stored in (see `neurodiffuse.store.LatentFile`)."""

    dtype: Literal["float32", "float16"] = "float32"


@dataclass(frozen=True)
class PredictConfig:
    """How predictions get the spread of real latents (see `neurodiffuse.decoders.rescaling`).

    ``calibration`` is how many training rows, each predicted from others, the ``train`` rescaling
    takes its statistics from. A decoder that cannot leave rows out by itself is fitted once more
    for each of so many ``folds`` of the training images.
    """

    rescale: Literal["train", "test", "none"] = "train"
    calibration: int = 1000
    folds: int = 5


@dataclass(frozen=True)
class StageConfig:
    """One generator of the chain; ``init`` names the stage whose picture it starts from.

    ``without`` names what the generator reads and is not given (see `Card.optional`). Each image
    is painted ``samples`` times, with other seeds.
    """

    generator: str
    init: str = ""
    samples: int = 1
    without: Sequence[str] = field(default_factory=list)
    features: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricConfig:
    """One score; ``feature`` names the recipe's feature it compares in, empty for pictures."""

    metric: str
    feature: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreConfig:
    """How pictures are scored.

    ``size`` is the side in pixels to which seen and made pictures are resized, one by one, before
    a metric that has no size or dialect of its own compares them; 0 is the size of the pictures
    that the last stage makes. ``bootstrap`` is the number of resamplings of the images for
    intervals. ``oracle`` also generates from the true latents: the ceiling of the generators.
    """

    bootstrap: int = 2000
    oracle: bool = True
    size: int = 0


@dataclass(frozen=True)
class Config:
    """Everything a run depends on, besides the data and the versions.

    ``recipe`` is what was asked for, an installed name or a path; ``name`` what it calls itself.
    ``domain`` says of what pictures a recipe can make a reconstruction (`ANY`: of any; empty: it
    does not say), ``notes`` what a reader of its results should know. ``links`` says whether links
    may lead out of the data set. None of these changes a result.
    """

    recipe: str
    name: str
    dataset: str
    subjects: tuple[str, ...]
    dataset_options: Mapping[str, Any]
    features: Mapping[str, FeatureConfig]
    stages: Mapping[str, StageConfig]
    metrics: Mapping[str, MetricConfig]
    mask: MaskConfig = MaskConfig()
    encode: EncodeConfig = EncodeConfig()
    predict: PredictConfig = PredictConfig()
    score: ScoreConfig = ScoreConfig()
    seed: int = 0
    summary: str = ""
    cite: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    links: Literal["inside", "any"] = "inside"
    decoders: Mapping[str, DecoderConfig] = field(default_factory=dict)
    refiners: Mapping[str, RefinerConfig] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain tables that TOML and JSON can hold."""
        table: dict[str, Any] = _plain(dataclasses.asdict(self))
        if self.links == "inside":  # so that runs are the same bytes as before there was a choice
            del table["links"]
        return {key: value for key, value in table.items() if value or key not in LATER}

    def refined_by(self) -> dict[str, str]:
        """Return the name of the refiner of each feature that has one."""
        named = {feature: key for key, part in self.refiners.items() for feature in part.refines}
        rest = [key for key, part in self.refiners.items() if not part.refines]
        others = {feature: rest[0] for feature in self.features if rest and feature not in named}
        return named | others

    def predicted_by(self) -> dict[str, tuple[str, ...]]:
        """Return the features that each decoder predicts, by the decoder's name.

        `OWN_DECODER` stands for ridge with the options of the features' own sections.
        """
        named = {feature for part in self.decoders.values() for feature in part.predicts}
        rest = tuple(feature for feature in self.features if feature not in named)
        found = {
            name: tuple(f for f in self.features if f in part.predicts) if part.predicts else rest
            for name, part in self.decoders.items()
        }
        taken = {feature for features in found.values() for feature in features}
        left = tuple(feature for feature in self.features if feature not in taken)
        return found | ({OWN_DECODER: left} if left else {})

    @property
    def rescaled_from(self) -> str:
        """The first step that rescaling touches: others than ridge may be fitted without folds."""
        others = any(part.decoder != RIDGE for part in self.decoders.values())
        return "fit" if others else "predict"

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Config:
        """Return the configuration that `to_dict` gave, as a run folder stores it.

        Raises
        ------
        ConfigError
            If something in it that becomes part of a path cannot be a name.
        """
        values = dict(stored)
        for name, section in SECTIONS.items():
            # a run from before the section existed has its defaults
            values[name] = section(**stored.get(name, {}))
        for name, entry in TABLES.items():
            parts = stored.get(name, {}) if name in LATER else stored[name]
            values[name] = {key: entry(**part) for key, part in parts.items()}
        for name in ("subjects", "cite"):
            values[name] = tuple(stored[name])
        for name in ("domain", "notes"):  # a run from before they existed has none
            values[name] = tuple(stored.get(name, ()))
        for name in (*values["subjects"], *(key for table in TABLES for key in values[table])):
            if wrong := wrong_with(name):
                raise ConfigError(f"config.toml: {wrong}")
        return cls(**values)

    def first_difference(
        self, other: Mapping[str, Any], *, but: Sequence[str] = ()
    ) -> tuple[str, list[str]] | None:
        """Return the earliest step that a stored configuration differs in, and where.

        ``but`` are keys that may differ.
        """
        given = other.get("score", {})
        # keys that came later have their defaults; another version's are told as they stand
        with contextlib.suppress(LookupError, TypeError, AttributeError):
            other = Config.from_dict(other).to_dict()
        mine, theirs = leaves(self.to_dict()), leaves(_completed(other))
        keys = {k for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)}
        keys -= {*but, "domain", "notes", "links"}
        if not isinstance(given, Mapping) or "size" not in given:
            keys.discard("score.size")  # a run from before recipes fixed it is continued
        if not keys:
            return None
        steps = {_step_of(key) for key in keys}
        if "predict" in steps:
            steps.add(self.rescaled_from)
        return min(steps, key=STEPS.index), sorted(keys)


SECTIONS = {
    "mask": MaskConfig,
    "encode": EncodeConfig,
    "predict": PredictConfig,
    "score": ScoreConfig,
}
TABLES = {
    "features": FeatureConfig,
    "decoders": DecoderConfig,
    "refiners": RefinerConfig,
    "stages": StageConfig,
    "metrics": MetricConfig,
}


def domain_of(table: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a recipe's ``domain``, which is a text or a list of texts."""
    said = table.get("domain", ())
    return (said,) if isinstance(said, str) else tuple(said)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def leaves(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested tables by their dotted keys."""
    out: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            out |= leaves(value, f"{prefix}{key}.")
        else:
            out[prefix + key] = value
    return out


def _completed(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stored configuration with what later versions have added, at its default."""
    try:
        return Config.from_dict(stored).to_dict()
    except (LookupError, TypeError, AttributeError):
        return stored


def _step_of(key: str) -> str:
    """Return the first step whose result depends on a setting."""
    section, last = key.split(".")[0], key.split(".")[-1]
    if section == "features":
        return "predict" if last == "intercept" else "fit" if last in FITTED else "encode"
    owner = {
        "encode": "encode",
        "predict": "predict",
        "decoders": "fit",
        "refiners": "predict",
        "seed": "generate",
        "stages": "generate",
        "metrics": "score",
        "score": "score",
    }
    if key in ("summary", "cite", "name", "recipe"):
        return "report"
    return owner.get(section, "mask")
