"""Images and captions to tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.models import missing
from neurodiffuse.types import Download, Encoder, Latents, Shape, Stimuli
from neurodiffuse_clip.folders import Kind, Tower, tower
from neurodiffuse_clip.models import LARGE, TEXT, VISION

TOKENS = 48
"""Arrays of the size of all tokens that are in memory at once while one input is computed."""

MOST = {"cpu": 8, "mps": 32, "cuda": 64}
"""Inputs at once when memory does not limit them: more are no faster."""


class _ClipEncoder(Encoder):
    """What both towers share: options, files, the batch size."""

    kind: Kind
    published: tuple[int, int]

    def __init__(
        self, weights: str, batch: int, device: str, dtype: str, memory: int | None
    ) -> None:
        if batch < 0:
            raise ValueError(f"batch must be 0 (what fits) or more, not {batch}")
        if memory is not None and memory < 1:
            raise ValueError(f"memory is in bytes and must be 1 or more, not {memory}")
        self.weights = weights
        self.batch = batch
        self.device = device
        self.dtype = dtype
        self.memory = memory
        self._model: Any = None
        self._at_once = 1

    def downloads(self) -> tuple[Download, ...]:
        """Return the files that are not there yet."""
        if self.weights:
            tower(self.kind, self.weights)
            return ()
        return missing(LARGE)

    def shapes(self) -> tuple[Shape, ...]:
        """Return ``((tokens, length),)``, of one's own weights as their ``config.json`` says."""
        return (tower(self.kind, self.weights).shape if self.weights else self.published,)

    def _start(self) -> Tower:
        """Load the tower and choose the batch size."""
        from neurodiffuse_clip.towers import load_tower
        from neurodiffuse_torch import batch_size, device_of, dtype_of

        found, device = tower(self.kind, self.weights), device_of(self.device)
        dtype = dtype_of(self.dtype, device)
        self._model = load_tower(found, device, dtype)
        tokens, config = found.shape[0], self._model.config
        each = tokens * (TOKENS * config.hidden_size + config.num_attention_heads * tokens)
        weights = sum(p.numel() * p.element_size() for p in self._model.parameters())
        self._at_once = batch_size(
            each * dtype.itemsize,
            device,
            memory=self.memory,
            fixed=0 if self.memory is None else weights,
            most=self.batch or MOST[device.type],
        )
        return found


class ClipVisionEncoder(_ClipEncoder):
    """Encode images into all tokens of CLIP's image tower.

    Tokens pass the last layer norm and the projection; all are divided by the length of the
    first one.

    Parameters
    ----------
    weights
        Folder of one's own in the layout of the Hugging Face hub, or the name of other fetched
        weights with such a tower; empty for the fetched ``clip-vit-large-patch14``.
    resize
        Brain-Diffuser first squashes images to 512 pixels; 0 leaves that out.
    batch
        Images at once; 0 is what fits into the memory.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    dtype
        Precision: single, as the published features were made.
    memory
        Bytes to stay within; None is what is free.
    """

    kind = "vision"
    published = VISION

    def __init__(
        self,
        weights: str = "",
        resize: int = 512,
        batch: int = 0,
        device: str = "auto",
        dtype: str = "float32",
        memory: int | None = None,
    ) -> None:
        if not 0 <= resize <= 4096:
            raise ValueError(f"resize must be between 0 and 4096 pixels, not {resize}")
        self.resize = resize
        super().__init__(weights, batch, device, dtype, memory)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return the tokens of each image, float32 (n, 197376) of the published model."""
        from neurodiffuse_clip.embeddings import vision_embeddings
        from neurodiffuse_torch import batches

        if self._model is None:
            self._start()
        values = np.empty((len(stimuli), _size(self.shapes())), np.float32)
        for part in batches(len(stimuli), self._at_once):
            images = [stimuli.images[i] for i in range(len(stimuli))[part]]
            tokens = vision_embeddings(self._model, images, resize=self.resize)
            values[part] = tokens.flatten(1).cpu().numpy()
        return Latents(stimuli.ids, values, self.shapes())


class ClipTextEncoder(_ClipEncoder):
    """Encode captions into all tokens of CLIP's text tower.

    Tokens pass the projection and are divided by the length of the one that ends the text. An
    image's captions are averaged after that.

    Parameters
    ----------
    weights
        Folder of one's own in the layout of the Hugging Face hub, or the name of other fetched
        weights with such a tower; empty for the fetched ``clip-vit-large-patch14``.
    batch
        Captions at once; 0 is what fits into the memory.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    dtype
        Precision: single, as the published features were made.
    memory
        Bytes to stay within; None is what is free.
    """

    kind = "text"
    published = TEXT

    def __init__(
        self,
        weights: str = "",
        batch: int = 0,
        device: str = "auto",
        dtype: str = "float32",
        memory: int | None = None,
    ) -> None:
        super().__init__(weights, batch, device, dtype, memory)
        self._tokenizer: Any = None

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return the mean tokens of each image's captions, float32 (n, 59136).

        Raises
        ------
        DataError
            If an image has no caption.
        """
        from neurodiffuse_clip.embeddings import text_embeddings
        from neurodiffuse_clip.towers import load_tokenizer
        from neurodiffuse_torch import batches

        rows, captions = _captions(stimuli)
        if self._model is None:
            self._tokenizer = load_tokenizer(self._start())
        values = np.zeros((len(stimuli), _size(self.shapes())), np.float32)
        for part in batches(len(captions), self._at_once):
            tokens = text_embeddings(self._model, self._tokenizer, captions[part])
            np.add.at(values, rows[part], tokens.flatten(1).cpu().numpy())
        values /= np.bincount(rows, minlength=len(stimuli))[:, None].astype(np.float32)
        return Latents(stimuli.ids, values, self.shapes())


def _captions(stimuli: Stimuli) -> tuple[np.ndarray, list[str]]:
    """Return the captions one after the other, and the row that each belongs to."""
    rows: list[int] = []
    texts: list[str] = []
    for i, captions in enumerate(stimuli.captions):
        said = [caption for caption in captions if caption.strip()]
        if not said:
            raise DataError(
                f"clip-text: image {stimuli.ids[i]} has no caption. Add captions to the data set, "
                "or leave the text feature out of the recipe."
            )
        rows += [i] * len(said)
        texts += said
    return np.asarray(rows, np.intp), texts


def _size(shapes: tuple[Shape, ...]) -> int:
    return int(np.prod(shapes[0]))
