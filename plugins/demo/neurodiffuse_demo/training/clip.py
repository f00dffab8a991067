"""Train the picture and the caption tower together."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse.simulate.scenes import BACKGROUNDS, CATEGORIES, COLOURS
from neurodiffuse_demo.nets.clip import WIDTH, Text, Vision, tokens, vocabulary
from neurodiffuse_demo.training.loop import Course, device
from neurodiffuse_demo.training.scenes import GRID, Scenes
from neurodiffuse_demo.training.vae import pixels

HINTS = 2 * 2 * 3
"""Values that each place of the picture tower is asked for: a 2 x 2 miniature of its patch."""


class Clip(nn.Module):
    """Both towers, and the small heads that are needed in training only."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.vision, self.text = Vision(), Text(words)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        self.places = nn.Linear(WIDTH, len(CATEGORIES) + 1 + len(COLOURS) + 1 + HINTS)
        self.shown = nn.Linear(WIDTH, len(CATEGORIES) + len(BACKGROUNDS))
        self.spoken = nn.Linear(WIDTH, len(CATEGORIES) + len(BACKGROUNDS))


def course(scenes: Scenes, *, steps: int, batch: int = 192, rate: float = 1.5e-3) -> Course:
    """Return the course: contrast, and what is where.

    A contrastive loss alone needs far more pictures; asking each place for category, colour
    and a miniature of its patch makes the tokens say what is where.
    """
    torch.manual_seed(2)
    words = vocabulary([c for row in scenes.captions for c in row])
    model = Clip(len(words)).to(device())
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    backgrounds = torch.tensor([_background(row[0]) for row in scenes.captions])

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([12, step])
        rows = np.sort(rng.choice(len(scenes), size=min(batch, len(scenes)), replace=False))
        x = pixels(scenes.images[rows])
        said = [scenes.captions[i][rng.integers(len(scenes.captions[i]))] for i in rows]
        seen, heard = model.vision(x), model.text(tokens(said, words).to(device()))
        contrast, hits = _contrast(seen[:, 0], heard[:, 0], said, model.sharpness)
        cells = torch.from_numpy(scenes.cells[rows]).to(device())
        where = _where(model.places(seen[:, 1:]), cells, x)
        present = torch.from_numpy(scenes.present[rows]).to(device()).float()
        behind = backgrounds[rows].to(device())
        what = sum(
            _what(head(pooled), present, behind)
            for head, pooled in ((model.shown, seen[:, 0]), (model.spoken, heard[:, 0]))
        )
        parts = {"contrast": contrast.item(), "hits": hits, "where": where.item()}
        return contrast + where + what, parts

    return Course("clip", model, loss, (optimiser,), steps)


def _background(caption: str) -> int:
    return next(i for i, name in enumerate(BACKGROUNDS) if name in caption.split())


def _contrast(
    seen: Tensor, heard: Tensor, said: list[str], sharpness: Tensor
) -> tuple[Tensor, float]:
    """Return the symmetric loss, where scenes of one caption share the target, and top-1."""
    alike = {caption: i for i, caption in enumerate(said)}
    group = torch.tensor([alike[caption] for caption in said], device=seen.device)
    target = (group[:, None] == group[None, :]).float()
    target = target / target.sum(1, keepdim=True)
    table = seen @ heard.T * sharpness.exp().clamp(max=60)
    loss = functional.cross_entropy(table, target) + functional.cross_entropy(table.T, target)
    best = group[table.argmax(1)] == group
    return loss / 2, best.float().mean().item()


def _where(out: Tensor, cells: Tensor, x: Tensor) -> Tensor:
    """Return the loss of category, colour and miniature at each of the 16 places."""
    kinds, colours, patch = out.split([len(CATEGORIES) + 1, len(COLOURS) + 1, HINTS], dim=-1)
    loss = functional.cross_entropy(kinds.flatten(0, 1), (cells[..., 0] + 1).flatten())
    loss = loss + functional.cross_entropy(colours.flatten(0, 1), (cells[..., 1] + 1).flatten())
    small = functional.avg_pool2d(x, 64 // (2 * GRID))
    hints = functional.pixel_unshuffle(small, 2).flatten(2).transpose(1, 2)
    return loss + 2 * functional.mse_loss(patch, hints)


def _what(out: Tensor, present: Tensor, behind: Tensor) -> Tensor:
    """Return the loss of categories present and of the background."""
    kinds, backgrounds = out.split([len(CATEGORIES), len(BACKGROUNDS)], dim=-1)
    return functional.binary_cross_entropy_with_logits(
        kinds * 5, present
    ) + 0.5 * functional.cross_entropy(backgrounds * 5, behind)
