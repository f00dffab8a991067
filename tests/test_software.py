"""With what a run was computed: noted, and told where it is not one and the same."""

from __future__ import annotations

import json

import pytest

from neurodiffuse import pipeline
from neurodiffuse.errors import RunError
from neurodiffuse.run import opened, software

STEPS = ("mask", "encode", "fit", "predict", "generate", "score")


@pytest.fixture
def half(make_run):
    """A run up to the fit."""
    run = make_run()
    object.__setattr__(run, "quiet", False)
    with opened(run):
        pipeline.execute(run, until="fit")
    return run


def noted(run):
    return json.loads((run.path / "logs" / "software.json").read_text())


def test_every_step_notes_what_it_was_computed_with(decoded):
    import numpy

    found = noted(decoded)
    assert set(found) == {f"sub-01 {step}" for step in STEPS}
    assert found["sub-01 fit"]["numpy"] == numpy.__version__
    assert int(found["sub-01 fit"]["BLAS threads"]) >= 1


def test_a_run_in_one_go_says_nothing(decoded, half, capsys):
    with opened(half):
        pipeline.execute(half)
    assert "software" not in capsys.readouterr().err
    assert not software.differences(decoded)
    assert "different software" not in (decoded.path / "report.html").read_text()


@pytest.mark.parametrize("name", ["numpy", "BLAS threads", "neurodiffuse"])
def test_a_run_that_goes_on_with_other_software_is_told(half, capsys, monkeypatch, name):
    real = software.used
    monkeypatch.setattr(software, "used", lambda run: real(run) | {name: "99"})
    with opened(half):
        pipeline.execute(half)
    told = capsys.readouterr().err
    before = real(half)[name]
    assert f"{name} {before} (sub-01 mask, sub-01 encode, sub-01 fit) and 99" in told
    assert "the same software only" in told
    page = (half.path / "report.html").read_text()
    assert "steps were computed with different software" in page
    assert f"{name} {before} (sub-01 mask" in page


def test_steps_that_are_computed_again_are_noted_again(half, monkeypatch):
    real = software.used
    monkeypatch.setattr(software, "used", lambda run: real(run) | {"numpy": "99"})
    with opened(half, start_from="mask"):
        pipeline.execute(half)
    assert not software.differences(half)


def test_logs_that_are_gone_or_damaged_are_no_error(half):
    (half.path / "logs" / "software.json").write_text("[" * 100_000)
    with opened(half):
        pipeline.execute(half)
    assert set(noted(half)) >= {"sub-01 score"}


def test_a_run_of_another_version_says_which(decoded, make_run):
    file = decoded.path / "config.toml"
    for note in (decoded.path / "logs" / "software.json",):
        note.write_text(note.read_text().replace('"neurodiffuse": "', '"neurodiffuse": "9.9-'))
    for text in (file.read_text() + "\n[future]\nkey = 1\n", "name = 1\nfeatures = 3\n"):
        file.write_text(text)
        with pytest.raises(RunError, match=r"It was made by neurodiffuse 9\.9-"):
            pipeline.reopen(decoded.path, decoded.registry)
        told = pytest.raises(RunError, match=r"It was made by neurodiffuse 9\.9-")
        with told, opened(make_run()):
            pass
