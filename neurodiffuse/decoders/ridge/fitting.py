"""Solve the ridge problem of each set of voxels and each penalty, once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.config.ridge import Settings
from neurodiffuse.decoders.algebra import Algebra
from neurodiffuse.decoders.ridge.bands import choose_bands
from neurodiffuse.decoders.ridge.factor import factorise
from neurodiffuse.decoders.ridge.fitted import save_factor
from neurodiffuse.decoders.ridge.gram import Gram, gram
from neurodiffuse.decoders.ridge.groups import Labels, labels_of
from neurodiffuse.decoders.ridge.selection import Selection, select_alphas
from neurodiffuse.decoders.ridge.spectrum import Spectrum, decompose, default_alphas, predicts
from neurodiffuse.decoders.ridge.summary import unpredicted
from neurodiffuse.errors import DataError
from neurodiffuse.files import write_json
from neurodiffuse.progress import progress, say
from neurodiffuse.types import Responses, Shape, Training


def fit(
    training: Training, options: Mapping[str, Settings], folder: Path, algebra: Algebra
) -> None:
    """Write the ridge factors of a subject into a folder.

    Features that read the same voxels share one Gram matrix, and those with the same penalty
    one factor, however many targets they have. Penalties that are chosen share one
    eigendecomposition. ``fit.json`` says which feature uses which.
    """
    ((subject, responses),) = training.subjects.items()
    task = _Fit(subject, responses, training, options, folder, algebra)
    groups: dict[tuple[bytes, str], list[str]] = {}
    for feature in training.features:
        alone = feature if options[feature].bands else ""
        groups.setdefault((responses.voxels[feature].tobytes(), alone), []).append(feature)
    about: dict[str, dict[str, Any]] = {}
    work = progress(groups.items(), f"sub-{subject} fit", total=len(groups), quiet=training.quiet)
    for number, ((_, alone), features) in enumerate(work):
        voxels = responses.voxels[features[0]]
        same: dict[str, Any] = {"voxels": f"voxels{number}", "n_voxels": len(voxels)}
        np.save(folder / f"voxels{number}.npy", voxels)
        x = responses.of(features[0])
        if alone:
            scale = task.scale(alone, x)
            same["scale"] = f"scale{number}"
            np.save(folder / f"scale{number}.npy", scale)
            x = x * scale
        shared = gram(x, algebra=algebra)
        found = task.given(features, shared, f"factor{number}")
        chosen = [f for f in features if isinstance(options[f].alpha, str)]
        if chosen:
            found |= task.chosen(chosen, shared, f"spectrum{number}")
        for feature, said in found.items():
            about[feature] = said | same | {"n_rows": len(x)} | task.left_out(feature)
    write_json(folder / "fit.json", about)


class _Fit:
    """The fit of one subject: what it is of, and where it is written."""

    def __init__(
        self,
        subject: str,
        responses: Responses,
        training: Training,
        options: Mapping[str, Settings],
        folder: Path,
        algebra: Algebra,
    ) -> None:
        self.subject, self.responses, self.quiet = subject, responses, training.quiet
        self.options, self.folder, self.algebra = options, folder, algebra
        self.labels: dict[str, Labels] = {
            feature: labels_of(
                responses,
                feature,
                options[feature].leave_out,
                f"sub-{subject}: features.{feature}.leave_out",
                training.seed,
            )
            for feature in training.features
        }

    def scale(self, feature: str, x: np.ndarray) -> np.ndarray:
        """Choose the scales of a feature's bands, write what was tried and return the best."""
        part, out = self.options[feature], self.labels[feature]
        targets = self.responses.targets[feature]
        found = choose_bands(
            x,
            self._bands(feature),
            targets.blocks(),
            targets.size,
            alphas=np.array(part.alphas) if part.alphas else None,
            method=str(part.alpha),
            leave_out=out.groups,
            images=out.images,
            algebra=self.algebra,
        )
        names = [*part.bands, "others"][: found.shares.shape[1]]
        lines = ["\t".join([*names, "r2"])]
        for shares, r2 in zip(found.shares, found.r2, strict=True):
            lines.append("\t".join(f"{value:.6f}" for value in (*shares, r2)))
        text = "\n".join(lines) + "\n"
        (self.folder / f"{feature}_bands.tsv").write_text(text, encoding="utf-8")
        return found.scale

    def _bands(self, feature: str) -> np.ndarray:
        """Return the band of each voxel, from 0; a voxel belongs to the first that has it."""
        voxels, expressions = self.responses.voxels[feature], self.options[feature].bands
        band = np.full(len(voxels), len(expressions), np.intp)
        for k, expression in reversed(list(enumerate(expressions))):
            chosen = self.responses.region(expression, f"features.{feature}.bands")
            band[chosen[voxels]] = k
        for k, expression in enumerate(expressions):
            if not (band == k).any():
                raise DataError(
                    f"features.{feature}.bands: {expression!r} has no voxel of "
                    f"sub-{self.subject}'s that is in the mask and in no earlier band. Leave it "
                    "out, or widen --mask."
                )
        return band

    def left_out(self, feature: str) -> dict[str, Any]:
        """Write which rows are left out together, where it is not just those of an image."""
        if self.options[feature].leave_out == "image":
            return {}
        groups = self.labels[feature].groups
        assert groups is not None
        np.save(self.folder / f"{feature}_leave_out.npy", groups)
        return {"leave_out": f"{feature}_leave_out", "left_out_groups": int(groups.max()) + 1}

    def given(self, features: list[str], shared: Gram, name: str) -> dict[str, dict[str, Any]]:
        """Write a factor for each penalty that the recipe gives."""
        given = {f: self.options[f].alpha for f in features}
        alphas = {f: float(alpha) for f, alpha in given.items() if not isinstance(alpha, str)}
        said: dict[float, dict[str, Any]] = {}
        each = sorted(set(alphas.values()))
        for k, alpha in enumerate(each):
            last = len(alphas) == len(features) and alpha == each[-1]
            factor = factorise(shared, alpha, last=last)
            said[alpha] = save_factor(self.folder, f"{name}-{k}", factor)
            del factor  # its memory serves the next one
        return {f: {"alpha": alpha, **said[alpha]} for f, alpha in alphas.items()}

    def chosen(self, features: list[str], shared: Gram, name: str) -> dict[str, dict[str, Any]]:
        """Choose penalties, write which and why, and the eigenvectors that serve them all."""
        grids = {
            f: np.array(self.options[f].alphas or default_alphas(shared), float) for f in features
        }
        spectrum = decompose(shared, min(grid.min() for grid in grids.values()))
        smallest, missed = np.inf, dict[str, list[int]]()
        for feature, grid in grids.items():
            chosen = self._choose(feature, spectrum, grid)
            each = chosen.alphas[chosen.choice]
            varying = ~np.isnan(chosen.best)
            missed[feature] = [int((chosen.best[varying] <= 0).sum()), int(varying.sum())]
            for remark in unpredicted(feature, *missed[feature]):
                say(f"sub-{self.subject} {remark.words}", quiet=self.quiet)
            np.save(self.folder / f"{feature}_alpha.npy", each)
            np.save(self.folder / f"{feature}_alpha_curves.npy", chosen.curves)
            _write_table(self.folder / f"{feature}_alpha.tsv", chosen)
            smallest = min(smallest, float(each.min()))
        if not predicts(spectrum, smallest):
            spectrum = decompose(shared, smallest, predict=True)
        said = save_factor(self.folder, name, spectrum.factor(smallest))
        return {
            f: {"alpha": self.options[f].alpha, "unpredicted": missed[f], **said} for f in features
        }

    def _choose(self, feature: str, spectrum: Spectrum, grid: np.ndarray) -> Selection:
        part, out = self.options[feature], self.labels[feature]
        targets = self.responses.targets[feature]
        blocks = progress(
            targets.blocks(),
            f"sub-{self.subject} {feature} alpha",
            total=len(targets.columns()),
            quiet=self.quiet,
        )
        return select_alphas(
            spectrum,
            grid,
            blocks,
            method=str(part.alpha),
            groups=groups_of(targets.shapes, part.alpha_per),
            leave_out=out.groups,
            images=out.images,
        )


def groups_of(shapes: tuple[Shape, ...], per: str) -> np.ndarray | None:
    """Return which group each target of a feature belongs to, None for one each.

    Latents (tokens, width) have a group for each token, others one for each of their shapes.
    """
    if per == "target":
        return None
    sizes = [int(np.prod(shape)) for shape in shapes]
    if per == "feature":
        return np.zeros(sum(sizes), np.intp)
    counts: list[int] = []
    for shape, size in zip(shapes, sizes, strict=True):
        tokens = shape[0] if len(shape) == 2 else 1
        counts += [size // tokens] * tokens
    return np.repeat(np.arange(len(counts)), counts)


def _write_table(path: Path, chosen: Selection) -> None:
    """Write a row for each penalty: its mean score and how many targets chose it."""
    known = chosen.curves[~np.isnan(chosen.curves).any(axis=1)]  # -inf: too small a penalty
    mean = known.mean(axis=0, dtype=np.float64) if len(known) else np.zeros(len(chosen.alphas))
    targets = np.bincount(chosen.choice, minlength=len(chosen.alphas))
    lines = ["alpha\tr2\ttargets"]
    for alpha, score, count in zip(chosen.alphas, mean, targets, strict=True):
        lines.append(f"{alpha:.6g}\t{score:.6f}\t{count}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
