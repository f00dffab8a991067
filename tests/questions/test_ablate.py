"""Ablation: rows follow from the recipe, what stays the same is shared, scores are their own."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import stats

from neurodiffuse.config import resolve
from neurodiffuse.errors import ConfigError, RunError
from neurodiffuse.questions.ablate.ask import ablate
from neurodiffuse.questions.ablate.command import ablate as command
from neurodiffuse.questions.ablate.switches import named, split, varied
from neurodiffuse.questions.ablate.variants import derived, switched
from neurodiffuse.run import Run
from neurodiffuse.steps import generate as generate_step


def table(place):
    with (place / "scores.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def digest(place):
    files = sorted(p for p in place.rglob("*") if p.is_file())
    return {str(p.relative_to(place)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def pictures(run: Run, stage: str) -> np.ndarray:
    folder = run.folder("generate", "01") / "decoded" / stage
    return np.stack([np.asarray(Image.open(p)) for p in sorted(folder.glob("*.png"))])


def test_rows_are_those_of_table_2(two):
    found, notes = derived(two.registry, two.config)
    assert [v.name for v in found] == [
        "Only first",
        "Without first",
        "Without text",
        "Without colour",
    ]
    assert notes == []
    only, no_first, no_text, no_colour = found
    assert (only.step, only.stage) == ("", "first")
    assert list(no_first.config.stages) == ["recon"]
    assert no_first.config.stages["recon"].init == ""
    assert not no_first.config.stages["recon"].without
    assert no_text.config.stages["recon"].without == ["text"]
    assert list(no_text.config.stages) == ["first", "recon"]
    assert no_colour.config.stages["recon"].without == ["colour"]
    assert list(no_colour.config.stages) == ["recon"]  # the first stage reads nothing else


def test_a_stage_in_between_is_bridged(two_registry, tmp_path):
    import two_toy

    recipe = tmp_path / "three.toml"
    middle = '[stages.middle]\ngenerator = "guided"\ninit = "first"\n[stages.recon]'
    text = two_toy.RECIPE.replace("[stages.recon]", middle).replace(
        'generator = "guided"\ninit = "first"\n[metrics',
        'generator = "guided"\ninit = "middle"\n[metrics',
    )
    recipe.write_text(text)
    config = resolve(two_registry, dataset="toy", subjects=["01"], recipe=str(recipe))
    found = {v.name: v for v in derived(two_registry, config)[0]}
    assert found["Without middle"].config.stages["recon"].init == "first"
    assert found["Without first"].config.stages["middle"].init == ""
    assert [found[f"Only {s}"].stage for s in ("first", "middle")] == ["first", "middle"]


def test_what_cannot_be_left_out_is_said(decoded):
    """The toy recipe's generators need their colour, and the last one a picture to begin from."""
    found, notes = derived(decoded.registry, decoded.config)
    assert [v.name for v in found] == ["Only first"]
    assert [note.partition(":")[0] for note in notes] == ["Without first", "Without colour"]
    assert all("needs a picture to begin from" in note for note in notes)


def test_pictures_of_a_row_are_of_what_it_is_given(two):
    """The generator is the mean of what it is given, so each row can be painted by hand."""
    ablate(two)
    branches = {p.name.rpartition("-")[0]: p for p in (two.path / "branches").iterdir()}
    predicted = {
        f: np.load(two.folder("predict", "01") / f"{f}.npy")[0][:, :3] for f in ("colour", "text")
    }
    names = json.loads((two.folder("predict", "01") / "colour.json").read_text())["ids"]
    order = np.argsort(names)
    for key, given in (("without-first", ("colour", "text")), ("without-colour", ("text",))):
        run = dataclasses.replace(two, path=branches[key])
        made = pictures(run, "recon").mean((1, 2)) / 255
        expected = np.mean([predicted[f] for f in given], axis=0).clip(0, 1)[order]
        assert np.abs(made - expected).max() < 0.03  # noise of up to 0.02, cut at 0 and 1


def test_table_has_means_and_paired_tests_of_the_rows(two):
    place = ablate(two)
    rows = table(place)
    values = {}
    for row in csv.DictReader((two.folder("score", "01") / "images.tsv").open(), delimiter="\t"):
        if row["source"] == "decoded":
            values.setdefault((row["stage"], row["metric"]), []).append(float(row["value"]))
    full, only = np.array(values["recon", "nearness"]), np.array(values["first", "nearness"])
    (row,) = (r for r in rows if (r["name"], r["metric"]) == ("Only first", "nearness"))
    assert float(row["mean"]) == pytest.approx(only.mean(), abs=1e-5)
    assert float(row["difference"]) == pytest.approx((only - full).mean(), abs=1e-5)
    oracle = stats.permutation_test(
        (only - full,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert float(row["p_difference"]) == pytest.approx(oracle.pvalue, abs=0.02)
    (row,) = (r for r in rows if (r["name"], r["metric"]) == ("Full method", "nearness"))
    assert row["p_difference"] == "n/a"
    assert float(row["mean"]) == pytest.approx(full.mean(), abs=1e-5)


def test_pages_and_tables_say_dialect_variant_and_number_of_images(decode_two):
    run = decode_two(
        'metrics.pix={metric="pixcorr",dialect="brain-diffuser"}',
        'metrics.lines={metric="ssim",variant="columnwise",size=16}',
        subjects=("01", "02"),
    )
    place = ablate(run)
    page = (place / "index.html").read_text()
    assert "(dialect brain-diffuser)." in page
    assert "variant columnwise" in page
    assert "of 12 test images each" in page
    said = {row["metric"]: row["protocol"] for row in table(place)}
    assert said["pix"].endswith("(dialect brain-diffuser)")
    assert "variant columnwise" in said["lines"]


def test_same_question_same_bytes_and_nothing_painted_twice(decode_two, monkeypatch):
    one, two = (ablate(decode_two(out=name)) for name in ("one", "two"))
    assert digest(one) == digest(two)
    monkeypatch.setattr(generate_step, "generate", None)  # any call would fail
    run = decode_two(out="one")
    assert ablate(run) == one


def test_a_further_variant_is_the_only_one_painted(two, monkeypatch):
    ablate(two)
    painted = []
    real = generate_step.generate
    monkeypatch.setattr(
        generate_step, "generate", lambda run, s: painted.append(run.path.name) or real(run, s)
    )
    ablate(two, [("heavy", ("stages.recon.weight=0.9",))])
    assert [name.rpartition("-")[0] for name in painted] == ["heavy"]


def test_stages_that_do_not_change_are_not_painted_again(decode_two, monkeypatch):
    import toy

    whole = ablate(decode_two(out="whole"), [("heavy", ("stages.recon.weight=0.9",))])
    monkeypatch.setattr(toy.Paint, "generate", None)  # the first stage's; any call would fail
    run = decode_two(out="shared")
    assert digest(ablate(run, [("heavy", ("stages.recon.weight=0.9",))])) == digest(whole)


def test_a_setting_of_the_fit_is_fitted_again_for_its_row_alone(two):
    place = ablate(two, varied("features.colour.alpha=1,5000"), structure=False)
    rows = table(place)
    assert {r["name"] for r in rows} == {"features.colour.alpha=5000", "Full method"}
    (folder,) = (two.path / "branches").iterdir()
    steps = {p.name for p in (folder / "steps" / "sub-01").iterdir()}
    assert steps == {"fit", "predict", "generate", "score"}
    notes = json.loads((place / "question.json").read_text())["notes"]
    assert notes == ["features.colour.alpha=1: is the full method itself."]


def test_a_killed_ablation_goes_on_and_ends_with_the_same_bytes(decode_two, monkeypatch):
    whole = ablate(decode_two(out="whole"))
    run, real, calls = decode_two(out="killed"), generate_step.save_image, []

    def dying(path, values):
        calls.append(path)
        if len(calls) == 20:
            raise KeyboardInterrupt
        real(path, values)

    monkeypatch.setattr(generate_step, "save_image", dying)
    with pytest.raises(KeyboardInterrupt):
        ablate(run)
    assert not (run.path / "ablate").exists()
    monkeypatch.setattr(generate_step, "save_image", real)
    assert digest(ablate(run)) == digest(whole)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("datasets.toy.noise=0.5",), "is no part of the method"),
        (("metrics.nearness.metric=pixcorr",), "is no part of the method"),
        (("score.bootstrap=99",), "is no part of the method"),
        (("stages.recon.wieght=0.5",), "Did you mean 'weight'"),
    ],
)
def test_settings_that_are_refused(two, settings, said):
    with pytest.raises(ConfigError, match=said):
        switched(two.registry, two.config, "x", settings)


def test_two_rows_of_one_name_are_refused(two):
    with pytest.raises(ConfigError, match="two rows have this name"):
        ablate(two, [("a", ("stages.recon.weight=0.1",)), ("a", ("stages.recon.weight=0.2",))])


def test_a_run_that_is_not_finished_is_refused(make_run):
    with pytest.raises(RunError, match="not decoded to the end"):
        ablate(make_run())


def test_switches_are_split_at_commas_outside_brackets_and_quotes():
    assert list(split("a,[1,2],'x,y',{b=1,c=2}")) == ["a", "[1,2]", "'x,y'", "{b=1,c=2}"]
    assert varied("stages.recon.without=[],['text']")[1][1] == ("stages.recon.without=['text']",)
    assert named("my way: a.b=1, c.d='x,y', e.f=[1, 2]") == (
        "my way",
        ("a.b=1", "c.d='x,y'", "e.f=[1, 2]"),
    )
    for wrong in ("a.b", "ab=1,2", "a.b=1,,2", "=3"):
        with pytest.raises(ConfigError, match="--vary"):
            varied(wrong)
    for wrong in ("a.b=1", "name:", ": a.b=1", "name: a.b"):
        with pytest.raises(ConfigError, match="--variant"):
            named(wrong)


def test_command_writes_a_page_with_every_row_and_picture(two):
    runner = CliRunner()
    done = runner.invoke(
        command,
        ["--run", str(two.path), "--variant", "heavy: stages.recon.weight=0.9", "--quiet"],
        obj={"registry": two.registry},
        catch_exceptions=False,
    )
    page = done.output.split("page: ")[1].strip()
    text = Path(page).read_text()
    for name in ("Only first", "Without text", "heavy", "Full method"):
        assert f'<th scope="row">{name}</th>' in text
    assert text.count("<img ") == 12 * 7  # twelve images, seen and six rows
    assert "http" not in text.replace("http-equiv", "")
    mixed = ["--run", str(two.path), "--dataset", "toy"]
    refused = runner.invoke(command, mixed, obj={"registry": two.registry})
    assert "give either --run DIR" in str(refused.exception)
