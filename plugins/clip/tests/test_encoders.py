"""The encoders keep the contract, find weights in all layouts, and refuse what is not whole."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import ftfy
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from neurodiffuse.errors import ConfigError, DataError, MissingDataError
from neurodiffuse.plugins import Registry
from neurodiffuse.testing import check_encoder
from neurodiffuse.types import Stimuli
from neurodiffuse_clip import hooks
from neurodiffuse_clip.encoders import ClipTextEncoder, ClipVisionEncoder
from neurodiffuse_clip.folders import tower
from neurodiffuse_clip.towers import load_tokenizer


def vision(folder, **options):
    return ClipVisionEncoder(weights=str(folder), **{"device": "cpu", **options})


def text(folder, **options):
    return ClipTextEncoder(weights=str(folder), **{"device": "cpu", **options})


@pytest.mark.parametrize("options", [{}, {"resize": 0, "batch": 1}, {"batch": 3}])
def test_vision_keeps_the_contract(options, folder):
    check_encoder(vision(folder, **options))


@pytest.mark.parametrize("options", [{}, {"batch": 1}, {"batch": 5}])
def test_text_keeps_the_contract(options, folder):
    check_encoder(text(folder, **options))


def test_both_are_found_by_their_names():
    registry = Registry([("clip", hooks)])
    assert not registry.broken
    for name, cls in [("clip-vision", ClipVisionEncoder), ("clip-text", ClipTextEncoder)]:
        assert registry.load(registry.card("encoder", name)) is cls
    assert registry.card("encoder", "clip-text").reads == ("captions",)


def test_captions_are_averaged_after_they_are_normalised(folder):
    one, two = ("the cat",), ("a dog on the mat",)
    picture = np.zeros((4, 4, 3), np.uint8)

    def encode(*captions):
        ids = tuple("abcd"[: len(captions)])
        return text(folder).encode(Stimuli(ids, [picture] * len(ids), captions)).values

    alone = encode(one, two)
    np.testing.assert_allclose(encode(one + two)[0], alone.mean(0), atol=1e-6)
    np.testing.assert_allclose(
        encode((*one, " ", "", *one, *two))[0], (2 * alone[0] + alone[1]) / 3, atol=1e-6
    )


BROKEN = {
    "it’s a “cat”": 'it\'s a "cat"',
    "it\u00e2\u20ac\u2122s a \u00e2\u20ac\u0153cat\u00e2\u20ac\u009d": 'it\'s a "cat"',
    "a cafe\u0301": "a café",
    "a cat &amp; a dog": "a cat & a dog",
    "ﬁve\u00a0birds": "five birds",
    "A  Cat\n on\tthe mat ": "a cat on the mat",
}
"""Captions as the web has them, and what the published tokenizer made of them."""


@pytest.mark.parametrize("written", BROKEN)
def test_captions_are_mended_before_they_are_cut_into_tokens(folder, written):
    """The published tokenizer: whitespace_clean(ftfy.fix_text(text)).lower()."""
    picture = np.zeros((4, 4, 3), np.uint8)
    stimuli = Stimuli(("a", "b"), [picture] * 2, ((written,), (BROKEN[written],)))
    one, two = text(folder).encode(stimuli).values
    np.testing.assert_array_equal(one, two)
    cut = load_tokenizer(tower("text", str(folder)))
    seen = cut.backend_tokenizer.normalizer.normalize_str(ftfy.fix_text(written))
    assert seen.strip() == re.sub(r"\s+", " ", BROKEN[written]).strip().lower()


def test_no_caption(folder):
    stimuli = Stimuli(("x7",), [np.zeros((4, 4, 3), np.uint8)], ((" ",),))
    with pytest.raises(DataError, match="clip-text: image x7 has no caption"):
        text(folder).encode(stimuli)


def test_the_way_of_the_image_matters(folder, stimuli):
    assert not np.allclose(
        vision(folder).encode(stimuli).values, vision(folder, resize=0).encode(stimuli).values
    )


@pytest.fixture
def versatile(folder, tmp_path):
    """Return the layout of Versatile Diffusion: two towers on their own, as pickles of 2023."""
    whole = json.loads((folder / "config.json").read_text())
    tensors = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    for kind, name, projection in [
        ("vision", "image_encoder", "visual_projection"),
        ("text", "text_encoder", "text_projection"),
    ]:
        place = tmp_path / "vd" / name
        place.mkdir(parents=True)
        config = {**whole[f"{kind}_config"], "projection_dim": 12}
        config["model_type"] = f"clip_{kind}_model"
        (place / "config.json").write_text(json.dumps(config))
        kept = {k: v for k, v in tensors.items() if k.startswith((f"{kind}_model.", projection))}
        kept[f"{kind}_model.embeddings.position_ids"] = torch.arange(17)[None]
        torch.save(kept, place / "pytorch_model.bin")
    (tmp_path / "vd" / "tokenizer").mkdir()
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(folder / name, tmp_path / "vd" / "tokenizer" / name)
    return tmp_path / "vd"


def test_the_layout_of_versatile_diffusion(versatile, folder, stimuli, monkeypatch):
    for encoder in (vision, text):
        expected = encoder(folder).encode(stimuli).values
        assert np.array_equal(encoder(versatile).encode(stimuli).values, expected)
        monkeypatch.setenv("NEURODIFFUSE_MODELS", str(versatile.parent))
        assert np.array_equal(encoder("vd").encode(stimuli).values, expected)


def test_weights_that_are_not_there(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path))
    files = {file.address.rsplit("/", 1)[1]: file for file in ClipVisionEncoder().downloads()}
    assert files["model.safetensors"].size == 1_710_540_580
    assert set(files) == {file.address.rsplit("/", 1)[1] for file in ClipTextEncoder().downloads()}
    assert {"config.json", "vocab.json", "merges.txt"} < set(files)
    assert all(file.licence == "MIT" for file in files.values())
    assert ClipVisionEncoder().shapes() == ((257, 768),)
    assert ClipTextEncoder().shapes() == ((77, 768),)
    assert vision(folder).downloads() == ()
    stimuli = Stimuli(("a",), [np.zeros((4, 4, 3), np.uint8)], (("x",),))
    for encoder in (ClipVisionEncoder(), ClipTextEncoder()):
        with pytest.raises(MissingDataError, match="models fetch clip-vit-large-patch14"):
            encoder.encode(stimuli)


def test_folders_that_hold_something_else(tmp_path, folder, stimuli):
    with pytest.raises(MissingDataError, match="none is not a folder"):
        vision(tmp_path / "none").shapes()
    with pytest.raises(MissingDataError, match=r"has no config\.json"):
        vision(tmp_path).downloads()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(MissingDataError, match="has neither model"):
        vision(tmp_path).downloads()
    shutil.copy(folder / "model.safetensors", tmp_path / "model.safetensors")
    for content, said in [("{", "cannot be read"), ("[]", "no settings"), ('{"a": 1}', "has no ")]:
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(DataError, match=said):
            text(tmp_path).shapes()
    shutil.copy(folder / "config.json", tmp_path / "config.json")
    with pytest.raises(MissingDataError, match=r"has no vocab\.json, which the tokenizer needs"):
        text(tmp_path).encode(stimuli)


def test_tokenizers_of_other_models_are_refused(tmp_path, folder, stimuli):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    words = json.loads((folder / "vocab.json").read_text())
    (tmp_path / "vocab.json").write_text(json.dumps({**words, "zebra</w>": len(words)}))
    with pytest.raises(DataError, match="they are not of the same model"):
        text(tmp_path).encode(stimuli)
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        text(tmp_path).encode(stimuli)


@pytest.mark.parametrize("wrong", ["missing", "misshapen", "cut"])
def test_weights_that_are_not_whole_are_refused(wrong, tmp_path, folder, stimuli):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    if wrong == "missing":
        del tensors["vision_model.post_layernorm.bias"]
    elif wrong == "misshapen":
        tensors["visual_projection.weight"] = torch.ones(12, 8)
    save_file(tensors, path)
    if wrong == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    said = {
        "missing": r"1 missing \(vision_model\.post_layernorm\.bias\)",
        "misshapen": r"visual_projection\.weight is \(12, 8\), needed \(12, 16\)",
        "cut": "damaged or cut short",
    }
    with pytest.raises(DataError, match=said[wrong]):
        vision(tmp_path).encode(stimuli)


def test_memory(folder, stimuli):
    small = vision(folder, memory=200_000)
    assert small.encode(stimuli).values.shape == (2, 17 * 12)
    assert 1 <= small._at_once < 8
    with pytest.raises(ConfigError, match=r"memory: .* is not enough"):
        text(folder, memory=1000).encode(stimuli)


@pytest.mark.parametrize("options", [{"resize": -1}, {"batch": -1}, {"memory": 0}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ClipVisionEncoder(**options)


def test_a_plan_imports_no_torch():
    code = (
        "import sys; from neurodiffuse_clip import hooks; "
        "from neurodiffuse_clip.encoders import ClipTextEncoder as T, ClipVisionEncoder as V; "
        "V().shapes(); V().downloads(); T().downloads(); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.gpu
def test_a_gpu_agrees(folder, stimuli):
    for encoder in (vision, text):
        expected = encoder(folder).encode(stimuli).values
        found = encoder(folder, device="cuda").encode(stimuli).values
        np.testing.assert_allclose(found, expected, atol=1e-3)
        half = encoder(folder, device="cuda", dtype="auto").encode(stimuli).values
        np.testing.assert_allclose(half, expected, atol=3e-2)
