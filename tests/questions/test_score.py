"""Two folders of pictures are scored; whatever is wrong with them is one clear line."""

from __future__ import annotations

import csv
import json
import os
import struct
import unicodedata
from zlib import compress, crc32

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from neurodiffuse import builtin
from neurodiffuse.errors import ConfigError, DataError, PluginError, RunError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.metrics import PixCorr
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.score.command import score
from neurodiffuse.questions.score.folders import natural
from neurodiffuse.types import Download, Model, ModelFile

FILE = ModelFile("net.pth", "https://example.org/net.pth")


class Network(PixCorr):
    """A metric with the dialect and without its weights."""

    def downloads(self):
        return (Download(FILE.address, None, "MIT"),)


class Plugin:
    @hookimpl
    def register_metrics(self, register):
        register("net", f"{__name__}:Network", summary="A network")
        register("broken", "no.such.module:Metric", summary="Lacks its extra")

    @hookimpl
    def register_models(self, register):
        register(Model("net-weights", (FILE,), "Weights", "MIT"))


def pictures(n=6, height=40, width=48, seed=0):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 6, 5, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(s).resize((width, height))) for s in small])


def png(width, height, depth):
    """Return a PNG of zeros in colour, without pixels where there are very many."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    lines = bytes(height * (1 + width * 3 * depth // 8)) if width * height < 10**6 else b""
    parts = chunk(b"IHDR", head), chunk(b"IDAT", compress(lines)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def nowhere(folder_):
    (folder_ / "img7.png").unlink()
    (folder_ / "img7.png").symlink_to(folder_ / "gone.png")


def enormous():
    return png(30_000, 30_000, 8)


def folder(path, values, names=None, suffix=".png"):
    path.mkdir()
    for k, picture in enumerate(values):
        Image.fromarray(picture).save(path / f"{names[k] if names else f'img{k + 5}'}{suffix}")
    return path


@pytest.fixture
def seen(tmp_path):
    return folder(tmp_path / "seen", pictures())


@pytest.fixture
def recon(tmp_path):
    noise = np.random.default_rng(1).normal(0, 40, (6, 80, 96, 3))
    large = pictures().repeat(2, 1).repeat(2, 2)
    return folder(tmp_path / "recon", np.clip(large + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(recon, seen, *words, plugins=()):
        registry = Registry([("builtin", builtin), *plugins])
        given = {"quiet": True, "debug": False, "registry": registry}
        flags = ["--recon", str(recon), "--seen", str(seen), "--null", "99", *words]
        return CliRunner().invoke(score, flags, obj=given, catch_exceptions=False)

    return run


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_scores_equal_scikit_images_at_the_dialects_size(call, recon, seen, tmp_path):
    told = call(recon, seen).output
    assert "6 pairs" in told
    assert "6 pairs only: intervals and p-values say little." in told
    assert "dialect brain-diffuser" in told
    out = tmp_path / "scores" / "recon"
    rows = {row["metric"]: row for row in table(out / "scores.tsv")}
    assert list(rows) == ["pixcorr", "ssim-columnwise", "ssim-2d"]
    images = table(out / "images.tsv")
    assert [row["name"] for row in images] == [f"img{k}" for k in range(5, 11)]  # 10 comes last

    def shown(path):
        return np.asarray(Image.open(path).resize((425, 425), Image.Resampling.BICUBIC))

    for row in images:
        pair = [shown(d / f"{row['name']}.png") for d in (seen, recon)]
        r = np.corrcoef(*(p.ravel() for p in pair))[0, 1]
        assert float(row["pixcorr"]) == pytest.approx(r, abs=1e-5)
        grey = [rgb2gray(p) for p in pair]
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        expected = structural_similarity(*grey, data_range=1.0, **options)
        assert float(row["ssim-2d"]) == pytest.approx(expected, abs=1e-5)
        lines = [
            structural_similarity(*(g[:, x] for g in grey), data_range=1.0, **options)
            for x in range(425)
        ]
        assert float(row["ssim-columnwise"]) == pytest.approx(np.mean(lines), abs=1e-5)
    mean = np.mean([float(row["pixcorr"]) for row in images])
    assert float(rows["pixcorr"]["mean"]) == pytest.approx(mean, abs=1e-5)
    facts = json.loads((out / "scores.json").read_text())
    assert facts["n"] == 6
    assert facts["settings"]["dialect"] == "brain-diffuser"
    page = (out / "index.html").read_text()
    assert page.count("<img") >= 12
    assert "brain-diffuser dialect" in page


def test_the_same_folders_give_the_same_bytes(call, recon, seen, tmp_path):
    for name in ("one", "two"):
        call(recon, seen, "--out", str(tmp_path / name))
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_named_metrics_and_what_is_left_out(call, recon, seen):
    told = call(recon, seen, plugins=[("p", Plugin())]).output
    assert "weights not here for net. Fetch them: neurodiffuse models fetch net-weights" in told
    told = call(recon, seen, "--metric", "ssim-2d", "--metric", "identification").output
    assert "ssim-2d" in told
    assert "identification" in told
    assert "pixcorr" not in told
    for words, says in (
        (("--metric", "net"), "models fetch net-weights"),
        (("--metric", "ssm"), "Did you mean 'ssim'"),
        (("--metric", "latent-distance"), "needs a run"),
        (("--metric", "pixcorr", "--dialect", "takagi"), "possible: brain-diffuser, mindeye"),
        (("--dialect", "mind-eye"), "Did you mean 'mindeye'"),
        (("--dialect", "takagi"), "pip install neurodiffuse-metrics"),
    ):
        with pytest.raises(LookupError if "ssm" in words else ConfigError, match=says) as told:
            call(recon, seen, *words, plugins=[("p", Plugin())])
        assert "\n" not in str(told.value)


def test_pairs_by_name_need_not_be_in_order(call, seen, tmp_path):
    names = [f"img{k}" for k in (10, 9, 8, 7, 6, 5)]
    recon = folder(tmp_path / "r", pictures()[::-1], names, ".bmp")
    assert call(recon, seen).exit_code == 0
    (row,) = [r for r in table(tmp_path / "scores/r/scores.tsv") if r["metric"] == "pixcorr"]
    assert float(row["mean"]) == pytest.approx(1)


def test_other_names_are_told_and_order_is_offered(call, seen, tmp_path):
    recon = folder(tmp_path / "r", pictures(), [f"{k}" for k in range(6)])
    with pytest.raises(DataError, match=r"6 of 6 in .*--pair-by order") as told:
        call(recon, seen)
    assert "\n" not in str(told.value)
    call(recon, seen, "--pair-by", "order")
    (row,) = [r for r in table(tmp_path / "scores/r/scores.tsv") if r["metric"] == "pixcorr"]
    assert float(row["mean"]) == pytest.approx(1)


def test_letters_with_accents_are_one_name_however_they_are_written(call, tmp_path):
    names = ["été", "日本", "Ångström & <b>"]
    written = [unicodedata.normalize("NFD", name) for name in names]
    recon = folder(tmp_path / "r", pictures(3), written)
    call(recon, folder(tmp_path / "s", pictures(3), names))
    rows = table(tmp_path / "scores/r/images.tsv")
    assert {row["name"] for row in rows} == set(names)
    page = (tmp_path / "scores/r/index.html").read_text(encoding="utf-8")
    assert "Ångström &amp; &lt;b&gt;" in page


def test_other_counts_are_told(call, seen, tmp_path):
    recon = folder(tmp_path / "r", pictures(5))
    with pytest.raises(DataError, match=r"1 of 6 in .*\(img10\)") as told:
        call(recon, seen)
    assert "order" not in str(told.value)
    with pytest.raises(DataError, match=r"5 pictures .* 6"):
        call(recon, seen, "--pair-by", "order")


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda d: (d / "img7.png").write_bytes(b""), "img7.png: .*0 bytes"),
        (lambda d: (d / "img7.png").write_bytes((d / "img6.png").read_bytes()[:900]), "img7.png"),
        (lambda d: (d / "img7.jpg").write_bytes(b"x"), "more than one picture is called img7"),
        (
            lambda d: (
                (d / "img7.png").unlink(),
                Image.fromarray(np.zeros((9, 9), np.float32)).save(d / "img7.tif"),
            ),
            "img7.tif: is a picture of a kind that is not read",
        ),
        (lambda d: Image.fromarray(pictures(1)[0]).save(d / "a\tb.png"), r"table can hold.*'.t'"),
        (nowhere, "img7.png: the link leads nowhere"),
        (lambda d: (d / "img7.png").write_bytes(enormous()), "img7.png: is a huge image"),
        (lambda d: (d / os.fsdecode(b"\xff.png")).write_bytes(b""), r"can hold.*udcff"),
    ],
)
def test_damaged_pictures_are_told_in_one_line(call, recon, seen, tmp_path, break_it, says):
    break_it(recon)
    with pytest.raises(DataError, match=says) as told:
        call(recon, seen)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "scores").exists()


def test_folders_that_are_none(call, recon, seen, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder_, says in ((tmp_path / "no", "does not exist"), (tmp_path / "empty", "no picture")):
        with pytest.raises(DataError, match=says):
            call(folder_, seen)


def test_nothing_of_others_is_overwritten(call, recon, seen, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("")
    with pytest.raises(RunError, match=r"thesis.txt, which this command did not make"):
        call(recon, seen, "--out", str(out))
    for place in (out / "thesis.txt", out / "thesis.txt" / "inside"):
        with pytest.raises(RunError, match=r"thesis.txt is a file; give a folder"):
            call(recon, seen, "--out", str(place))


def test_grey_transparent_and_turned_pictures(call, seen, tmp_path):
    recon = tmp_path / "r"
    recon.mkdir()
    for k, path in enumerate(sorted(seen.iterdir())):
        image = Image.open(path)
        if k == 0:
            image = image.convert("L")
        if k == 1:
            image.putalpha(0)  # all transparent: white
        exif = Image.Exif()
        if k == 2:
            image, exif[0x0112] = image.rotate(90, expand=True), 6  # upright once turned
        image.save(recon / path.name, exif=exif)
    call(recon, seen)
    values = {r["name"]: float(r["pixcorr"]) for r in table(tmp_path / "scores/r/images.tsv")}
    names = [p.stem for p in sorted(seen.iterdir())]
    assert values[names[1]] == 0
    assert values[names[2]] == pytest.approx(1)
    assert values[names[3]] == pytest.approx(1)


def test_one_pair_has_no_test(call, tmp_path):
    seen = folder(tmp_path / "s", pictures(1))
    told = call(folder(tmp_path / "r", pictures(1)), seen).output
    assert "1 pair:" in told
    row = table(tmp_path / "scores/r/scores.tsv")[0]
    assert (row["p"], row["low"]) == ("n/a", "n/a")


def test_sizes_that_differ_inside_a_folder_are_remarked(call, recon, seen):
    Image.fromarray(pictures(1, 60, 60)[0]).save(seen / "img7.png")
    assert "1 of 6 pictures" in call(recon, seen).output


def test_natural_order():
    names = ["img10", "img2", "b", "10", "9", "img2a", "²"]
    assert sorted(names, key=natural) == ["9", "10", "b", "img2", "img2a", "img10", "²"]


def test_a_size_is_used_without_a_dialect_and_recorded(call, recon, seen, tmp_path):
    out = tmp_path / "sized"
    said = call(recon, seen, "--size", "20", "--out", str(out)).output
    assert "dialect none, scored at 20 px" in said
    facts = json.loads((out / "scores.json").read_text())
    assert facts["settings"]["size"] == 20
    assert {s["metric"]: s["size"] for s in facts["scores"]}["pixcorr"] == [20, 20]
    with (out / "images.tsv").open() as file:
        found = {row["name"]: float(row["pixcorr"]) for row in csv.DictReader(file, delimiter="\t")}
    for name, value in found.items():
        a, b = (
            np.asarray(
                Image.open(d / f"{name}.png").resize((20, 20), Image.Resampling.BICUBIC), float
            ).ravel()
            for d in (seen, recon)
        )
        assert value == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-5)


def test_a_size_that_would_change_nothing_is_refused(call, recon, seen):
    with pytest.raises(ConfigError, match="--size: it would change nothing"):
        call(recon, seen, "--size", "20", "--dialect", "brain-diffuser")


@pytest.mark.parametrize("more", [(), ("--size", "32")])
def test_one_picture_of_another_size_changes_no_other_score(call, recon, seen, tmp_path, more):
    """Also where it is the first."""
    first = sorted(seen.iterdir(), key=lambda p: natural(p.name))[0]

    def values(name):
        call(recon, seen, *more, "--out", str(tmp_path / name))
        with (tmp_path / name / "images.tsv").open() as file:
            return {r["name"]: r for r in csv.DictReader(file, delimiter="\t")}

    before = values("before")
    with Image.open(first) as image:
        image.crop((0, 0, image.width, image.height - 1)).save(first)
    after = values("after")
    assert before[first.stem]["pixcorr"] != after[first.stem]["pixcorr"]
    for name in set(before) - {first.stem}:
        for metric in ("pixcorr", "ssim-2d", "ssim-columnwise"):
            assert before[name][metric] == after[name][metric]


def test_a_name_that_a_recipe_gives_is_that_metric(call, recon, seen, tmp_path):
    """Also with the recipe's options: `decode` prints these names."""
    plugins = [("pixels", pytest.importorskip("neurodiffuse_pixels.hooks"))]
    names = ("identification-pixels", "identification-hog", "identification")
    words = [word for name in names for word in ("--metric", name)]
    call(recon, seen, *words, "--out", str(tmp_path / "o"), plugins=plugins)
    rows = {row["name"]: row for row in table(tmp_path / "o" / "images.tsv")}
    assert all(row["identification"] == row["identification-pixels"] for row in rows.values())
    facts = json.loads((tmp_path / "o" / "scores.json").read_text())
    assert [s["metric"] for s in facts["scores"]] == list(names)
    assert "hog" in facts["scores"][1]["what"]


def test_a_name_that_nobody_gives_is_told(call, recon, seen):
    with pytest.raises(PluginError) as error:
        call(recon, seen, "--metric", "identification-pixel")
    assert "--metric: no metric is called 'identification-pixel'." in str(error.value)
    assert "Did you mean 'identification'?" in str(error.value)
    assert "ssim-columnwise" in str(error.value)


def test_the_same_folder_twice_is_refused(call, seen):
    with pytest.raises(DataError, match=r"are the same folder.*--seen"):
        call(seen, seen.parent / "seen" / ".." / "seen")


def test_a_copy_of_what_was_seen_is_told(call, seen, tmp_path):
    assert (
        "6 of 6 reconstructions are pixel by pixel what was seen"
        in call(folder(tmp_path / "copy", pictures()), seen).output
    )


def test_sizes_are_told_as_they_are(call, seen, tmp_path):
    recon = folder(tmp_path / "r", [pictures(1, 40 + k, 48 + k)[0] for k in range(6)])
    said = call(recon, seen).output
    assert f"The 6 pictures in {recon} have 6 sizes, 48 x 40 pixels to 53 x 45 pixels" in said
    assert "of most" not in said


def test_stretched_pictures_are_told(call, seen, tmp_path):
    square = folder(tmp_path / "square", pictures(6, 40, 40))
    said = call(square, seen).output
    assert "6 of 6 reconstructions have another ratio of width to height" in said
    assert "(40 x 40 pixels of 48 x 40 pixels): they were stretched to fit" in said
    rounded = folder(tmp_path / "rounded", pictures(6, 27, 32))  # 26.7 by 32
    assert "ratio" not in call(rounded, seen).output


def test_reconstructions_of_one_colour_are_told_and_at_chance(call, seen, tmp_path):
    values = np.full((6, 40, 48, 3), 9, np.uint8)
    recon = folder(tmp_path / "flat", values)
    said = call(recon, seen, "--metric", "identification", "--metric", "pixcorr").output
    assert "6 of 6 reconstructions are of one colour, unlike what was seen." in said
    (row, plain) = table(tmp_path / "scores" / "flat" / "scores.tsv")
    assert float(row["mean"]) == 0.5
    assert float(row["low"]) < 0.5 < float(row["high"])
    assert float(plain["mean"]) == 0
    assert "of one colour" in (tmp_path / "scores" / "flat" / "index.html").read_text()


def test_a_part_can_be_scored_and_what_is_left_out_is_told(call, recon, seen, tmp_path):
    (recon / "img7.png").unlink()
    with pytest.raises(DataError, match=r"score the 5 that both have, write --pair-by common"):
        call(recon, seen)
    said = call(recon, seen, "--pair-by", "common").output
    assert "5 pairs" in said
    assert "Left out, for want of one of their name: 1 of 6 in " in said
    assert "(img7)" in said
    for file in recon.iterdir():
        file.rename(recon / f"x{file.name}")
    with pytest.raises(DataError) as error:
        call(recon, seen, "--pair-by", "common")
    assert "--pair-by common" not in str(error.value)


def test_other_scores_are_not_replaced(call, recon, seen, tmp_path):
    out = ("--out", str(tmp_path / "o"))
    call(recon, seen, *out)
    before = (tmp_path / "o" / "scores.json").read_bytes()
    call(recon, seen, *out)  # the same again
    with pytest.raises(RunError, match=r"dialect brain-diffuser, now mindeye.*another --out"):
        call(recon, seen, *out, "--dialect", "mindeye")
    assert (tmp_path / "o" / "scores.json").read_bytes() == before
    assert "scores/recon/index.html" in call(recon, seen).output
    assert "scores/recon-2/index.html" in call(recon, seen, "--dialect", "mindeye").output
    assert "scores/recon/index.html" in call(recon, seen).output


def test_pictures_in_a_folder_below_are_told(call, seen, tmp_path):
    (tmp_path / "all").mkdir()
    folder(tmp_path / "all" / "sub-01", pictures())
    with pytest.raises(DataError, match=r"Folders in it do \(sub-01\): write --recon .*sub-01"):
        call(tmp_path / "all", seen)
