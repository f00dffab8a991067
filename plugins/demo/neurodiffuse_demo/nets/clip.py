"""A picture tower and a caption tower that meet in one space, after CLIP (Radford et al. 2021).

The token sequences are the latents, as in Brain-Diffuser: the first token is the pooled one, and
all tokens are divided by its length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse_demo.shapes import TEXT

WIDTH = 96
HEADS = 4
GRID = 4

PAD, UNKNOWN, START, END = range(4)


class Transformer(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mix = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape (n, tokens, width)."""
        heads = [
            part.unflatten(2, (HEADS, -1)).transpose(1, 2)
            for part in self.mix(self.first(x)).chunk(3, -1)
        ]
        seen = functional.scaled_dot_product_attention(*heads)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.down(functional.gelu(self.up(self.second(x)), approximate="tanh"))


class Head(nn.Module):
    """Normalise, project and divide all tokens by the length of the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape, the first of length one."""
        x = self.project(self.norm(x))
        return x / x[:, :1].norm(dim=-1, keepdim=True)


class Vision(nn.Module):
    """Images (n, 3, 64, 64) in -1..1 to tokens (n, 17, 96): pooled, then 4 x 4 places."""

    def __init__(self, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.ModuleList(
            [
                nn.Conv2d(48, 64, 3, padding=1),
                nn.Conv2d(64, WIDTH, 3, stride=2, padding=1),
                nn.Conv2d(WIDTH, WIDTH, 2, stride=2),
            ]
        )
        self.pooled = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.places = nn.Parameter(torch.randn(1, GRID * GRID, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Transformer() for _ in range(depth)))
        self.head = Head()

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens."""
        h = self.stem[0](functional.pixel_unshuffle(x, 4))
        for layer in self.stem[1:]:
            h = layer(functional.gelu(h, approximate="tanh"))
        h = h.flatten(2).transpose(1, 2) + self.places
        return self.head(self.blocks(torch.cat([self.pooled.expand(len(h), -1, -1), h], 1)))


class Text(nn.Module):
    """Word numbers (n, 18) to tokens (n, 18, 96), the first one pooled."""

    def __init__(self, words: int, depth: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(words, WIDTH)
        self.places = nn.Parameter(torch.randn(1, TEXT[0], WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Transformer() for _ in range(depth)))
        self.head = Head()
        nn.init.normal_(self.words.weight, std=0.1)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the tokens."""
        return self.head(self.blocks(self.words(numbers) + self.places))


def vocabulary(captions: Sequence[str]) -> tuple[str, ...]:
    """Return the words of captions, sorted, after the four special ones."""
    words = {word for caption in captions for word in caption.lower().split()}
    return ("<pad>", "<unknown>", "<start>", "<end>", *sorted(words))


def tokens(captions: Sequence[str], words: Sequence[str]) -> Tensor:
    """Return captions as word numbers, int64 (n, 18), cut where they are longer."""
    number = {word: i for i, word in enumerate(words)}
    out = torch.full((len(captions), TEXT[0]), PAD)
    for row, caption in enumerate(captions):
        kept = [number.get(w.strip(".,"), UNKNOWN) for w in caption.lower().split()]
        line = [START, *kept[: TEXT[0] - 2], END]
        out[row, : len(line)] = torch.tensor(line)
    return out
