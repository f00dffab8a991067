"""The sections of a configuration as frozen dataclasses; `Config` holds them all."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from neurodiffuse.errors import ConfigError
from neurodiffuse.names import wrong_with

STEPS = ("mask", "encode", "fit", "predict", "generate", "score", "report")

ANY = "any"
"""The domain of a recipe that learns what pictures are like from the training pictures alone."""

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
class LeaveOut:
    """Which training rows are left out together: those of an image, a session or a cluster.

    ``clusters`` is how many clusters of images, made in ``feature``; empty: the feature's own.
    """

    by: str
    clusters: int = 0
    feature: str = ""

    @classmethod
    def read(cls, text: str) -> LeaveOut:
        """Return what ``image``, ``session``, ``cluster:K`` or ``cluster:K:FEATURE`` says.

        Raises
        ------
        ValueError
            If it says nothing of the kind.
        """
        if text in ("image", "session"):
            return cls(text)
        by, _, rest = text.partition(":")
        count, colon, feature = rest.partition(":")
        plain = count.isascii() and count.isdigit()
        if by != "cluster" or not plain or int(count) < 2 or bool(colon) != bool(feature):
            raise ValueError(text)
        return cls(by, int(count), feature)

    @property
    def words(self) -> str:
        """What is left out, in words."""
        if self.by != "cluster":
            return f"{self.by}s"
        return f"{self.clusters} clusters of images" + (
            f" by {self.feature}" if self.feature else ""
        )

    def one_at_a_time(self, feature: str, *, single: bool) -> str:
        """Return what is left out at a time of a feature's rows, in words.

        ``single`` says that rows are trials, several of one image.
        """
        if self.by == "image":
            return "one image at a time" + (" with all its trials" if single else "")
        rest = ", with all other trials of its images" if single else ""
        if self.by == "session":
            return f"one session at a time{rest}"
        return (
            f"one of {self.clusters} clusters of images (k-means in {self.feature or feature}) at "
            f"a time{rest}"
        )


@dataclass(frozen=True)
class FeatureConfig:
    """One kind of latents: its encoder, its ridge penalty, the voxels it is predicted from.

    ``alpha`` is a penalty, or how to choose one among ``alphas`` (empty: around the mean
    eigenvalue of the betas): once for each ``alpha_per``. See `neurodiffuse.ridge.select_alphas`.
    ``bands`` are ROI expressions: groups of voxels that are shrunk differently, and all other
    voxels one more (`neurodiffuse.ridge.choose_bands`). ``leave_out`` says which training rows
    do not predict one another (`LeaveOut`). Without ``intercept`` predictions lack the mean of the
    training latents.
    """

    encoder: str
    alpha: float | Literal["gcv", "loo"]
    roi: str = ""
    alphas: tuple[float, ...] = ()
    alpha_per: Literal["feature", "token", "target"] = "feature"
    bands: tuple[str, ...] = ()
    leave_out: str = "image"
    intercept: bool = True
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

    @property
    def penalty(self) -> str:
        """The penalty in words."""
        without = "" if self.intercept else ", without an intercept"
        if not isinstance(self.alpha, str):
            return f"penalty {self.alpha:g}{without}"
        left = f"leaving out {LeaveOut.read(self.leave_out).words}"
        ways = {"gcv": "generalised cross-validation", "loo": left}
        said = f"penalty chosen for each {self.alpha_per} by {ways[self.alpha]}"
        if self.alphas:
            least, most = min(self.alphas), max(self.alphas)
            said += f" among {len(self.alphas)} from {least:g} to {most:g}"
        if self.bands:
            said += f", voxels scaled in bands: {', '.join(self.bands)} and all others"
        return said + without


@dataclass(frozen=True)
class EncodeConfig:
    """Type that latents are stored in (see `neurodiffuse.store.LatentFile`)."""

    dtype: Literal["float32", "float16"] = "float32"


@dataclass(frozen=True)
class PredictConfig:
    """How predictions get the spread of real latents (see `neurodiffuse.ridge.rescale`).

    ``calibration`` is how many training rows, predicted by leaving each one out, the ``train``
    rescaling takes its statistics from.
    """

    rescale: Literal["train", "test", "none"] = "train"
    calibration: int = 1000


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

    def to_dict(self) -> dict[str, Any]:
        """Return plain tables that TOML and JSON can hold."""
        table: dict[str, Any] = _plain(dataclasses.asdict(self))
        if self.links == "inside":  # so that runs are the same bytes as before there was a choice
            del table["links"]
        return table

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
            values[name] = {key: entry(**part) for key, part in stored[name].items()}
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
        return min((_step_of(k) for k in keys), key=STEPS.index), sorted(keys)


SECTIONS = {
    "mask": MaskConfig,
    "encode": EncodeConfig,
    "predict": PredictConfig,
    "score": ScoreConfig,
}
TABLES = {"features": FeatureConfig, "stages": StageConfig, "metrics": MetricConfig}


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
        "seed": "generate",
        "stages": "generate",
        "metrics": "score",
        "score": "score",
    }
    if key in ("summary", "cite", "name", "recipe"):
        return "report"
    return owner.get(section, "mask")
