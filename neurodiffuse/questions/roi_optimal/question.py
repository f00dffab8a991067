"""What is asked: everything that the pictures depend on, besides the run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from neurodiffuse import __version__
from neurodiffuse.errors import ConfigError
from neurodiffuse.questions.roi_optimal.display import Display
from neurodiffuse.questions.roi_optimal.regions import Region
from neurodiffuse.run import Run
from neurodiffuse.run.hashing import sha256_of

Renorm = Literal["train-norm", "reference", "none"]
Method = Literal["linear", "encoder-ranked"]
Pattern = Literal["ones", "signs"]

FOLDER = "roi-optimal"


@dataclass(frozen=True)
class Question:
    """Which regions, how their latents are scaled, how many pictures are made and kept.

    ``seeds`` pictures of each region are kept. With ``encoder-ranked`` they are the best of
    ``candidates`` by the activity that `encoding.ForwardModel` predicts; with ``linear`` no other
    one is made. ``pattern`` is what `patterns.patterns_of` makes of a region. ``kinds`` maps
    features to the published constants, for ``reference`` only. ``width`` is that of the pictures
    in degrees of visual angle, for ``signs`` only; None: as the data set says, if it does.
    """

    subjects: tuple[str, ...]
    regions: tuple[Region, ...]
    renorm: Renorm = "train-norm"
    method: Method = "linear"
    pattern: Pattern = "ones"
    seeds: int = 1
    candidates: int = 8
    display: Display = "none"
    kinds: Mapping[str, str] = field(default_factory=dict)
    width: float | None = None

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"--seeds: {self.seeds} pictures of a region; 1 or more are needed.")
        if self.method == "encoder-ranked" and self.candidates <= self.seeds:
            raise ConfigError(
                f"--candidates: the best {self.seeds} of {self.candidates} is no choice; give "
                f"{self.seeds + 1} or more, or fewer --seeds."
            )
        if self.width is not None and self.pattern != "signs":
            raise ConfigError(
                "--width: says in which rings the energy of random signs is measured. Use it with "
                "--pattern signs."
            )
        if self.pattern == "signs" and self.method == "encoder-ranked":
            raise ConfigError(
                "--pattern signs: asks for no activity of the region, so --method encoder-ranked "
                "has nothing to rank by. Use --method linear."
            )
        if self.pattern == "signs" and self.renorm == "reference":
            raise ConfigError(
                "--pattern signs: --renorm reference z-scores one pattern a region, as published. "
                "Use --renorm train-norm."
            )

    @property
    def patterns(self) -> int:
        """Patterns of each region: one for all its pictures, or one for each."""
        return 1 if self.pattern == "ones" else self.painted

    @property
    def painted(self) -> int:
        """Pictures that are made of each region and row."""
        return self.candidates if self.method == "encoder-ranked" else self.seeds

    @property
    def name(self) -> str:
        """The presets and regions in short, for a folder."""
        parts = dict.fromkeys(region.group or region.label for region in self.regions)
        return re.sub(r"[^A-Za-z0-9.+_-]", "", "+".join(parts))[:60]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "subjects": self.subjects,
            "regions": [[r.group, r.name, *r.choices] for r in self.regions],
            "renorm": self.renorm,
            "method": self.method,
            "pattern": self.pattern,
            "seeds": self.seeds,
            "candidates": self.painted,
            "display": self.display,
            "kinds": dict(self.kinds),
            **({"width": self.width} if self.pattern == "signs" else {}),
        }

    def place(self, run: Run) -> Path:
        """Return the folder of the results: another question or another fit is another folder."""
        config = run.config.to_dict()
        parts = ("dataset", "dataset_options", "mask", "features", "stages", "seed", "decoders")
        said = [__version__, self.to_dict(), {p: config[p] for p in parts if p in config}]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        for subject in self.subjects:
            fit = run.folder("fit", subject)
            if (fit / "fit.json").exists():  # of ridge that no section names
                for path in (fit / "fit.json", *sorted(fit.glob("*_mean.npy"))):
                    digest.update(path.read_bytes())
            for name in run.config.decoders:
                for path in sorted(p for p in (fit / name).rglob("*") if p.is_file()):
                    digest.update(f"{path.relative_to(fit)} {sha256_of(path)}".encode())
        return run.path / FOLDER / f"{self.name}-{digest.hexdigest()[:8]}"
