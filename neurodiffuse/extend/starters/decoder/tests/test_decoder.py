"""The decoder keeps the contract, and its predictions are weighted means."""

from __future__ import annotations

import numpy as np
import pytest
from neurodiffuse_resemblance.decoder import Resemblance

from neurodiffuse.testing import check_decoder, example_training


def test_it_keeps_the_contract():
    check_decoder(Resemblance(temperatures=[0.1, 0.3]))


def test_the_most_similar_image_is_found_at_a_low_temperature(tmp_path):
    training = example_training()
    responses = training.subjects["01"]
    decoder = Resemblance(temperatures=[0.001])
    decoder.fit(training, tmp_path)
    rows = [5, 20]
    betas = responses.of("meaning")[rows]
    made = decoder.open(training, tmp_path).predict("01", "meaning", betas)
    predicted = np.hstack([block.values for block in made])
    np.testing.assert_allclose(predicted, responses.targets["meaning"].values()[rows], atol=1e-3)


def test_a_wrong_temperature_is_told():
    with pytest.raises(ValueError, match="above 0"):
        Resemblance(temperatures=[0.1, 0])
