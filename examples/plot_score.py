"""
Score reconstructions, and see what scores cannot see
=====================================================

Anybody's reconstructions can be scored, without a run: ``neurodiffuse score`` takes two folders of
pictures. Here we make three sets of "reconstructions" of the bundled example's test scenes by
known damage, score them, and see how far a single number carries.
"""

# %%
# Three kinds of damage
# ---------------------
# The scenes of ``bids_example`` as they were seen; the same blurred, which keeps the layout and
# loses what the things are; and the same with their colours turned around, which keeps what they
# are. Last, each picture in the place of another.

import contextlib
import io
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image, ImageFilter, ImageOps

import neurodiffuse
from neurodiffuse.cli import cli

example = Path(neurodiffuse.__file__).parents[1] / "bids_example"
scenes = sorted(example.glob("**/stimuli/*.png"))[:24]
work = Path(tempfile.mkdtemp())
damage = {
    "blurred": [Image.open(p).convert("RGB").filter(ImageFilter.GaussianBlur(5)) for p in scenes],
    "inverted": [ImageOps.invert(Image.open(p).convert("RGB")) for p in scenes],
    "exchanged": [Image.open(p).convert("RGB") for p in (*scenes[1:], scenes[0])],
}
for name, pictures in {"seen": [Image.open(p) for p in scenes], **damage}.items():
    (work / name).mkdir()
    for scene, picture in zip(scenes, pictures, strict=True):
        picture.save(work / name / f"{scene.stem}.png")

# %%
# Score them
# ----------
# On the command line one would write::
#
#     neurodiffuse score --recon blurred --seen seen --metric pixcorr --metric ssim ...
#
# The table of one set, as it is printed:

METRICS = ("pixcorr", "ssim", "identification")


def score(name: str) -> str:
    """Score one set and return the table that the command prints."""
    words = ["--recon", str(work / name), "--seen", str(work / "seen")]
    words += [word for metric in METRICS for word in ("--metric", metric)]
    words += ["--null", "999", "--out", str(work / "scores" / name)]
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        cli.main(["--quiet", "score", *words], standalone_mode=False)
    return told.getvalue()


tables = {name: score(name) for name in damage}
print("\n".join(tables["blurred"].splitlines()[1:-1]))

# %%
# All of them
# -----------
# Blurring keeps every pixel metric high although the objects are gone, and turning the colours
# around, which keeps every object, is the worst of all: identification asks which picture
# correlates most, and an inverted one correlates *least* with its own. Columnwise SSIM is larger
# than 2-D SSIM on the same pictures. So read several metrics, and read what they measure.

read = {n: pd.read_csv(work / "scores" / n / "scores.tsv", sep="\t", index_col=0) for n in damage}
means = pd.DataFrame({name: table["mean"] for name, table in read.items()})
print(means.round(3).to_string())

figure, axes = plt.subplots(4, 6, figsize=(7, 4.8))
for row, name in zip(axes, ("seen", *damage), strict=True):
    for axis, scene in zip(row, scenes, strict=False):
        axis.imshow(np.asarray(Image.open(work / name / f"{scene.stem}.png").convert("RGB")))
        axis.set_xticks([])
        axis.set_yticks([])
    row[0].set_ylabel(name)
figure.tight_layout()

# %%
# One value an image
# ------------------
# ``images.tsv`` has every image's own value, for your own statistics.

images = pd.read_csv(work / "scores" / "blurred" / "images.tsv", sep="\t", index_col=0)
print(images.head().round(3).to_string())
