"""
What a region stands for
========================

Maps that decode pictures can be asked what is seen when one region alone is active. The brain is
the bundled simulated one, where we know what was planted: voxels of some regions respond to
faces, words, houses or people, and those of V1 to V4 to a small part of the visual field.
"""

# %%
# Ask
# ---
# On the command line this is
#
# .. code-block:: text
#
#    neurodiffuse roi-optimal --roi category --roi eccentricity --recipe pixels \
#        --dataset bids --root bids_example --sub 01 --sub 02
#
# The recipe ``pixels`` needs no network: its latents are principal components of the pictures,
# and its pictures are what the components add up to.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from neurodiffuse.questions.roi_optimal.command import roi_optimal

here = Path.cwd()
root = next(p / "bids_example" for p in (here, *here.parents) if (p / "bids_example").is_dir())
run = Path(tempfile.mkdtemp()) / "run"
command = ["--roi", "category", "--roi", "eccentricity", "--recipe", "pixels", "--out", run]
command += ["--dataset", "bids", "--root", root, "--sub", "01", "--sub", "02", "--quiet"]
roi_optimal.main([str(word) for word in command], standalone_mode=False, obj={})
(answer,) = (run / "roi-optimal").iterdir()

# %%
# Categories
# ----------
# A pattern of ones in all face regions and zeros elsewhere becomes a blurred face, that of the
# place regions a house: blurred, because sixty components of pixels are all this recipe has.

plt.figure(figsize=(6.2, 4.8))
plt.imshow(Image.open(answer / "figure-category.png"))
plt.axis("off")
plt.show()

# %%
# Each picture is scored by a forward model, from the latents of pictures to voxels: how strongly
# would the region respond to it, above the rest of the brain? ``model_r2`` is what the model
# explains in pictures left out of its fit.

made = pd.read_csv(answer / "images.tsv", sep="\t")
columns = ["region", "subject", "voxels", "predicted_activation", "model_r2"]
print(made.loc[made["group"] == "category", columns].to_string(index=False))

# %%
# Where a region looks
# --------------------
# Bands of V1 to V4 look at rings around the centre of gaze. Their voxels prefer opposite things,
# one light and its neighbour dark, so that a pattern of ones says little of *where* they look: what
# they say cancels by chance. Random signs, drawn anew for each of 128 pictures, do not cancel on
# average: the mean squared difference from the mean stimulus is what the voxels do one by one.

asked = ["--run", run, "--roi", "eccentricity", "--pattern", "signs", "--seeds", "128"]
asked += ["--sub", "01", "--quiet"]
roi_optimal.main([str(word) for word in asked], standalone_mode=False, obj={})
signs = next(place for place in (run / "roi-optimal").iterdir() if place != answer)

plt.figure(figsize=(7.6, 4.1))
plt.imshow(Image.open(signs / "energy-eccentricity_stage-recon.png"))
plt.axis("off")
plt.tight_layout(pad=0)
plt.show()

# %%
# Circles are the borders between the bands; a large mark is the band's own ring. ``peak_share`` is
# how often the same ring has the most energy when the pictures are drawn again from these: whether
# other signs would move the peak. Where it is far from 1, more pictures are needed, or the latents
# cannot tell: components of pixels place two bands a ring beside their own. The recipe
# ``demo-layout`` has finer latents.

energy = pd.read_csv(signs / "energy.tsv", sep="\t")
columns = ["region", "ring", "inner", "outer", "energy", "standard_error", "peak_share"]
print(energy.loc[energy["peak"], columns].to_string(index=False))
