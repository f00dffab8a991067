"""What a region stands for, asked of a decoder that is not ridge."""

from __future__ import annotations

import numpy as np

from neurodiffuse.questions.roi_optimal import regions
from neurodiffuse.questions.roi_optimal.ask import roi_optimal
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.source import fitted
from neurodiffuse.run import opened

NEAREST = ("decoders.main.decoder=nearest", "predict.rescale=none")


def test_a_region_is_asked_of_any_decoder_and_another_fit_is_another_answer(make_run):
    asked = Question(subjects=("01",), regions=regions.wanted(["V1"]))
    run = make_run(*NEAREST)
    with opened(run):
        fitted(run)
        place = roi_optimal(run, asked)
        assert (place / "index.html").is_file()
        assert list(place.rglob("sample-*.png"))
        assert asked.place(run) == place
        kept = run.folder("fit", "01") / "main" / "colour.npy"
        np.save(kept, np.load(kept) + 1)
        assert asked.place(run) != place
    other = make_run(*NEAREST, "decoders.main.k=5", out="other")
    with opened(other):
        fitted(other)
        np.save(other.folder("fit", "01") / "main" / "colour.npy", np.load(kept))
        assert asked.place(other).name != asked.place(run).name
