"""Our tokens are those that the reference gave for the same weights, images and captions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurodiffuse.errors import DataError
from neurodiffuse_clip.embeddings import text_embeddings, unconditional, vision_embeddings
from neurodiffuse_clip.encoders import ClipTextEncoder, ClipVisionEncoder
from neurodiffuse_clip.folders import tower
from neurodiffuse_clip.pictures import GREY, as_reference, prepared
from neurodiffuse_clip.towers import load_tokenizer, load_tower


@pytest.fixture(scope="module")
def towers(folder):
    cpu = torch.device("cpu")
    vision, text = (
        load_tower(tower(kind, str(folder)), cpu, torch.float32) for kind in ("vision", "text")
    )
    return vision, text, load_tokenizer(tower("text", str(folder)))


def differ(mine, theirs):
    """Return the greatest difference relative to the greatest value."""
    return float(np.abs(np.asarray(mine) - theirs).max() / np.abs(theirs).max())


def test_vision(folder, stimuli, golden):
    encoder = ClipVisionEncoder(weights=str(folder), device="cpu")
    found = encoder.encode(stimuli)
    assert found.shapes == ((17, 12),)
    assert differ(found.blocks()[0], golden["vision"]) < 1e-5


def test_text(folder, stimuli, golden):
    found = ClipTextEncoder(weights=str(folder), device="cpu").encode(stimuli)
    assert found.shapes == ((12, 12),)
    assert differ(found.blocks()[0], golden["text"]) < 1e-5


def test_what_stands_for_no_condition(towers, golden):
    vision, text = unconditional(*towers)
    assert differ(vision, golden["grey/vision"]) < 1e-5
    assert differ(text, golden["empty/text"]) < 1e-5


def test_grey_stays_grey(towers, golden):
    """Newer processors divide floats by 255 twice: grey would come out as black."""
    grey = np.full((32, 32, 3), GREY, np.uint8)
    found = prepared([grey], 32, 0)
    np.testing.assert_allclose(found, golden["grey"], atol=1e-6)
    np.testing.assert_allclose(found[0, :, 0, 0], [0.062, 0.154, 0.326], atol=1e-3)
    black = vision_embeddings(towers[0], [np.zeros_like(grey)], resize=0)
    assert differ(black, golden["grey/vision"]) > 0.05


@pytest.mark.parametrize("image", [np.full((8, 8, 3), 0.5, np.float32), np.zeros((8, 8), np.uint8)])
def test_floats_and_single_channels_are_refused(image, towers):
    with pytest.raises(DataError, match=r"levels from 0 to 255 is needed"):
        vision_embeddings(towers[0], [image])


def test_the_reference_darkens_63_levels():
    levels = np.arange(256, dtype=np.uint8)
    found = as_reference(levels)
    assert set((levels - found).tolist()) == {0, 1}
    assert (levels != found).sum() == 63
    tensor = torch.from_numpy(levels).float().div(255) * 2 - 1
    assert np.array_equal(found, (((tensor + 1) / 2).numpy() * 255).astype(np.uint8))


@pytest.mark.parametrize("shape", [(32, 32), (40, 77), (91, 50), (20, 30)])
def test_preparation_is_that_of_today_s_processor_on_whole_levels(shape):
    from transformers import CLIPImageProcessor

    image = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    processor = CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    expected = processor(images=[image], return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(prepared([image], 32, 0), expected, atol=1e-5)


def test_one_token_has_length_one(folder, stimuli, towers):
    vision = ClipVisionEncoder(weights=str(folder), device="cpu").encode(stimuli).blocks()[0]
    np.testing.assert_allclose(np.linalg.norm(vision[:, 0], axis=-1), 1, rtol=1e-5)
    text = text_embeddings(*towers[1:], ["the dog"])[0]
    ends = int((np.asarray(towers[2]("the dog")["input_ids"]) == towers[2].eos_token_id).argmax())
    assert float(text[ends].norm()) == pytest.approx(1, rel=1e-5)
