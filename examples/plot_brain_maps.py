"""
Where a feature is read from
============================

The maps that decode pictures can be projected back onto the brain: which voxels is each feature
read from, and which regions more than others? The brain is the bundled simulated one, where we
know what was planted, so we can see what such maps show and what they do not.
"""

# %%
# Fit two subjects
# ----------------
# ``decode`` would go on to paint pictures. Here its steps up to the fit are enough.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from nilearn import plotting
from nilearn.maskers import NiftiMasker
from PIL import Image

from neurodiffuse.questions.roi_optimal.source import fitted, to_fit
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.run import opened

here = Path.cwd()
root = next(p / "bids_example" for p in (here, *here.parents) if (p / "bids_example").is_dir())
run, _ = to_fit(
    None,
    dataset="bids",
    subjects=["01", "02"],
    root=str(root),
    recipe="",
    out=Path(tempfile.mkdtemp()) / "run",
    quiet=True,
)
with opened(run):
    fitted(run)
    answer = weights(run, Question(measures=("percentile", "pattern", "explained")))
print("recipe:", run.config.name, "with the features", ", ".join(run.config.features))

# %%
# On the command line, after ``decode``, this is
#
# .. code-block:: text
#
#    neurodiffuse weights --run runs/demo --measure percentile --measure pattern --measure explained
#
# Maps are ordinary images
# ------------------------
# They have the grid of the betas, so nilearn draws them on the subject's own anatomy. Never draw
# a subject's own volume on a template: its coordinates are its own.

maps = pd.read_csv(answer.folder / "maps.tsv", sep="\t")
print(
    maps.loc[maps["subject"] == 1, ["feature", "stat", "targets", "voxels"]].to_string(index=False)
)

feature = next(iter(run.config.features))
mine = maps[(maps["subject"] == 1) & (maps["feature"] == feature)].set_index("stat")["file"]
plotting.plot_stat_map(
    answer.folder / mine["percentile"],
    bg_img=run.subject("01").anatomy,
    cmap="viridis",
    vmin=0,
    vmax=100,
    threshold=1e-9,
    cbar_tick_format="%i",
    display_mode="z",
    cut_coords=[-14, -5, 2, 11],
    title=f"{feature}: percentile of weights",
)
plotting.show()

# %%
# Weights are not activations
# ---------------------------
# Some voxels of this brain respond to nothing. A map of weights does not know: they help the
# decoder to cancel noise that they share with others, and have weights of middling size. Haufe's
# pattern, which says what a voxel does when the decoded latent rises, puts them at the bottom; so
# does the share of a voxel that the feature explains in left-out images, a forward model.

masker = NiftiMasker(run.folder("mask", "01") / "mask.nii.gz", standardize=None).fit()
values = {stat: masker.transform(answer.folder / file).ravel() for stat, file in mine.items()}
silent = masker.transform(
    root / "sub-01" / "anat" / "sub-01_space-func3mm_label-unresponsive_mask.nii.gz"
)
silent = silent.ravel() > 0

fig, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
for axis, (stat, value) in zip(axes, values.items(), strict=True):
    bins = np.linspace(0, value.max(), 30)
    axis.hist(value[~silent], bins, density=True, alpha=0.6, label="all other voxels")
    axis.hist(value[silent], bins, density=True, alpha=0.6, label="respond to nothing")
    axis.set(title=stat, yticks=[])
axes[0].legend(frameon=False)
plt.show()

# %%
# Regions
# -------
# As Fig 8 of Ozcelik & VanRullen 2023: the mean percentile of a feature in a region, against the
# first feature of the recipe. Below, the same with patterns and with explained variance. Weights
# are shared among voxels that say the same, so the last two tell better what a region carries.

for stat in ("weight", "pattern", "explained"):
    plt.figure(figsize=(7, 4))
    plt.imshow(Image.open(answer.folder / f"regions_{stat}.png"))
    plt.axis("off")
    plt.show()
