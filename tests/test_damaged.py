"""Files of a run that are gone, empty or cut: one line that names the file and what to do."""

from __future__ import annotations

import re

import pytest

from neurodiffuse.errors import RunError
from neurodiffuse.run import stored_config
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.generate import generate
from neurodiffuse.steps.predict import predict
from neurodiffuse.steps.report import report
from neurodiffuse.steps.score import score


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


DAMAGE = {"gone": lambda f: f.unlink(), "empty": lambda f: f.write_bytes(b""), "cut": cut}

READ = [
    ("steps/sub-01/mask/train.npy", fit, "mask"),
    ("steps/sub-01/mask/train.json", fit, "mask"),
    ("steps/sub-01/mask/voxels.npz", fit, "mask"),
    ("steps/sub-01/mask/test.npy", predict, "mask"),
    ("steps/sub-01/encode/features.json", predict, "encode"),
    ("latents/colour-*/train.npy", predict, "encode"),
    ("latents/colour-*/train.json", predict, "encode"),
    ("latents/colour-*/state.npz", generate, "encode"),
    ("steps/sub-01/fit/fit.json", predict, "fit"),
    ("steps/sub-01/fit/*_triangle.npy", predict, "fit"),
    ("steps/sub-01/fit/voxels0.npy", predict, "fit"),
    ("steps/sub-01/predict/colour.npy", generate, "predict"),
    ("steps/sub-01/predict/colour.json", generate, "predict"),
    ("steps/sub-01/generate/decoded/*/*.png", score, "generate"),
    ("steps/sub-01/score/scores.json", report, "score"),
    ("steps/sub-01/mask/about.json", report, "mask"),
]


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(("where", "step", "redo"), READ)
def test_what_a_step_reads(decoded, how, where, step, redo):
    file = sorted(decoded.path.glob(where))[0]
    DAMAGE[how](file)
    with pytest.raises(RunError) as found:
        step(decoded) if step is report else step(decoded, "01")
    said = str(found.value)
    assert re.match(rf"{re.escape(str(file))}: [^\n]* --from {redo}\.$", said), said
    assert ("gone" in said) == (how == "gone")


@pytest.mark.parametrize(
    ("text", "said"), [("", "it is empty"), ("a = [", "damaged"), ("\x00", "damaged")]
)
def test_settings_that_cannot_be_read(tmp_path, text, said):
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=rf"config.toml: .*{said}"):
        stored_config(tmp_path)


def test_a_file_is_no_run_folder(tmp_path):
    (tmp_path / "x").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="not a run folder"):
        stored_config(tmp_path / "x")
