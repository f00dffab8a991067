"""A run: its configuration, the parts it is made with, and where its results are."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from neurodiffuse.config import STEPS, Config, DecoderConfig, mask_named_by
from neurodiffuse.config.ridge import KEYS, RIDGE
from neurodiffuse.errors import ConfigError, DataError, listing
from neurodiffuse.files import read_json, remove_folder, said_clearly
from neurodiffuse.machine import Machine
from neurodiffuse.options import parameters
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Dataset, Decoder, Encoder, Generator, Metric, Refiner, Subject

if TYPE_CHECKING:
    import numpy as np

    from neurodiffuse.decoders.algebra import Algebra
    from neurodiffuse.run.inputs import Reading

FOLLOWS: tuple[str, ...] = (
    "report.html",
    "sub-*",
    "steps/sub-average",
    "average",
    "branches",
    "ablate*",
    "compare*",
    "controls*",
    "roi-optimal*",
    "weights*",
)
"""What is made of the steps' results and goes when one of them is computed again."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder with its configuration: the only argument of a step.

    A branch of a run has a ``trunk``: it differs in the steps that are its ``own`` and shares
    the results of all others, and the latents.
    """

    path: Path
    config: Config
    registry: Registry
    dataset: Dataset
    quiet: bool = False
    machine: Machine = field(default_factory=Machine)
    trunk: Run | None = None
    own: tuple[str, ...] = STEPS
    contents: dict[str, str] = field(default_factory=dict, repr=False)
    _subjects: dict[str, Subject] = field(default_factory=dict, repr=False)
    _readings: dict[tuple[str, str], Reading] = field(default_factory=dict, repr=False)

    # --- parts, built from the registry -------------------------------------------------------

    def subject(self, label: str) -> Subject:
        """Return a subject as the data set knows it (read once)."""
        if label not in self._subjects:
            self._subjects[label] = self.dataset.subject(label)
        return self._subjects[label]

    def encoder(self, feature: str) -> Encoder:
        """Return a new encoder of a feature."""
        part = self.config.features[feature]
        cls = self.registry.load(self.registry.card("encoder", part.encoder))
        return cast("Encoder", cls(**self.machine.given_to(cls, part.options)))

    def decoders(self) -> dict[str, tuple[Decoder, tuple[str, ...]]]:
        """Return a new object of each decoder of the recipe, and the features that it predicts."""
        return {
            name: (self.decoder(name), features)
            for name, features in self.config.predicted_by().items()
        }

    def decoder(self, name: str) -> Decoder:
        """Return a new decoder, by its name in the recipe.

        One whose constructor names ``features`` is given the options that stand in the sections of
        its features, one that names ``algebra`` what computes on this machine.
        """
        part = self.config.decoders.get(name, DecoderConfig(RIDGE))
        cls = self.registry.load(self.registry.card("decoder", part.decoder))
        named = parameters(cls)
        given: dict[str, Any] = self.machine.given_to(cls, part.options)
        if "features" in named:
            features = self.config.predicted_by()[name]
            own = {f: self.config.features[f] for f in features if self.config.features[f].alpha}
            given["features"] = {f: {k: getattr(one, k) for k in KEYS} for f, one in own.items()}
        if "algebra" in named:
            given["algebra"] = self.machine.algebra(self.registry)
        return cast("Decoder", cls(**given))

    def refiner(self, name: str) -> Refiner:
        """Return a new refiner, by its name in the recipe."""
        part = self.config.refiners[name]
        cls = self.registry.load(self.registry.card("refiner", part.refiner))
        return cast("Refiner", cls(**self.machine.given_to(cls, part.options)))

    def generator(self, stage: str) -> Generator:
        """Return a new generator of a stage."""
        part = self.config.stages[stage]
        cls = self.registry.load(self.registry.card("generator", part.generator))
        return cast("Generator", cls(**self.machine.given_to(cls, part.options)))

    def metric(self, name: str) -> Metric:
        """Return a new metric."""
        part = self.config.metrics[name]
        cls = self.registry.load(self.registry.card("metric", part.metric))
        return cast("Metric", cls(**self.machine.given_to(cls, part.options)))

    def algebra(self) -> Algebra:
        """Return what large products are computed with on this machine."""
        from neurodiffuse.decoders.algebra import BLAS

        return self.machine.algebra(self.registry) or BLAS

    def select(self, subject: str, expression: str, where: str = "--mask") -> np.ndarray:
        """Return the voxels that an ROI expression names, bool (grid.size,).

        ``where`` is the option that the expression was given by.

        Raises
        ------
        ConfigError
            If the expression cannot be read or names an unknown region.
        DataError
            If it selects no voxel.
        """
        from neurodiffuse import rois

        about = self.subject(subject)
        known = [roi.name for roi in about.rois]
        try:
            parsed = rois.parse_for(about, expression)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        voxels = rois.evaluate(
            parsed, lambda name: self.dataset.roi(subject, name), about.grid.size
        )
        if not voxels.any():
            raise DataError(
                f"{where} {expression!r}: no voxel of sub-{subject} is in it. "
                f"Regions: {listing(known)}."
            )
        return voxels

    def mask(self, subject: str) -> np.ndarray:
        """Return the voxels to decode from, bool (grid.size,); raises as `select`."""
        if own := self.config.mask.select:
            return self.select(subject, own, mask_named_by(self.registry, self.config))
        return self.select(subject, self.subject(subject).mask, "the data set's own mask")

    # --- folders ------------------------------------------------------------------------------

    def folder(self, step: str, subject: str) -> Path:
        """Return where a step's result is, or will be."""
        if self.trunk is not None and step not in self.own:
            return self.trunk.folder(step, subject)
        return self.path / "steps" / f"sub-{subject}" / step

    def latents(self, subject: str, feature: str) -> Path:
        """Return the folder where the encode step put a feature's latents for a subject."""
        places = read_json(self.folder("encode", subject) / "features.json")
        return self.shelf / str(places[feature])

    @property
    def shelf(self) -> Path:
        """The folder of everybody's latents."""
        return self.path / "latents" if self.trunk is None else self.trunk.shelf

    @contextlib.contextmanager
    def writing(self, place: Path, *, resume: bool = False) -> Iterator[Path]:
        """Give a folder beside ``place`` to write in; it becomes ``place`` when all went well.

        With ``resume`` the folder that a killed process left is handed out again, for steps
        whose files are themselves written whole; otherwise it is emptied first.
        """
        partial = place.with_name(place.name + ".partial")
        with said_clearly(self.path):
            if partial.exists() and not resume:
                shutil.rmtree(partial)
            partial.mkdir(parents=True, exist_ok=True)
            try:
                yield partial
            except BaseException:
                if not resume:  # a full disk has room again, and a failed step leaves nothing
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            if place.exists():
                shutil.rmtree(place)
            partial.rename(place)

    def remove_from(self, step: str) -> None:
        """Remove the results of a step and of all later ones."""
        for later in STEPS[STEPS.index(step) :]:
            if later == "encode":
                remove_folder(self.path / "latents")
            for subject in self.config.subjects:
                remove_folder(self.folder(later, subject))
                remove_folder(self.folder(later, subject).with_name(later + ".partial"))
        for follows in FOLLOWS:
            for place in self.path.glob(follows):
                place.unlink() if place.is_file() else remove_folder(place)

    def log_step(self, step: str, subject: str, seconds: float, host: str) -> None:
        """Note in ``logs/steps.tsv`` when a step ended, how long it took and on which machine."""
        logs = self.path / "logs"
        logs.mkdir(exist_ok=True)
        new = not (logs / "steps.tsv").exists()
        with (logs / "steps.tsv").open("a", encoding="utf-8") as table:
            if new:
                table.write("ended\tstep\tsubject\tseconds\thost\n")
            ended = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            table.write(f"{ended}\t{step}\t{subject}\t{seconds:.2f}\t{host}\n")
