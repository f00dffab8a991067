"""Weights are found in the cache, in a user's folder, or as a user's file."""

from __future__ import annotations

import pytest

from neurodiffuse import models
from neurodiffuse.errors import MissingDataError
from neurodiffuse.types import Download, Model, ModelFile

TINY = Model(
    name="tiny",
    files=(
        ModelFile("config.json", "https://example.org/config.json"),
        ModelFile("net/weights.bin", "https://example.org/weights.bin", size=4),
    ),
    summary="A tiny network",
    licence="MIT",
)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(folder, weights=b"1234"):
    (folder / "net").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "net" / "weights.bin").write_bytes(weights)
    return folder


def test_fetched_weights(cache):
    fill(cache / "tiny")
    assert models.locate(TINY) == cache / "tiny"
    assert models.missing(TINY) == ()


def test_nothing_fetched_names_file_and_remedy(cache):
    with pytest.raises(MissingDataError, match=r"config\.json and 1 more file not.*fetch tiny"):
        models.locate(TINY)
    assert models.missing(TINY) == (
        Download("https://example.org/config.json", None, "MIT"),
        Download("https://example.org/weights.bin", 4, "MIT"),
    )


def test_a_truncated_file_of_the_cache_is_not_there(cache):
    fill(cache / "tiny", b"123")
    with pytest.raises(MissingDataError, match=r"weights\.bin not there"):
        models.locate(TINY)


def test_own_folder_and_own_file(tmp_path):
    own = fill(tmp_path / "own", b"of another size")
    assert models.locate(TINY, own) == own
    assert models.locate(TINY, str(own / "config.json")) == own / "config.json"
    assert models.missing(TINY, own) == ()


def test_own_folder_that_lacks_a_file(tmp_path):
    (fill(tmp_path / "own") / "net" / "weights.bin").unlink()
    for ask in (models.locate, models.missing):
        with pytest.raises(MissingDataError, match=r"own has no net/weights\.bin"):
            ask(TINY, tmp_path / "own")


def test_own_place_that_does_not_exist(tmp_path):
    with pytest.raises(MissingDataError, match="nowhere does not exist"):
        models.locate(TINY, tmp_path / "nowhere")


def test_without_a_setting_the_users_cache_is_used(monkeypatch):
    import platformdirs

    monkeypatch.delenv("NEURODIFFUSE_MODELS")
    assert models.cache_root().parent.parent == platformdirs.user_cache_path()
