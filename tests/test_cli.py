"""The command line: instant help, one line an error, nothing written before all is checked."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from toy import Colour, Toy

from neurodiffuse import cli
from neurodiffuse.errors import NeurodiffuseError
from neurodiffuse.types import Remark

HEAVY = ("numpy", "scipy", "sklearn", "nilearn", "nibabel", "pandas", "PIL", "torch", "bids")


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("words", [["--help"], ["plugins", "list"], ["recipes", "list"]])
def test_looking_around_imports_nothing_heavy(words):
    code = f"""
import sys
from neurodiffuse.cli import cli
try:
    cli.main({words!r})
except SystemExit:
    pass
print([m for m in {HEAVY!r} if m in sys.modules])
"""
    assert python(code) == "[]"


@pytest.mark.parametrize(
    "module", ["cli", "run", "config", "plugins", "hookspecs", "types", "errors", "pipeline"]
)
def test_the_porch_imports_no_numpy(module):
    code = f"import sys, neurodiffuse.{module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert python(code) == "[]"


@pytest.fixture
def invoke(registry, monkeypatch, tmp_path):
    """Return a function that runs the command line on the toys, in an empty folder."""
    monkeypatch.setattr(cli, "registry", lambda: registry)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli.cli, ["--quiet", *words])

    return call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("score --recon a --seen b --size 5", "--size: 5 is not possible. Give a whole number, 11"),
        ("score --recon a --seen b --size big", "--size: 'big' is not possible. Give a whole"),
        ("score --recon a --seen b --pair-by nam", "--pair-by: 'nam' is not possible. Did you me"),
        ("score --recon a", "--seen: is missing. neurodiffuse score --help"),
        ("models fetch --jobs 99 x", "--jobs: 99 is not possible. Give a whole number from 1 to 3"),
        (
            "decode --datset x",
            "--datset: neurodiffuse decode has no such option. Did you mean '--d",
        ),
        ("decode --memory lots", "--memory: 'lots' is not an amount of memory; write 8GiB"),
        ("decode --dataset", "--dataset: Option '--dataset' requires an argument."),
        ("average extra", "Got unexpected extra argument (extra). neurodiffuse average --help"),
        ("decode --sub 1 --executor cloud", "--executor: 'cloud': write local, local:N (1 to"),
        ("roi-optimal --roi V1 --method lineer", "--method: 'lineer' is not possible. Did you me"),
    ],
)
def test_wrong_words_are_one_line(words, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["neurodiffuse", *words.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"neurodiffuse: {said}")
    assert stop.value.code in (1, 2)


TOY = ("decode", "--dataset", "toy", "--recipe", "toy")


def test_decode_prints_scores_and_where_the_report_is(invoke):
    done = invoke(*TOY, "--sub", "1", "--out", "runs/x")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "report: runs/x/report.html"
    assert "sub-01 pixcorr" in done.output
    assert Path("runs/x/report.html").stat().st_size > 10_000


def test_default_folder_names_data_recipe_and_subjects(invoke):
    done = invoke(*TOY, "--sub", "sub-2", "--sub", "01")
    assert done.output.splitlines()[-1] == "report: runs/toy-toy-sub-02+01/report.html"


def test_few_test_images_are_told_in_plan_terminal_and_report(invoke):
    said = "sub-01: 6 test images only: intervals and p-values say little."
    assert f"warning    {said}" in invoke(*TOY, "--sub", "1", "--out", "x", "--dry-run").output
    assert f"warning    {said}" in invoke(*TOY, "--sub", "1", "--out", "x").stderr
    report = Path("x/report.html").read_text()
    assert report.count(said.replace("01: ", "01: warning: ")) == report.count("say little") == 1
    many = ("--set", "datasets.toy.test=20")
    assert "say little" not in invoke(*TOY, *many, "--sub", "1", "--dry-run").output


def learning(self, stimuli):
    self.learned = {"mean": np.mean([image.mean() for image in stimuli.images])}


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_an_average_that_cannot_be_is_refused_before_computing(invoke, monkeypatch, dry):
    """The second subject was trained on one image less."""
    both = (*TOY, "--sub", "1", "--sub", "2", "--average", "--out", "both", *dry)
    subject = Toy.subject
    first = Toy().subject("01").trials.images("train")[0]

    def changed(self, label):
        about = subject(self, label)
        if label != "02":
            return about
        rows = [k for k, image in enumerate(about.trials.stimulus) if image != first]
        columns = dataclasses.astuple(about.trials)
        fields = [tuple(c[k] for k in rows) if len(c) else c for c in columns]
        return dataclasses.replace(about, trials=type(about.trials)(*fields))

    monkeypatch.setattr(Toy, "subject", changed)
    assert not isinstance(invoke(*both, "--dry-run").exception, NeurodiffuseError)  # learns nothing
    monkeypatch.setattr(Colour, "fit", learning)
    done = invoke(*both)
    assert isinstance(done.exception, NeurodiffuseError)
    assert str(done.exception).startswith("--average: no average can be taken: the encoder of co")
    assert f"1 of sub-01 alone ({first}). " in str(done.exception)
    assert not Path("both").exists()
    alone = invoke(*TOY, "--sub", "1", "--sub", "2", "--out", "both", "--dry-run")
    assert alone.exception is None


def test_average_of_subjects_is_decoded_beside_them(invoke):
    done = invoke(*TOY, "--sub", "1", "--sub", "2", "--average", "--out", "both")
    assert done.exit_code == 0, done.exception
    assert Path("both/steps/sub-average/score/scores.json").exists()
    assert "average" in done.output


def test_dry_run_writes_nothing_and_prints_the_plan(invoke):
    done = invoke(*TOY, "--sub", "01", "--mask", "V1 + FFA1", "--dry-run")
    assert done.exit_code == 0
    assert list(Path().iterdir()) == []
    for said in ("30 voxels of 'V1 + FFA1'", "train 40 images (60 trials)", "download   nothing"):
        assert said in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("decode", "--dataset", "tyo", "--sub", "1", "--recipe", "toy"), "Did you mean 'toy'?"),
        ((*TOY, "--sub", "9"), "--sub '9': no such subject. Subjects: 01, 02, 10."),
        ((*TOY, "--sub", "1", "--from", "fitt"), "--from: no step is called 'fitt'. Did you mean"),
        ((*TOY, "--sub", "1", "--set", "features.colour.alpha=0"), "must be a number above 0"),
        ((*TOY, "--sub", "1", "--mask", "V1 +"), "at character 5: expected a region"),
        ((*TOY, "--sub", "1", "--average"), "name two or more with --sub"),
        ((*TOY, "--sub", "1", "--mask", "nothing"), "no voxel of sub-01"),
        ((*TOY, "--sub", "1", "--set", "datasets.toy.test=1"), "one test image only"),
        ((*TOY, "--sub", "1", "--set", "datasets.toy.fault=infinite"), "NaN or infinite"),
        (("decod",), "no command is called 'decod'. Did you mean 'decode'?"),
        (("recipes", "show", "tyo"), "Did you mean 'toy'?"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(invoke, words, said):
    done = invoke(*words)
    assert isinstance(done.exception, NeurodiffuseError)
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
    assert list(Path().rglob("*")) == []


def test_expected_error_is_one_line_and_status_1():
    words = ["decode", "--dataset", "no-such", "--sub", "1", "--recipe", "none"]
    code = "from neurodiffuse.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("neurodiffuse: --recipe: no recipe is called 'none'.")
    debugged = subprocess.run(
        [sys.executable, "-c", code, *words, "--debug"], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" in debugged.stderr


@pytest.mark.parametrize(
    "read",
    ["import numpy, io; numpy.load(io.BytesIO())", "import json; json.loads('{')",
     "import zipfile, io; zipfile.ZipFile(io.BytesIO(b'no'))"],
)  # fmt: skip
def test_a_damaged_file_is_one_line_and_no_interruption(read):
    code = f"""
import sys
from neurodiffuse import cli
@cli.cli.command("torn")
def torn():
    exec({read!r})
cli.main()
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run([*words, "torn"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Interrupted" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.strip().startswith("neurodiffuse: a file is empty, cut off or damaged (")
    words += ["--debug", "torn"]
    debugged = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "Traceback" in debugged.stderr
    assert "in torn" in debugged.stderr


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("open('/nowhere/x')", "neurodiffuse: /nowhere/x: No such file or directory. "),
        ("import pathlib; pathlib.Path('/' + 300 * 'x').stat()", "(File name too long)"),
        ("raise OSError('a bug')", "Traceback"),
    ],
)
def test_an_error_of_the_system_that_names_a_file_is_one_line(work, said):
    code = f"""
import sys
from neurodiffuse import cli
@cli.cli.command("torn")
def torn():
    exec({work!r})
cli.main()
"""
    words = [sys.executable, "-c", code, "torn"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 or said == "Traceback"


def test_recipe_that_is_shown_can_be_used(invoke):
    Path("mine.toml").write_text(invoke("recipes", "show", "toy").output)
    done = invoke("decode", "--dataset", "toy", "--sub", "1", "--recipe", "mine.toml", "--dry-run")
    assert done.exit_code == 0, done.exception


def test_command_in_the_report_makes_the_same_run(invoke):
    import re
    import shlex

    settings = ("--set", "stages.recon.grain=0.25", "--mask", "V1+FFA1", "--set", "seed=5")
    invoke(*TOY, "--sub", "1", "--out", "one", *settings)
    page = Path("one/report.html").read_text()
    found = re.search(r"neurodiffuse decode --dataset[^<]*", page)
    assert found is not None
    words = shlex.split(found.group().replace("&#39;", "'").replace("&#34;", '"'))[1:]
    again = ["two" if word == "one" else word for word in words]
    assert invoke(*again).exit_code == 0
    one, two = (Path(p, "steps/sub-01/score/images.tsv").read_bytes() for p in ("one", "two"))
    assert one == two


def test_decode_prints_warnings_on_the_input_also_when_quiet(invoke, monkeypatch):
    plain = Toy.subject
    told = (Remark("look out", "warning"), Remark("understood"))
    monkeypatch.setattr(
        Toy, "subject", lambda *args: dataclasses.replace(plain(*args), remarks=told)
    )
    result = invoke(*TOY, "--sub", "1")
    assert result.exit_code == 0, result.stderr
    assert "warning    sub-01: look out\n" in result.stderr
    assert "understood" not in result.stderr
