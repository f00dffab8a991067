"""A small study, most of whose components are noise, decodes as well as plain PCA and ridge."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeCV

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse.store import labels, load_images
from neurodiffuse.types import Dataset, Grid, Roi, Stimuli, Subject, Trials
from neurodiffuse_pixels import hooks

TRAIN, TEST, SIDE, VOXELS, COMPONENTS = 90, 120, 16, 400, 60
SIGNAL = 4


class Study(Dataset):
    """Pictures of four broad patterns under fine noise; voxels follow the patterns alone."""

    def __init__(self, root: str = "") -> None:
        rng = np.random.default_rng(11)
        count = TRAIN + TEST
        amounts = rng.normal(size=(count, SIGNAL))
        place = np.linspace(0, np.pi, SIDE)
        waves = [np.outer(np.cos(a * place), np.cos(b * place)) for a, b in [(0, 1), (1, 0)]]
        waves += [np.outer(np.cos(a * place), np.cos(b * place)) for a, b in [(1, 1), (2, 0)]]
        grey = 128 + 24 * np.tensordot(amounts, np.array(waves), 1)
        grey = grey + 20 * rng.normal(size=grey.shape)
        self.images = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)
        self.responses = amounts @ rng.normal(size=(SIGNAL, VOXELS))
        self.responses += 6 * rng.normal(size=self.responses.shape)
        self.ids = tuple(f"p{k:03d}" for k in rng.permutation(count))

    def subjects(self):
        return ("01",)

    def subject(self, label):
        split = ("train",) * TRAIN + ("test",) * TEST
        none = ("",) * len(split)
        grid = Grid((VOXELS, 1, 1), np.eye(4), "made")
        return Subject(label, grid, Trials(self.ids, split, none, none), (Roi("all"),), "all")

    def betas(self, label, voxels):
        yield self.responses[:, voxels].astype(np.float32)

    def roi(self, label, name):
        return np.ones(VOXELS, bool)

    def stimuli(self, ids):
        images = [self.images[self.ids.index(i)] for i in ids]
        return Stimuli(tuple(ids), images, ((),) * len(images))


class Hooks:
    @hookimpl
    def register_datasets(self, register):
        register("study", f"{__name__}:Study", summary="made up")


def agreement(seen, made):
    """Return pixel correlation and two-way identification, the plain way."""
    n = len(seen)
    table = np.corrcoef(seen.reshape(n, -1), made.reshape(n, -1))[:n, n:]
    own = np.diag(table)
    return own.mean(), (own[:, None] > table).sum() / (n * (n - 1))


def plain(model):
    """Return the agreement of pictures of PCA and a model of scikit-learn's."""
    study = Study()
    pixels = study.images.reshape(len(study.images), -1) / 255
    x = study.responses
    x = (x - x[:TRAIN].mean(0)) / x[:TRAIN].std(0, ddof=1)
    pca = PCA(COMPONENTS, svd_solver="full").fit(pixels[:TRAIN])
    found = model.fit(x[:TRAIN], pca.transform(pixels[:TRAIN])).predict(x[TRAIN:])
    return agreement(pixels[TRAIN:], pca.inverse_transform(found).clip(0, 1))


@pytest.fixture(scope="module")
def best_plain():
    """Return the best agreement of the recipe's penalty and of one that scikit-learn chooses."""
    each = [plain(Ridge(1000.0)), plain(RidgeCV(np.logspace(1, 6, 21)))]
    return np.max(each, axis=0)


@pytest.mark.parametrize("per", [(), ("features.pixels.alpha_per=target",)])
@pytest.mark.parametrize("alpha", ["gcv", "loo"])
def test_a_chosen_penalty_is_no_worse_than_plain_pca_and_ridge(tmp_path, best_plain, alpha, per):
    registry = Registry([("builtin", builtin), ("pixels", hooks), ("study", Hooks())])
    settings = (f"features.pixels.alpha={alpha}", f"features.pixels.size={SIDE}", *per)
    config = resolve(
        registry, dataset="study", subjects=("01",), recipe="pixels", settings=settings
    )
    config, dataset = pipeline.open_subjects(config, registry)
    run = Run(tmp_path / "run", config, registry, dataset, quiet=True)
    with opened(run):
        pipeline.execute(run, until="generate")
    ids = run.subject("01").trials.images("test")
    made = load_images(run.folder("generate", "01") / "decoded" / "recon", labels(ids))
    correlation, identification = agreement(dataset.images[TRAIN:] / 255, made / 255)
    assert correlation > best_plain[0] - 0.015  # the older choice of features lost 0.09
    assert identification > best_plain[1] - 0.01
    assert best_plain[0] > 0.5
