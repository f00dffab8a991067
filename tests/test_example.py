"""The main job on the bundled data, through the installed command and plugins."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neurodiffuse.plugins import Registry

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "bids_example"


def neurodiffuse(*words: str, cwd: Path, **more: object) -> subprocess.CompletedProcess[str]:
    code = "from neurodiffuse.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **more,  # type: ignore[call-overload]
    )


def decode(out: str, *more: str) -> tuple[str, ...]:
    words = ("--dataset", "bids", "--root", str(EXAMPLE), "--sub", "01", "--recipe", "pixels")
    return ("decode", *words, "--out", out, *more)


def bytes_of(run: Path) -> dict[Path, bytes]:
    files = [p for p in run.rglob("*") if p.is_file()]
    inside = {p.relative_to(run): p for p in files}
    return {k: p.read_bytes() for k, p in inside.items() if k.parts[0] not in ("logs", ".lock")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoded")
    done = neurodiffuse(*decode("run"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "report: run/report.html"
    return folder / "run"


def test_scores_are_far_above_chance_and_below_the_ceiling(finished):
    rows = json.loads((finished / "steps/sub-01/score/scores.json").read_text())
    found = {(r["source"], r["metric"]): r for r in rows}
    decoded, oracle = found["decoded", "pixcorr"], found["oracle", "pixcorr"]
    assert decoded["mean"] > 0.5
    assert decoded["p"] <= 0.001
    assert decoded["low"] > decoded["null_mean"] + 0.2
    assert oracle["mean"] > decoded["mean"]
    assert found["decoded", "identification-pixels"]["mean"] > 0.85


def test_shuffled_trial_labels_sit_at_chance(tmp_path):
    """Break the link between brain and pictures: the scores must fall to chance."""
    import random

    broken = tmp_path / "shuffled"
    shutil.copytree(EXAMPLE, broken)
    rng = random.Random(0)
    for table in sorted(broken.rglob("*_events.tsv")):
        head, *rows = table.read_text().splitlines()
        columns = head.split("\t")
        moved = [c for c in ("stim_id", "stim_file") if c in columns]
        cells = [row.split("\t") for row in rows]
        # Within the training trials only: the split must stay what it was.
        where = [k for k, c in enumerate(cells) if c[columns.index("split")] == "train"]
        order = rng.sample(where, len(where))
        values = [[cells[k][columns.index(c)] for c in moved] for k in order]
        for k, new in zip(where, values, strict=True):
            for column, value in zip(moved, new, strict=True):
                cells[k][columns.index(column)] = value
        table.write_text("\n".join([head, *("\t".join(c) for c in cells)]) + "\n")
    words = [str(broken) if w == str(EXAMPLE) else w for w in decode("run")]
    done = neurodiffuse(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "run/steps/sub-01/score/scores.json").read_text())
    found = {(r["source"], r["metric"]): r for r in rows}
    assert abs(found["decoded", "identification-pixels"]["mean"] - 0.5) < 0.12
    assert found["decoded", "identification-pixels"]["p"] > 0.005


KILLED_WHEN = (
    "config.toml",
    "steps/sub-01/mask",
    "steps/sub-01/encode",
    "steps/sub-01/generate.partial/decoded/recon/*.png",
    "steps/sub-01/generate",
    "steps/sub-01/score",
)


@pytest.mark.parametrize("there", KILLED_WHEN)
def test_killed_at_any_moment_it_resumes_with_the_same_bytes(finished, tmp_path, there):
    """Kill the process as soon as a file is there, so that it dies in the step that follows."""
    code = "from neurodiffuse.cli import main; main()"
    words = [sys.executable, "-c", code, *decode("run")]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not list((tmp_path / "run").glob(there)):
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "run/report.html").exists()
    done = neurodiffuse(*decode("run"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert bytes_of(tmp_path / "run") == bytes_of(finished)
    assert not list((tmp_path / "run").rglob("*.partial"))


def test_second_time_no_step_is_done(finished):
    log = (finished / "logs/steps.tsv").read_text()
    again = neurodiffuse(*decode("run"), cwd=finished.parent)
    assert again.returncode == 0
    assert again.stderr == ""
    assert (finished / "logs/steps.tsv").read_text() == log


def test_the_run_folder_is_a_valid_derivative(finished):
    if shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("bids-validator-deno is not installed")
    command = [str(Path(sys.executable).parent / "bids-validator-deno"), "--format", "json"]
    done = subprocess.run([*command, str(finished)], capture_output=True, text=True, timeout=120)
    found = json.loads(done.stdout)["issues"]["issues"]
    assert [i for i in found if i["severity"] == "error"] == []
    assert done.returncode == 0


def test_published_tables_agree_with_the_pictures(finished):
    func = finished / "sub-01/func"
    (table,) = func.glob("*_desc-decoded_images.tsv")
    with table.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == len({r["stim_id"] for r in rows}) == len(list(func.glob("*_image.png")))
    assert all((func / r["image"]).exists() for r in rows)


def test_input_is_never_modified(finished):
    done = subprocess.run(
        ["git", "status", "--porcelain", "bids_example"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    assert done.stdout == ""


REGIONS = {"takagi": ("features.z.roi=V1", "features.c.roi=faces", "mask.select=visual")}
"""What recipes that name NSD's regions need on the bundled example."""


@pytest.mark.parametrize("recipe", sorted(c.name for c in Registry.installed().cards("recipe")))
def test_dry_run_imports_no_torch(tmp_path, monkeypatch, recipe):
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path))
    words = [*decode("run", "--dry-run"), "--recipe", recipe]
    words += [w for setting in REGIONS.get(recipe, ()) for w in ("--set", setting)]
    code = (
        "import sys\nfrom neurodiffuse.cli import cli\n"
        f"cli.main({words!r}, standalone_mode=False)\n"
        "print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert list(tmp_path.iterdir()) == []
