"""
Plant a brain, and find what was planted
========================================

A decoder cannot be checked on a real brain, because nobody knows what its voxels stand for. In a
simulated one everything is known: ``neurodiffuse simulate`` gives every voxel a receptive field or
a preferred category, computes its responses to pictures, adds noise, and writes down what it
planted. Here we simulate one subject, forget the answers, estimate them from the responses, and
compare.
"""

# %%
# Simulate
# --------
# One person sees 400 drawn scenes once and 20 test scenes three times, with half as much noise as
# signal in the median voxel. The same command on the command line would be::
#
#     neurodiffuse simulate brain --subjects 1 --train 400 --test 20 --noise 0.5

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image

from neurodiffuse.cli import cli

root = Path(tempfile.mkdtemp()) / "brain"
options = ["--subjects", "1", "--train", "400", "--test", "20", "--noise", "0.5"]
cli.main(["--quiet", "simulate", str(root), *options], standalone_mode=False)

# %%
# What comes out is a BIDS derivative like any other: a 4D file of single-trial betas for each run,
# a table of events beside it whose row k belongs to volume k, masks and regions. We read it with
# nibabel and pandas, as anybody could.

runs = sorted(root.glob("sub-01/ses-*/func/*_statmap.nii.gz"))
events = pd.concat(
    pd.read_csv(str(run).split("_space-")[0] + "_events.tsv", sep="\t") for run in runs
)
mask = nib.load(next(root.glob("sub-01/anat/*_label-visual_mask.nii.gz"))).get_fdata() > 0
betas = np.vstack([nib.load(run).get_fdata(dtype=np.float32)[mask].T for run in runs])
print(f"{len(runs)} runs, {betas.shape[0]} trials, {betas.shape[1]} voxels")

# %%
# What was planted lies in ``sourcedata/truth``, a row a voxel in the same order.

truth = pd.read_csv(root / "sourcedata" / "truth" / "sub-01_voxels.tsv", sep="\t")
print(truth[["region", "x", "y", "size", "prefers", "ncsnr"]].iloc[::300].to_string())

# %%
# Receptive fields
# ----------------
# To find what part of the picture a voxel of V1 looks at, we lay Gaussian windows of several sizes
# at many places, describe what is in the window (brightness, two colour axes, contrast of four
# orientations at two scales), and ask which window's content predicts the voxel best. The
# simulator's own filters are not used: these are plain finite differences.

FIELD = json.loads((root / "sourcedata/truth/simulation.json").read_text())["field_of_view_degrees"]


def contents(picture: np.ndarray) -> np.ndarray:
    """Return maps (11, 32, 32) of brightness, colour and oriented contrast of a picture."""
    red, green, blue = np.moveaxis(picture.astype(float) / 255, -1, 0)
    grey = (red + green + blue) / 3
    maps = [grey, red - green, blue - (red + green) / 2]
    for step in (2, 4):
        for down, right in ((0, step), (step, 0), (step, step), (step, -step)):
            there = np.roll(grey, (down, right), (0, 1))
            back = np.roll(grey, (-down, -right), (0, 1))
            maps.append(np.abs(there - back))
    return np.stack(maps).reshape(-1, 32, 2, 32, 2).mean((2, 4))


ids = events["stim_id"].unique()
pictures = [np.asarray(Image.open(root / "stimuli" / f"{name}_image.png")) for name in ids]
maps = np.stack([contents(picture) for picture in pictures])

shown = events["stim_id"].map({name: k for k, name in enumerate(ids)}).to_numpy()
answers = np.zeros((len(ids), betas.shape[1]))  # a row a picture: the mean of its trials
np.add.at(answers, shown, betas)
answers /= np.bincount(shown)[:, None]

in_v1 = truth["region"].isin(["V1v", "V1d"]).to_numpy()
y = answers[:, in_v1] - answers[:, in_v1].mean(0)
at = (np.arange(32) + 0.5) / 32 * FIELD - FIELD / 2  # degrees
centres = np.arange(-4, 4.1, 0.4)

best = np.full(in_v1.sum(), -np.inf)
found = np.zeros((in_v1.sum(), 2))
for size in (0.35, 0.55, 0.8):
    window = np.exp(-((at - centres[:, None]) ** 2) / (2 * size**2))
    columns = maps @ window.T  # (picture, map, row, centre): summed across
    for k, right in enumerate(centres):
        for up in centres:
            x = columns[..., k] @ np.exp(-((-at - up) ** 2) / (2 * size**2))
            basis, _ = np.linalg.qr(x - x.mean(0))
            explained = ((basis.T @ y) ** 2).sum(0)
            better = explained > best
            best[better], found[better] = explained[better], (right, up)

planted = truth.loc[in_v1, ["x", "y"]].to_numpy()
error = np.hypot(*(found - planted).T)
print(f"median error of the centres: {np.median(error):.2f} degrees of {FIELD}")

# %%
# Each line joins a planted centre (dot) with the one we found. The picture covers the square.
# Centres near the fovea are many, because cortex magnifies it; the two hemispheres see opposite
# halves. A field at the picture's edge sees too little of it to be placed well.

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for (x0, y0), (x1, y1) in zip(planted, found, strict=True):
    left.plot([x0, x1], [y0, y1], color="0.75", lw=0.8, zorder=1)
side = truth.loc[in_v1, "hemisphere"]
for hemisphere, colour in (("L", "#4477aa"), ("R", "#ee6677")):
    chosen = (side == hemisphere).to_numpy()
    left.scatter(*planted[chosen].T, s=14, color=colour, label=f"{hemisphere} hemisphere", zorder=2)
half = FIELD / 2
left.add_patch(plt.Rectangle((-half, -half), FIELD, FIELD, fill=False, ec="0.4", lw=0.8))
left.set(
    xlabel="right of fixation (degrees)", ylabel="up (degrees)", title="Centres of V1's fields"
)
left.set_aspect("equal")
left.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, -0.32), ncols=2)

eccentricity = np.hypot(*planted.T), np.hypot(*found.T)
right.plot([0, 5.5], [0, 5.5], color="0.7", lw=1)
right.scatter(*eccentricity, s=14, color="#228833")
right.set(xlabel="planted (degrees)", ylabel="found (degrees)", title="Eccentricity")
r = np.corrcoef(*eccentricity)[0, 1]
right.text(0.05, 0.92, f"r = {r:.2f}", transform=right.transAxes)
for axis in (left, right):
    axis.spines[["top", "right"]].set_visible(False)

# %%
# Preferred categories
# --------------------
# Face, word, place and body regions respond to what is in the picture, wherever it is. For every
# region we compare the mean response to pictures that show a thing with that to all others, in
# units of the spread over pictures. ``sourcedata/truth/stimuli.tsv`` says what each picture shows.

labels = pd.read_csv(root / "sourcedata" / "truth" / "stimuli.tsv", sep="\t").set_index("stim_id")
labels = labels.loc[ids].filter(like="label_").rename(columns=lambda c: c.removeprefix("label_"))
things = ["face", "body", "word", "place", "food", "vehicle", "animal", "boat"]
regions = ["FFA1", "OFA", "VWFA1", "OWFA", "PPA", "OPA", "EBA", "FBA1", "LO", "unresponsive"]
z = (answers - answers.mean(0)) / answers.std(0)

selectivity = np.zeros((len(regions), len(things)))
for i, region in enumerate(regions):
    response = z[:, truth["region"] == region].mean(1)
    for j, thing in enumerate(things):
        has = (labels[thing] > 0.2).to_numpy()
        selectivity[i, j] = response[has].mean() - response[~has].mean()

fig, axis = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
drawn = axis.imshow(selectivity, cmap="RdBu_r", vmin=-2, vmax=2)
axis.set_xticks(range(len(things)), things, rotation=40, ha="right")
axis.set_yticks(range(len(regions)), regions)
for i, region in enumerate(regions):
    wanted = truth.loc[truth["region"] == region, "prefers"].iloc[0]
    if wanted in things:
        j = things.index(wanted)
        axis.add_patch(plt.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, ec="black", lw=1.6))
axis.set_title(
    "Mean response to pictures with a thing\nless that to pictures without (framed: planted)"
)
fig.colorbar(drawn, label="spreads over pictures", shrink=0.8)

# %%
# Face regions come out for faces and, more weakly, for bodies, since every person in these scenes
# has both: what goes together in the pictures cannot be told apart from the responses alone. LO
# has no preference of its own, and the unresponsive voxels show what noise looks like.
