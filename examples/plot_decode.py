"""
From betas to pictures
======================

The whole road in one command: a BIDS derivative of single-trial betas goes in, pictures, scores
and a report come out. The brain is the bundled simulated one, so the pictures show that the road
works; they do not show what can be read from a person.
"""

# %%
# Decode
# ------
# On the command line this is
#
# .. code-block:: text
#
#    neurodiffuse decode --dataset bids --root bids_example --sub 01 --out runs/demo
#
# Without ``--recipe`` the best method that is installed is taken. From Python the same command can
# be called as it is.

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

from neurodiffuse.cli import cli
from neurodiffuse.config import default_recipe
from neurodiffuse.plugins import Registry

here = Path.cwd()
root = next(p / "bids_example" for p in (here, *here.parents) if (p / "bids_example").is_dir())
run = Path(tempfile.mkdtemp()) / "demo"
print("recipe:", default_recipe(Registry.installed(), "bids", root=str(root)).recipe)
command = ["--quiet", "decode", "--dataset", "bids", "--root", root, "--sub", "01", "--out", run]
cli.main([str(word) for word in command], standalone_mode=False)

# %%
# What is in the run
# ------------------
# Decoded pictures have BIDS names, and a table says which stimulus and which stage of the recipe
# each belongs to.

func = run / "sub-01" / "func"
made = pd.read_csv(next(func.glob("*_images.tsv")), sep="\t")
print(made.drop(columns="seed").head(3).to_string(index=False))

# %%
# The table of scores has a row for each picture and metric, so that any other summary can be made
# of it. ``source`` is ``decoded`` for what came from the brain and ``oracle`` for what the same
# generators paint from the image's true latents: their ceiling.

values = pd.read_csv(run / "steps" / "sub-01" / "score" / "images.tsv", sep="\t")
print(values.groupby(["source", "stage", "metric"])["value"].mean().unstack().round(3).to_string())

# %%
# Seen and made
# -------------
# Eight of the 40 test images in equal steps of the last stage's rank, from the best to the worst:
# a rule, not a choice.

stages = list(made["stage"].unique())
last = values[(values["source"] == "decoded") & (values["stage"] == stages[-1])]
rank = last.groupby("metric")["value"].rank(ascending=False).groupby(last["stim_id"]).mean()
shown = rank.sort_values().index[np.linspace(0, len(rank) - 1, 8).round().astype(int)]

rows = ["seen", *stages, "from true latents"]
fig, axes = plt.subplots(len(rows), len(shown), figsize=(9, 1.15 * len(rows)), layout="constrained")
for column, name in enumerate(shown):
    pictures = [root / "stimuli" / f"{name}_image.png"]
    for stage in stages:
        file = made.loc[(made["stim_id"] == name) & (made["stage"] == stage), "image"].item()
        pictures.append(func / file)
    label = name.removeprefix("stim-")
    pictures.append(run / f"steps/sub-01/generate/oracle/{stages[-1]}/{label}.png")
    for axis, title, picture in zip(axes[:, column], rows, pictures, strict=True):
        axis.imshow(np.asarray(Image.open(picture)))
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if column == 0:
            axis.set_ylabel(title.replace("-", " "), rotation=0, ha="right", va="center")

# %%
# Scores
# ------
# Each score stands between two levels: what chance would give (a cross) and what the generators
# reach from true latents (an open circle). The bar is the 95 % bootstrap interval over images.

scores = json.loads((run / "steps" / "sub-01" / "score" / "scores.json").read_text())
decoded = [s for s in scores if s["source"] == "decoded" and s["stage"] == stages[-1]]
oracle = {s["metric"]: s for s in scores if s["source"] == "oracle" and s["stage"] == stages[-1]}

fig, axis = plt.subplots(figsize=(7, 0.7 + 0.45 * len(decoded)), layout="constrained")
for place, s in enumerate(reversed(decoded)):
    axis.plot([s["low"], s["high"]], [place, place], color="#4477aa", lw=2)
    axis.plot(s["mean"], place, "o", color="#4477aa")
    axis.plot(s["chance"], place, "x", color="0.4")
    axis.plot(oracle[s["metric"]]["mean"], place, "o", mfc="white", color="#228833")
axis.set_yticks(range(len(decoded)), [s["metric"] for s in reversed(decoded)])
axis.set_xlabel("score")
axis.set_xlim(min(0, axis.get_xlim()[0]), max(1.03, axis.get_xlim()[1]))
axis.spines[["top", "right"]].set_visible(False)

# %%
# The report, ``report.html`` in the run folder, has all of this on one page, with the voxels on the
# brain, the noise, and how to make it again.
