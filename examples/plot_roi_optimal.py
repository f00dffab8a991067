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
import numpy as np
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
# Eccentricity
# ------------
# Bands of V1 to V4 look at rings around the centre of gaze. Their voxels prefer opposite things,
# one light and its neighbour dark, so that a pattern of ones says little of *where* they look: what
# they say cancels by chance. Random signs, drawn anew for each of 32 pictures, do not cancel on
# average: the mean squared difference from the mean stimulus is what the voxels do one by one.

asked = ["--run", run, "--roi", "eccentricity", "--pattern", "signs", "--seeds", "32", "--quiet"]
roi_optimal.main([str(word) for word in asked], standalone_mode=False, obj={})
signs = next(place for place in (run / "roi-optimal").iterdir() if place != answer)

bands = ["0-0.5", "0.5-1", "1-2", "2-4", "over4"]
files = sorted((root / "stimuli").glob("*.png"))
mean = np.mean([np.asarray(Image.open(file).convert("RGB")) for file in files], axis=0)
axis = ((np.arange(64) + 0.5) / 64 - 0.5) * 8.4  # the pictures are 8.4 degrees wide
ring = np.digitize(np.hypot(axis[:, None], axis[None]), [0.5, 1, 2, 4])

energy = np.zeros((5, 5))
for k, band in enumerate(bands):
    found = (signs / "sub-01" / "eccentricity" / band).glob("*_stage-recon.png")
    apart = [((np.asarray(Image.open(file)) - mean) ** 2).mean(axis=2) for file in found]
    energy[k] = [np.mean(apart, axis=0)[ring == other].mean() for other in range(5)]

names = ["0–0.5°", "0.5–1°", "1–2°", "2–4°", "> 4°"]
figure, axes = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
shown = axes.imshow(energy / energy.mean(axis=0), cmap="cividis")
axes.set_xticks(range(5), names)
axes.set_yticks(range(5), names)
axes.set_xlabel("ring of the picture")
axes.set_ylabel("band of V1–V4")
figure.colorbar(shown, label="energy, relative to all bands")
plt.show()
