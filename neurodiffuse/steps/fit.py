"""Fit: solve the ridge problem of each set of voxels and each penalty, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import folds, maps, ridge
from neurodiffuse.files import write_json
from neurodiffuse.progress import progress, say
from neurodiffuse.report import wording
from neurodiffuse.run import Run, inputs
from neurodiffuse.types import Shape


def fit(run: Run, subject: str) -> None:
    """Write the ridge factors of a subject; see `neurodiffuse.ridge` for the equations.

    Features that read the same voxels share one Gram matrix, and those with the same penalty
    one factor, however many targets they have. Penalties that are chosen share one
    eigendecomposition. ``fit.json`` says which feature uses which.
    """
    inputs.begin(run, subject, "fit")
    groups: dict[tuple[bytes, str], list[str]] = {}
    for feature, part in run.config.features.items():
        voxels = maps.feature_voxels(run, subject, feature)
        alone = feature if part.bands else ""
        groups.setdefault((voxels.tobytes(), alone), []).append(feature)
    about: dict[str, dict[str, Any]] = {}
    labels = {feature: folds.labels_of(run, subject, feature) for feature in run.config.features}
    work = progress(groups.items(), f"sub-{subject} fit", total=len(groups), quiet=run.quiet)
    with run.writing(run.folder("fit", subject)) as folder:
        for number, ((key, alone), features) in enumerate(work):
            voxels = np.frombuffer(key, np.intp)
            same: dict[str, Any] = {"voxels": f"voxels{number}", "n_voxels": len(voxels)}
            np.save(folder / f"voxels{number}.npy", voxels)
            x = maps.training_betas(run, subject, voxels)
            if alone:
                scale = _scale(run, subject, alone, voxels, x, labels[alone], folder)
                same["scale"] = f"scale{number}"
                np.save(folder / f"scale{number}.npy", scale)
                x = x * scale
            gram = ridge.gram(x, algebra=run.algebra())
            found = _given(run, features, gram, folder, f"factor{number}")
            chosen = [f for f in features if isinstance(run.config.features[f].alpha, str)]
            if chosen:
                left = {feature: labels[feature] for feature in chosen}
                found |= _chosen(run, subject, left, gram, folder, f"spectrum{number}")
            for feature, said in found.items():
                left_out = _left_out(run, feature, labels[feature], folder)
                about[feature] = said | same | {"n_rows": len(x)} | left_out
        write_json(folder / "fit.json", about)
        inputs.note(run, subject, "fit", folder)


def _scale(
    run: Run,
    subject: str,
    feature: str,
    voxels: np.ndarray,
    x: np.ndarray,
    out: folds.Labels,
    folder: Path,
) -> np.ndarray:
    """Choose the scales of a feature's bands, write what was tried and return the best."""
    part = run.config.features[feature]
    latents, rows = maps.training_latents(run, subject, feature)
    found = ridge.choose_bands(
        x,
        maps.bands_of(run, subject, feature, voxels),
        maps.latent_blocks(latents, rows),
        latents.targets,
        alphas=np.array(part.alphas) if part.alphas else None,
        method=str(part.alpha),
        leave_out=out.groups,
        images=out.images,
        algebra=run.algebra(),
    )
    names = [*part.bands, "others"][: found.shares.shape[1]]
    lines = ["\t".join([*names, "r2"])]
    for shares, r2 in zip(found.shares, found.r2, strict=True):
        lines.append("\t".join(f"{value:.6f}" for value in (*shares, r2)))
    text = "\n".join(lines) + "\n"
    (folder / f"{feature}_bands.tsv").write_text(text, encoding="utf-8")
    return found.scale


def _left_out(run: Run, feature: str, found: folds.Labels, folder: Path) -> dict[str, Any]:
    """Write which rows are left out together, where it is not just those of an image."""
    if run.config.features[feature].leave_out == "image":
        return {}
    assert found.groups is not None
    np.save(folder / f"{feature}_leave_out.npy", found.groups)
    return {"leave_out": f"{feature}_leave_out", "left_out_groups": int(found.groups.max()) + 1}


def _given(
    run: Run, features: list[str], gram: ridge.Gram, folder: Path, name: str
) -> dict[str, dict[str, Any]]:
    """Write a factor for each penalty that the recipe gives."""
    given = {f: run.config.features[f].alpha for f in features}
    alphas = {f: float(alpha) for f, alpha in given.items() if not isinstance(alpha, str)}
    said: dict[float, dict[str, Any]] = {}
    each = sorted(set(alphas.values()))
    for k, alpha in enumerate(each):
        last = len(alphas) == len(features) and alpha == each[-1]
        factor = ridge.factorise(gram, alpha, last=last)
        said[alpha] = maps.save_factor(folder, f"{name}-{k}", factor)
        del factor  # its memory serves the next one
    return {f: {"alpha": alpha, **said[alpha]} for f, alpha in alphas.items()}


def _chosen(
    run: Run,
    subject: str,
    features: dict[str, folds.Labels],
    gram: ridge.Gram,
    folder: Path,
    name: str,
) -> dict[str, dict[str, Any]]:
    """Choose penalties, write which and why, and the eigenvectors that serve them all.

    ``features`` says of each which rows are left out together.
    """
    grids = {
        f: np.array(run.config.features[f].alphas or ridge.default_alphas(gram), float)
        for f in features
    }
    spectrum = ridge.decompose(gram, min(grid.min() for grid in grids.values()))
    smallest, missed = np.inf, dict[str, list[int]]()
    for feature, grid in grids.items():
        chosen = _choose(run, subject, feature, spectrum, grid, features[feature])
        each = chosen.alphas[chosen.choice]
        varying = ~np.isnan(chosen.best)
        missed[feature] = [int((chosen.best[varying] <= 0).sum()), int(varying.sum())]
        for remark in wording.unpredicted(feature, *missed[feature]):
            say(f"sub-{subject} {remark.words}", quiet=run.quiet)
        np.save(folder / f"{feature}_alpha.npy", each)
        np.save(folder / f"{feature}_alpha_curves.npy", chosen.curves)
        _write_table(folder / f"{feature}_alpha.tsv", chosen)
        smallest = min(smallest, float(each.min()))
    if not ridge.predicts(spectrum, smallest):
        spectrum = ridge.decompose(gram, smallest, predict=True)
    said = maps.save_factor(folder, name, spectrum.factor(smallest))
    return {
        f: {"alpha": run.config.features[f].alpha, "unpredicted": missed[f], **said}
        for f in features
    }


def _choose(
    run: Run,
    subject: str,
    feature: str,
    spectrum: ridge.Spectrum,
    grid: np.ndarray,
    out: folds.Labels,
) -> ridge.Selection:
    part = run.config.features[feature]
    latents, rows = maps.training_latents(run, subject, feature)
    blocks = progress(
        maps.latent_blocks(latents, rows),
        f"sub-{subject} {feature} alpha",
        total=len(latents.columns()),
        quiet=run.quiet,
    )
    return ridge.select_alphas(
        spectrum,
        grid,
        blocks,
        method=str(part.alpha),
        groups=groups_of(latents.shapes, part.alpha_per),
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


def _write_table(path: Path, chosen: ridge.Selection) -> None:
    """Write a row for each penalty: its mean score and how many targets chose it."""
    known = chosen.curves[~np.isnan(chosen.curves).any(axis=1)]  # -inf: too small a penalty
    mean = known.mean(axis=0, dtype=np.float64) if len(known) else np.zeros(len(chosen.alphas))
    targets = np.bincount(chosen.choice, minlength=len(chosen.alphas))
    lines = ["alpha\tr2\ttargets"]
    for alpha, score, count in zip(chosen.alphas, mean, targets, strict=True):
        lines.append(f"{alpha:.6g}\t{score:.6f}\t{count}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
