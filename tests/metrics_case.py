"""Pictures, latents and a plain count for the tests of metrics."""

import numpy as np
from PIL import Image

from neurodiffuse.types import Images, Latents

SSIM = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 1.0,
}


def pictures(n=6, height=24, width=20, seed=0) -> np.ndarray:
    """Smooth random pictures."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 6, 5, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(s).resize((width, height))) for s in small])


def noisy(values: np.ndarray, scale=60, seed=1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, scale, values.shape)
    return np.clip(values + noise, 0, 255).astype(np.uint8)


def images(values: np.ndarray) -> Images:
    return Images(tuple(f"im{i}" for i in range(len(values))), values)


def latents(values: np.ndarray) -> Latents:
    return Latents(tuple(f"im{i}" for i in range(len(values))), values, ((values.shape[1],),))


def counted(table) -> list[float]:
    n, out = len(table), []
    for made in range(n):
        wins = 0
        for seen in range(n):
            if seen != made and table[seen][made] < table[made][made]:
                wins += 1
            elif seen != made and table[seen][made] == table[made][made]:
                wins += 0.5
        out.append(wins / (n - 1))
    return out
