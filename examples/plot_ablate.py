"""
What each part of a method is worth
===================================

Leave out the first stage, the second, the text, the vision, and look what becomes of pictures and
scores: the ablation of Ozcelik & VanRullen (2023), Table 2 and Fig 7, on the simulated brain that
comes with the repository. The scenes are drawn and the networks are small, so the numbers show how
an ablation is read, not what is true of people.
"""

# %%
# Decode and ablate
# -----------------
# On the command line this is
#
# .. code-block:: text
#
#    neurodiffuse decode --dataset bids --root bids_example --sub 01 --recipe demo --out runs/demo
#    neurodiffuse ablate --run runs/demo
#
# What the rows have in common is computed once: only the pictures are painted and scored again.
# Here the run does without its ceiling, the pictures from true latents, to be quicker.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

from neurodiffuse.cli import cli

here = Path.cwd()
root = next(p / "bids_example" for p in (here, *here.parents) if (p / "bids_example").is_dir())
run = Path(tempfile.mkdtemp()) / "demo"
decode = ["decode", "--dataset", "bids", "--root", root, "--sub", "01", "--recipe", "demo"]
decode += ["--out", run, "--set", "score.oracle=false"]
for command in (decode, ["ablate", "--run", run]):
    cli.main(["--quiet", *map(str, command)], standalone_mode=False)
answer = next((run / "ablate").iterdir())
print(sorted(p.name for p in answer.iterdir()))

# %%
# Scores
# ------
# The table has a row for each variant and metric: mean, 95 % bootstrap interval over images, and a
# paired test against the full method on the same images.

scores = pd.read_csv(answer / "scores.tsv", sep="\t")
print(scores.pivot(index="name", columns="metric", values="mean").round(3).to_string())
print(scores.pivot(index="name", columns="metric", values="p_difference").round(3).to_string())

# %%
# The same as a figure: each variant's interval, and the full method as a line.

names = list(dict.fromkeys(scores["name"]))
metrics = list(dict.fromkeys(scores["metric"]))
fig, axes = plt.subplots(1, len(metrics), figsize=(9, 2.4), sharey=True, layout="constrained")
for axis, metric in zip(axes, metrics, strict=True):
    rows = scores[scores["metric"] == metric].set_index("name").loc[names]
    place = np.arange(len(names))[::-1]
    axis.axvline(rows.loc["Full method", "mean"], color="0.75", lw=1)
    axis.hlines(place, rows["low"], rows["high"], color="#4477aa", lw=2)
    axis.plot(rows["mean"], place, "o", color="#4477aa")
    axis.set_yticks(place, names)
    axis.set_title(metric, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)

# %%
# Pictures
# --------
# The sheet has the best, the median and the worst images of the full method, so that nothing is
# chosen by hand. The page beside it, ``index.html``, has the same with all numbers.

sheet = Image.open(answer / "sheet-sub-01.png")
fig, axis = plt.subplots(figsize=(7, 7 * sheet.height / sheet.width), layout="constrained")
axis.imshow(sheet)
axis.set_axis_off()
