"""A recipe and the command line's settings become one checked, frozen configuration.

A recipe is a TOML file: a published method as data. Every problem is told at once, before
anything is computed. Sections, and the step that reads each: ``mask`` (mask), ``features.NAME``
(encode; its ``alpha…`` and ``roi``: fit), ``encode`` (encode), ``predict`` (predict),
``stages.NAME`` (generate), ``metrics.NAME`` and ``score`` (score). Keys of a section that are not
named here are options of the plugin's class.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

from neurodiffuse.errors import ConfigError, PluginError, listing, near
from neurodiffuse.options import check_options, check_value
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card

STEPS = ("mask", "encode", "fit", "predict", "generate", "score", "report")


@dataclass(frozen=True)
class MaskConfig:
    """Which voxels, which trials. An empty ``select`` is the data set's own mask."""

    select: str = ""
    repetitions: Literal["average", "single"] = "average"
    nonfinite: Literal["error", "drop"] = "error"


@dataclass(frozen=True)
class FeatureConfig:
    """One kind of latents: its encoder, its ridge penalty, the voxels it is predicted from.

    ``alpha`` is a penalty, or how to choose one among ``alphas`` (empty: around the mean
    eigenvalue of the betas): once for each ``alpha_per``. See `neurodiffuse.ridge.select_alphas`.
    ``bands`` are ROI expressions: groups of voxels that are shrunk differently, and all other
    voxels one more (`neurodiffuse.ridge.choose_bands`).
    """

    encoder: str
    alpha: float | Literal["gcv", "loo"]
    roi: str = ""
    alphas: tuple[float, ...] = ()
    alpha_per: Literal["feature", "token", "target"] = "feature"
    bands: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make lists tuples; TOML and JSON give lists."""
        for name in ("alphas", "bands"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def penalty(self) -> str:
        """The penalty in words."""
        if not isinstance(self.alpha, str):
            return f"penalty {self.alpha:g}"
        ways = {"gcv": "generalised cross-validation", "loo": "leaving out images"}
        said = f"penalty chosen for each {self.alpha_per} by {ways[self.alpha]}"
        if self.bands:
            said += f", voxels scaled in bands: {', '.join(self.bands)} and all others"
        return said


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
    """``oracle`` also decodes from the true latents: what the generators could reach at best."""

    bootstrap: int = 2000
    oracle: bool = True


@dataclass(frozen=True)
class Config:
    """Everything a run depends on, besides the data and the versions.

    ``recipe`` is what was asked for, an installed name or a path; ``name`` what it calls itself.
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain tables that TOML and JSON can hold."""
        return _plain(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Config:
        """Return the configuration that `to_dict` gave, as a run folder stores it."""
        values = dict(stored)
        for name, section in _SECTIONS.items():
            # a run from before the section existed has its defaults
            values[name] = section(**stored.get(name, {}))
        for name, entry in _TABLES.items():
            values[name] = {key: entry(**part) for key, part in stored[name].items()}
        for name in ("subjects", "cite"):
            values[name] = tuple(stored[name])
        return cls(**values)

    def first_difference(self, other: Mapping[str, Any]) -> tuple[str, list[str]] | None:
        """Return the earliest step that a stored configuration differs in, and where."""
        # keys that came later have their defaults; another version's are told as they stand
        with contextlib.suppress(KeyError, TypeError):
            other = Config.from_dict(other).to_dict()
        mine, theirs = leaves(self.to_dict()), leaves(_completed(other))
        keys = {k for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)}
        if not keys:
            return None
        return min((_step_of(k) for k in keys), key=STEPS.index), sorted(keys)


_SECTIONS = {
    "mask": MaskConfig,
    "encode": EncodeConfig,
    "predict": PredictConfig,
    "score": ScoreConfig,
}
_TABLES = {"features": FeatureConfig, "stages": StageConfig, "metrics": MetricConfig}
_TOP = ("name", "summary", "cite", "needs", "extends", "seed", "datasets", *_SECTIONS, *_TABLES)
_ROLE = {"features": "encoder", "stages": "generator", "metrics": "metric"}


def resolve(
    registry: Registry,
    *,
    dataset: str,
    subjects: Iterable[str],
    recipe: str,
    root: str = "",
    mask: str = "",
    settings: Iterable[str] = (),
) -> Config:
    """Return the checked configuration of a run.

    Parameters
    ----------
    registry
        The installed plugins.
    dataset
        Name of a data set plugin.
    subjects
        Subject labels as the user wrote them; they are matched when the data set is opened.
    recipe
        Name of an installed recipe or path of a TOML file.
    root
        Folder of the data set, the option ``root`` of its plugin; kept as an absolute path, so
        that the run can be asked from anywhere.
    mask
        ROI expression, in place of ``mask.select``.
    settings
        ``section.key=value`` strings; values are TOML, bare words are strings.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = read_recipe(registry, recipe)
    table.setdefault("name", Path(recipe).stem)
    problems: list[str] = []
    for setting in settings:
        _set(table, setting, problems)
    if mask:
        _section(table, "mask", problems)["select"] = mask
    options = _dataset(registry, table, dataset, root, problems)
    return _checked(registry, table, recipe, dataset, subjects, options, problems)


def vary(registry: Registry, config: Config, settings: Iterable[str]) -> Config:
    """Return a configuration with other settings, given and checked as in `resolve`.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = config.to_dict()
    options = table.pop("dataset_options")
    for name in _TABLES:
        table[name] = {
            key: {k: v for k, v in part.items() if k != "options"} | part["options"]
            for key, part in table[name].items()
        }
    for key in ("recipe", "dataset", "subjects"):
        del table[key]
    table["datasets"] = {config.dataset: options}
    problems: list[str] = []
    for setting in settings:
        _set(table, setting, problems)
    options = _dataset(registry, table, config.dataset, "", problems)
    return _checked(
        registry, table, config.recipe, config.dataset, config.subjects, options, problems
    )


def _checked(
    registry: Registry,
    table: dict[str, Any],
    recipe: str,
    dataset: str,
    subjects: Iterable[str],
    options: Mapping[str, Any],
    problems: list[str],
) -> Config:
    """Return the configuration of a recipe's tables; ``problems`` has what was found before."""
    for key in table.keys() - set(_TOP):
        problems.append(
            f"{recipe}: {key}: no such section or key.{near(key, _TOP)} Possible: {listing(_TOP)}."
        )
    values: dict[str, Any] = {}
    for name, cls in _SECTIONS.items():
        values[name] = _read_section(name, cls, _section(table, name, problems), problems)
    cards: dict[tuple[str, str], Card] = {}
    for name, cls in _TABLES.items():
        section = _section(table, name, problems)
        values[name] = {
            key: _read_entry(registry, name, key, cls, part, cards, problems)
            for key, part in section.items()
        }
    if not problems:
        _check_wiring(values, cards, problems)
    seed = table.get("seed", 0)
    if type(seed) is not int or seed < 0:
        problems.append(f"seed: {seed!r} is not a whole number of 0 or more.")
    if problems:
        raise ConfigError(*problems, *_to_install(recipe, table))
    return Config(
        recipe=recipe,
        name=str(table["name"]),
        dataset=dataset,
        subjects=tuple(subjects),
        dataset_options=options,
        seed=seed,
        summary=str(table.get("summary", "")),
        cite=tuple(table.get("cite", ())),
        **values,
    )


def dataset_options(
    registry: Registry, dataset: str, *, root: str = "", settings: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the checked options of a data set plugin, for a command that needs no recipe.

    ``settings`` are ``datasets.NAME.key=value`` strings, as in `resolve`.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = read_settings(settings)
    problems: list[str] = []
    for key in table.keys() - {"datasets"}:
        problems.append(f"--set {key}…: only datasets.{dataset}.key=value matters here.")
    options = _dataset(registry, table, dataset, root, problems)
    if problems:
        raise ConfigError(*problems)
    return options


def _dataset(
    registry: Registry, table: dict[str, Any], dataset: str, root: str, problems: list[str]
) -> dict[str, Any]:
    """Return a data set's options, its root absolute."""
    options = dict(_section(_section(table, "datasets", problems), dataset, problems))
    if root:
        options["root"] = str(Path(root).expanduser().resolve())
    where = f"datasets.{dataset}"
    _check_part(registry, "dataset", dataset, options, "--dataset", where, problems)
    return options


def read_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the table that ``key=value`` strings make; values are TOML, bare words strings.

    Raises
    ------
    ConfigError
        With every string that cannot be read.
    """
    table: dict[str, Any] = {}
    problems: list[str] = []
    for setting in settings:
        _set(table, setting, problems)
    if problems:
        raise ConfigError(*problems)
    return table


def read_recipe(registry: Registry, recipe: str, _seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the tables of a recipe, on top of those of the recipe it ``extends``."""
    if recipe in _seen:
        raise ConfigError(f"recipe {recipe!r}: extends itself ({' → '.join((*_seen, recipe))}).")
    if recipe.endswith(".toml") or "/" in recipe:
        try:
            text, where = Path(recipe).read_text(encoding="utf-8"), recipe
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--recipe: {recipe} cannot be read: {error}.") from error
    else:
        try:
            card = registry.card("recipe", recipe, "--recipe")
        except PluginError as error:
            raise ConfigError(f"{error} Or give the path of a .toml file.") from error
        text, where = registry.text(card), f"recipe {recipe}"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}.") from error
    if parent := table.get("extends"):
        try:
            return _merge(read_recipe(registry, str(parent), (*_seen, recipe)), table)
        except ConfigError as error:
            raise ConfigError(str(error), *_to_install(where, table)) from error
    return table


def _to_install(recipe: str, table: Mapping[str, Any]) -> list[str]:
    """Return a line with the distributions of a recipe's ``needs`` that are not installed."""
    from importlib.metadata import PackageNotFoundError, version

    lacking = []
    for name in table.get("needs", ()):
        try:
            version(str(name))
        except PackageNotFoundError:
            lacking.append(str(name))
    if not lacking:
        return []
    return [f"{recipe}: needs what is not installed: pip install {' '.join(lacking)}."]


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
    return base


def _set(table: dict[str, Any], setting: str, problems: list[str]) -> None:
    path, equals, text = setting.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        problems.append(
            f"--set {setting}: write section.key=value, such as features.vae.alpha=100."
        )
        return
    if keys[0] == "dataset":
        problems.append(
            f"--set {setting}: write datasets.NAME.key=value, with the data set's name."
        )
        return
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            problems.append(f"--set {setting}: {key} is a value, not a section.")
            return
    table[keys[-1]] = value


def _section(table: dict[str, Any], name: str, problems: list[str]) -> dict[str, Any]:
    found = table.setdefault(name, {})
    if isinstance(found, dict):
        return found
    problems.append(f"{name}: expected a section, found {found!r}.")
    return {}


def _read_section(name: str, cls: Any, given: Mapping[str, Any], problems: list[str]) -> Any:
    problems += check_options(name, cls, given)
    known = {k: v for k, v in given.items() if k in {f.name for f in dataclasses.fields(cls)}}
    section = cls(**known)
    for key in ("bootstrap", "calibration"):
        value = getattr(section, key, 2)
        if type(value) is int and value < 2:
            problems.append(f"{name}.{key}: {value} is too few; give 2 or more.")
    return section


def _read_entry(
    registry: Registry,
    table: str,
    key: str,
    cls: Any,
    given: Any,
    cards: dict[tuple[str, str], Card],
    problems: list[str],
) -> Any:
    where, role = f"{table}.{key}", _ROLE[table]
    if not isinstance(given, dict):
        problems.append(f"{where}: expected a section, found {given!r}.")
        return None
    own = {name: kind for name, kind in get_type_hints(cls).items() if name != "options"}
    reserved = {k: v for k, v in given.items() if k in own}
    options = {k: v for k, v in given.items() if k not in own}
    if role not in reserved:
        names = [c.name for c in registry.cards(role)]
        problems.append(f"{where}: which {role}? Write {role} = one of: {listing(names)}.")
        return None
    for name, value in reserved.items():
        if name not in ("alpha", "alphas"):
            problems += check_value(f"{where}.{name}", value, own[name])
    if type(samples := reserved.get("samples", 1)) is int and samples < 1:
        problems.append(f"{where}.samples: {samples} is too few; give 1 or more.")
    if cls is FeatureConfig:
        reserved.setdefault("alpha", None)
        problems += _check_alpha(where, reserved)
    name = reserved[role]
    if isinstance(name, str):
        found = _check_part(registry, role, name, options, f"{where}.{role}", where, problems, own)
        if found:
            cards[table, key] = found
    return cls(**reserved, options=options)


def _check_alpha(where: str, given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a penalty, or with how one is to be chosen."""
    alpha, grid = given["alpha"], given.get("alphas", ())
    if alpha in ("gcv", "loo"):
        if isinstance(grid, list | tuple) and all(_is_penalty(a) for a in grid):
            return []
        return [
            f"{where}.alphas: a list of penalties above 0 is needed, such as [1e3, 1e4, 1e5]; "
            f"{grid!r} is not."
        ]
    if not _is_penalty(alpha):
        said = "none is given" if alpha is None else f"{alpha!r} is not one"
        return [
            f"{where}.alpha: the ridge penalty must be a number above 0, or 'gcv' or 'loo' to have "
            f"it chosen; {said}."
        ]
    unset: tuple[object, ...] = (None, [], (), "feature")
    idle = [key for key in ("alphas", "alpha_per", "bands") if given.get(key) not in unset]
    return [
        f"{where}.{key}: only matters when alpha is chosen; write alpha = 'gcv' or leave it out."
        for key in idle
    ]


def _is_penalty(alpha: Any) -> bool:
    good = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    return good and math.isfinite(alpha) and alpha > 0


def _check_part(
    registry: Registry,
    role: str,
    name: str,
    options: Mapping[str, Any],
    where: str,
    section: str,
    problems: list[str],
    also: Iterable[str] = (),
) -> Card | None:
    """Check a plugin's name and options by building it; constructors only store."""
    try:
        card = registry.card(role, name, where)
        cls = registry.load(card)
    except PluginError as error:
        problems.append(str(error))
        return None
    found = check_options(section, cls, options, also)
    if not found:
        try:
            cls(**options)
        except ValueError as error:
            found = [f"{section}: {error}"]
    problems += found
    return card


def _check_wiring(
    values: Mapping[str, Any], cards: Mapping[tuple[str, str], Card], problems: list[str]
) -> None:
    """Check that stages and metrics find the features and stages they name."""
    features: Mapping[str, FeatureConfig] = values["features"]
    earlier: list[str] = []
    for key, feature in features.items():
        if feature.alpha == "gcv" and values["mask"].repetitions == "single":
            problems.append(
                f"features.{key}.alpha: 'gcv' would leave out single trials and keep the same "
                "image's other ones; with mask.repetitions = 'single' write 'loo', which leaves "
                "out images."
            )
    if not features:
        problems.append("features: a recipe needs at least one section [features.NAME].")
    for key, stage in values["stages"].items():
        card = cards["stages", key]
        problems += _check_without(key, stage, card)
        for read in card.reads:
            name = stage.features.get(read, read)
            if name not in features and read not in stage.without:
                problems.append(
                    f"stages.{key}: generator {stage.generator!r} reads {read!r}, and there is no "
                    f"feature {name!r}.{near(name, features)} Features: {listing(features)}."
                )
        if stage.init and stage.init not in earlier:
            problems.append(
                f"stages.{key}.init: no earlier stage is called {stage.init!r}."
                f"{near(stage.init, earlier)} Earlier: {listing(earlier)}."
            )
        earlier.append(key)
    for key, metric in values["metrics"].items():
        latent = metric.metric.startswith("latent-")
        if latent != bool(metric.feature):
            need = "needs feature = one of" if latent else "takes no feature; features are"
            problems.append(f"metrics.{key}: {metric.metric} {need}: {listing(features)}.")
        elif metric.feature and metric.feature not in features:
            problems.append(
                f"metrics.{key}.feature: no feature is called {metric.feature!r}."
                f"{near(metric.feature, features)} Features: {listing(features)}."
            )
        elif metric.feature and cards["features", metric.feature].reads != ("images",):
            problems.append(
                f"metrics.{key}.feature: {metric.feature!r} is encoded from captions, and a "
                "picture that was made has none; choose a feature of images."
            )


def _check_without(key: str, stage: StageConfig, card: Card) -> list[str]:
    """Return a line for each name that a generator cannot do without."""
    possible = [name for name in card.optional if name in card.reads]
    found = [
        f"stages.{key}.without: generator {stage.generator!r} cannot do without {name!r}."
        f"{near(name, possible)} It can do without: {listing(possible)}."
        for name in stage.without
        if name not in possible
    ]
    if card.reads and not set(card.reads) - set(stage.without):
        found.append(f"stages.{key}.without: nothing is left for {stage.generator!r} to read.")
    return found


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
    except (KeyError, TypeError):
        return stored


def _step_of(key: str) -> str:
    """Return the first step whose result depends on a setting."""
    section, last = key.split(".")[0], key.split(".")[-1]
    if section == "features":
        return "fit" if last in ("alpha", "alphas", "alpha_per", "bands", "roi") else "encode"
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
