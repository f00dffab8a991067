"""
Choose the ridge penalty
========================

How strongly ridge shrinks, its penalty alpha, decides how well latents are predicted from the
brain. A recipe can give the number, or have it chosen from the training images alone: for the
whole feature, or for every target by itself. Here we let it be chosen, look at the curve behind
the choice, and check on test images whether the choice was good.
"""

# %%
# Three runs
# ----------
# The bundled subject and the recipe ``pixels``, up to ``predict``: with a penalty that is far too
# small, with one chosen for the feature by generalised cross-validation, and with one chosen for
# each of its 60 targets.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened

here = Path.cwd()
root = next(p / "bids_example" for p in (here, *here.parents) if (p / "bids_example").is_dir())
registry = Registry.installed()
place = Path(tempfile.mkdtemp())


def predicted(name, *settings):
    """Return a run of the steps up to ``predict``."""
    config = resolve(
        registry,
        dataset="bids",
        subjects=["01"],
        recipe="pixels",
        root=str(root),
        settings=[f"features.pixels.{setting}" for setting in settings],
    )
    config, data = pipeline.open_subjects(config, registry)
    run = Run(place / name, config, registry, data, quiet=True)
    with opened(run):
        pipeline.execute(run, until="predict")
    return run


runs = {
    "alpha = 1": predicted("small", "alpha=1"),
    "gcv, per feature": predicted("feature", "alpha=gcv"),
    "gcv, per target": predicted("target", "alpha=gcv", "alpha_per=target"),
}

# %%
# On the command line, ``decode`` does the same with
#
# .. code-block:: text
#
#    --set features.pixels.alpha=gcv --set features.pixels.alpha_per=target
#
# The curve behind the choice
# ---------------------------
# One eigendecomposition of the betas scores every penalty. The score is an estimate of R² for
# training images that are predicted from the others; the test images play no part in it. A small
# penalty trusts noise, a large one predicts the mean of everything.

fit = runs["gcv, per target"].folder("fit", "01")
table = np.loadtxt(fit / "pixels_alpha.tsv", skiprows=1)  # alpha, R², targets that chose it
curves = np.load(fit / "pixels_alpha_curves.npy")
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for number in (0, 5, 20):
    left.semilogx(table[:, 0], curves[number], label=f"component {number + 1}")
left.semilogx(table[:, 0], table[:, 1], "k--", label="mean of all 60")
left.set(ylim=(-0.5, 1), xlabel="alpha", ylabel="R² of left-out training images")
left.legend(frameon=False)
right.bar(table[:, 0], table[:, 2], width=0.4 * table[:, 0])
right.set(xscale="log", xlabel="alpha", ylabel="targets that chose it")
plt.show()

# %%
# The first components of a picture, its large patches of light and dark, can be read from this
# brain well and want a small penalty. Fine ones can hardly be read; the best that can be done is to
# predict little of them. A quarter takes the largest penalty on offer, which predicts the mean.
#
# Was it a good choice?
# ---------------------
# R² on the test images, which nothing was chosen on:

for name, run in runs.items():
    r2 = np.load(run.folder("predict", "01") / "pixels_r2.npy")
    print(f"{name:18} mean R² {r2.mean():7.3f}   targets better than their mean: {(r2 > 0).sum()}")
