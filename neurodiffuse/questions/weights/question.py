"""What is asked of the maps, checked against the run before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurodiffuse.decoding import stored
from neurodiffuse.errors import ConfigError, RunError, listing, near
from neurodiffuse.pipeline import match_subjects
from neurodiffuse.places import check_replaceable
from neurodiffuse.questions.weights.parts import Part, parts_of
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile

MEASURES = ("l1", "percentile", "pattern", "explained")
TABLE = "maps.tsv"


@dataclass(frozen=True)
class Question:
    """Which maps to make; empty ``subjects``, ``features`` and ``regions`` mean all.

    ``measures`` are of `MEASURES`; ``against`` is the feature that regions are compared with,
    empty for the recipe's first; without ``pictures`` there are
    only numbers, with ``view`` interactive pictures too. ``seed`` shuffles
    the voxels of the permutation test.
    """

    subjects: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    tokens: tuple[int, ...] = ()
    components: tuple[int, ...] = ()
    measures: tuple[str, ...] = ("l1", "percentile")
    against: str = ""
    regions: tuple[str, ...] = ()
    permutations: int = 9999
    seed: int = 0
    pictures: bool = True
    view: bool = False

    @property
    def whole(self) -> bool:
        """Whether maps of whole features are asked for, which regions can be compared by."""
        return not self.tokens and not self.components

    @property
    def folder(self) -> str:
        """Where in the run the answer goes, unless the user says otherwise."""
        parts = [f"token{k}" for k in dict.fromkeys(self.tokens)]
        parts += [f"component{k}" for k in dict.fromkeys(self.components)]
        return "weights" if self.whole else "-".join(["weights", *self.features, *parts])


@dataclass(frozen=True)
class Plan:
    """A question whose names are the run's: ``parts`` of each feature, in the recipe's order."""

    question: Question
    subjects: tuple[str, ...]
    parts: dict[str, tuple[Part, ...]]
    against: str


def plan_of(run: Run, question: Question) -> Plan:
    """Check a question against a run.

    Raises
    ------
    ConfigError
        If a feature, measure, token or component does not exist, or what is asked does not go
        together.
    MissingDataError
        If a subject does not exist.
    RunError
        If the run has no fitted map of a subject yet, or no longer its latents.
    """
    features = _features(run, question)
    if question.regions and not question.whole:
        raise ConfigError("--roi compares whole features; leave out --token and --component.")
    _check_measures(question.measures)
    if question.permutations < 1:
        raise ConfigError(f"--permutations: {question.permutations}; 1 or more are needed.")
    subjects = _subjects(run, question.subjects)
    for subject in subjects:
        if not run.folder("fit", subject).exists():
            raise RunError(
                f"{run.path}: sub-{subject} has no fitted maps yet. Finish the run with the "
                "decode command that began it."
            )
    _check_latents(run, subjects, features)
    parts = {f: _parts(run, subjects[0], f, question) for f in features}
    return Plan(question, subjects, parts, _against(question, features))


def check_place(place: Path) -> None:
    """Refuse a folder that cannot be written, or is no earlier answer and would be replaced.

    Raises
    ------
    RunError
        Naming the folder.
    """
    check_replaceable(place)
    if place.exists() and not (place / TABLE).exists() and any(place.iterdir()):
        raise RunError(
            f"--out: {place} holds something else than weight maps and would be replaced. "
            "Choose another folder; nothing was written."
        )


def _features(run: Run, question: Question) -> tuple[str, ...]:
    known = tuple(run.config.features)
    for name in question.features:
        _check_name("--feature", name, known)
    if not question.whole and not question.features and len(known) > 1:
        raise ConfigError(
            f"--token and --component: say of which feature, with --feature: {listing(known)}."
        )
    return tuple(f for f in known if not question.features or f in question.features)


def _against(question: Question, features: Sequence[str]) -> str:
    if not question.against:
        return features[0]
    if not question.whole:
        raise ConfigError("--against compares whole features; leave out --token and --component.")
    _check_name("--against", question.against, features)
    return question.against


def _check_name(flag: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise ConfigError(
            f"{flag}: no feature is called {name!r}.{near(name, known)} Features: {listing(known)}."
        )


def _check_measures(measures: Sequence[str]) -> None:
    for name in measures:
        if name not in MEASURES:
            raise ConfigError(
                f"--measure: no measure is called {name!r}.{near(name, MEASURES)} "
                f"Measures: {listing(MEASURES)}."
            )
    if not measures:
        raise ConfigError(f"--measure: name at least one of: {listing(MEASURES)}.")


def _subjects(run: Run, wanted: Sequence[str]) -> tuple[str, ...]:
    if not wanted:
        return run.config.subjects
    found = match_subjects(wanted, run.dataset)
    for subject in found:
        if subject not in run.config.subjects:
            raise ConfigError(
                f"--sub {subject}: not a subject of this run. "
                f"Subjects: {listing(run.config.subjects)}."
            )
    return tuple(s for s in run.config.subjects if s in found)


def _check_latents(run: Run, subjects: Sequence[str], features: Sequence[str]) -> None:
    for subject in subjects:
        for feature in features:
            if not run.config.features[feature].store:
                stored(run, subject, feature, "weights")
            file = run.latents(subject, feature) / "train.npy"
            for needed in (file, file.with_suffix(".json")):
                if not needed.exists():
                    raise RunError(
                        f"{needed}: the latents that {feature!r} is fitted on are gone. Give the "
                        "decode command that began the run again, with --from encode."
                    )


def _parts(run: Run, subject: str, feature: str, question: Question) -> tuple[Part, ...]:
    shapes = LatentFile.open(run.latents(subject, feature) / "train.npy").shapes
    return parts_of(feature, shapes, question.tokens, question.components)
