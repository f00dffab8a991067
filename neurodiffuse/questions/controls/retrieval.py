"""Answer with a training image instead of painting: what recall alone would score."""

from __future__ import annotations

import numpy as np

from neurodiffuse.decoding import stored
from neurodiffuse.files import write_json
from neurodiffuse.metrics import resized
from neurodiffuse.questions.nearest import nearest
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, labels, load_images, save_image


def retrieve(run: Run, subject: str, feature: str) -> None:
    """Write for each test image the training image whose latents are nearest to the predicted.

    Nearest is what correlates most, over all targets of the feature. Pictures get the size of
    those that the trunk painted, so that both are scored alike.
    """
    stage = list(run.config.stages)[-1]
    trunk = run.trunk or run
    predicted = LatentFile.open(run.folder("predict", subject) / f"{feature}.npy")
    train = stored(run, subject, feature, "retrieval")
    found = nearest(train, predicted)
    names = labels(predicted.ids)
    painted = load_images(
        trunk.folder("generate", subject) / "decoded" / list(trunk.config.stages)[-1], names[:1]
    )
    stimuli = run.dataset.stimuli(found)
    with run.writing(run.folder("generate", subject)) as folder:
        place = folder / "decoded" / stage
        place.mkdir(parents=True)
        for k, name in enumerate(names):
            image = np.asarray(stimuli.images[k])[None]
            save_image(place / f"{name}.png", resized(image, *painted.shape[1:3])[0])
        write_json(folder / "retrieved.json", dict(zip(predicted.ids, found, strict=True)))
