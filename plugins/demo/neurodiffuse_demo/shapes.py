"""Sizes that are known without importing torch."""

from __future__ import annotations

SIDE = 64
"""Pictures are ``SIDE`` by ``SIDE`` pixels; others are resized."""

LAYERS: tuple[tuple[int, int], ...] = (
    *((1, 16),) * 2,
    *((4, 16),) * 3,
    *((8, 8),) * 3,
    *((16, 4),) * 2,
)
"""Resolution and channels of each latent layer of the autoencoder, top down."""

REGRESSED = 8
"""Layers, from the top, that the denoiser works on and a recipe regresses unless it says more."""

VAE: tuple[tuple[int, int, int], ...] = tuple((c, r, r) for r, c in LAYERS)
"""Shape of each layer's latent, as it is flattened."""

VISION = (17, 96)
"""The pooled token, then 4 x 4 places."""
TEXT = (18, 96)
"""The pooled token, then a caption's words."""
NOISE = (65, 36)
"""What the denoiser works on: the autoencoder's latents at 8 x 8 places, then as a whole."""
