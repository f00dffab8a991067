"""A decoder in forty lines: scikit-learn's MLPRegressor, a network with one hidden layer."""

import joblib
import numpy as np
from sklearn.neural_network import MLPRegressor

from neurodiffuse.types import Block, Decoder, Fitted


class Mlp(Decoder):
    """A network with one hidden layer of ``hidden`` units, its weights shrunk by ``decay``."""

    def __init__(self, hidden: int = 100, decay: float = 10.0) -> None:
        self.hidden, self.decay = hidden, decay

    def fit(self, training, folder):
        ((_, responses),) = training.subjects.items()
        for feature in training.features:
            if (folder / f"{feature}.joblib").exists():
                continue  # an earlier process was interrupted after it
            latents = responses.targets[feature].values().astype(float)
            mean, sd = latents.mean(axis=0), latents.std(axis=0)
            network = MLPRegressor(
                hidden_layer_sizes=(self.hidden,),
                alpha=self.decay,
                learning_rate_init=0.01,
                max_iter=1000,
                random_state=training.seed,
            )
            network.fit(responses.of(feature), (latents - mean) / np.where(sd > 0, sd, 1))
            joblib.dump((network, mean, sd), folder / "partial")
            (folder / "partial").rename(folder / f"{feature}.joblib")

    def open(self, training, folder):
        return FittedMlp(folder)


class FittedMlp(Fitted):
    def __init__(self, folder):
        self.folder = folder

    def predict(self, subject, feature, betas, *, seeds=None):
        network, mean, sd = joblib.load(self.folder / f"{feature}.joblib")
        deviation = network.predict(betas).reshape(len(betas), -1) * sd
        yield Block(slice(0, len(mean)), deviation.astype(np.float32), mean)

    def sensitivity(self, subject, feature, columns, betas):
        network, _, sd = joblib.load(self.folder / f"{feature}.joblib")
        first, second = network.coefs_
        active = (betas @ first + network.intercepts_[0] > 0).mean(axis=0)
        return ((first * active) @ (second * sd)[:, columns]).astype(np.float32)
