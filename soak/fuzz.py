"""Mutated input for every reader and for the whole command line, and what must hold of each."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from soak.child import Ended, run, wait, warm
from soak.inputs import FILES
from soak.kills import SIMULATE
from soak.mutate import arguments_of, bytes_of, json_of, recipe_of, table_of
from soak.trees import tree

KINDS = ("files", "recipes", "arguments", "tables", "json", "images")
"""Bytes of single files for their readers; all others go through the command line."""
BATCH = 50
"""Mutated files that one process reads."""
HANG = 20.0
FULL = 0.08
"""Share of the mutated data sets and recipes that are decoded, not only planned."""
PLAN = ("decode", "--dataset", "bids", "--root", "../study", "--sub", "01", "--out", "run")
COMMANDS: tuple[tuple[str, ...], ...] = (
    (*PLAN, "--recipe", "pixels", "--mask", "visual", "--set", "score.bootstrap=50", "--dry-run"),
    ("recipes", "show", "pixels"),
    ("rois", "--dataset", "bids", "--root", "../study", "--sub", "01"),
    ("plugins", "info", "pixels"),
    ("plugins", "list"),
    ("models", "list"),
    ("score", "--recon", "../study/stimuli", "--seen", "none", "--out", "s"),
    ("weights", "--run", "none", "--measure", "l1", "--permutations", "9"),
    ("compare", "none", "--pictures", "a=none"),
    ("controls", "--run", "none", "--only", "floor"),
    ("roi-optimal", "--roi", "V1+V2", "--run", "none", "--seeds", "2"),
    ("ablate", "--run", "none", "--vary", "features.pixels.alpha=1,2"),
)
"""Commands that refuse or only show: whatever is accepted of them writes nothing large."""
MORE = (
    "--dry-run", "--sub", "02", "--set", "features.pixels.alpha=nan", "--mask", "V1-", "--quiet",
    "--average", "--memory", "1", "--device", "gpu9", "--executor", "dask:x", "--links", "any",
    "--from", "fit", "--help", "--", "-", "--out", ".", "--seeds", "--roi", "--nothing",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one mutation; ``wrong`` says what should not have been."""

    kind: str
    how: str
    wrong: str = ""
    kept: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.wrong}\n  input: {self.kept}"


class Fuzz:
    """Mutations below a folder, in which a small study lies."""

    def __init__(self, root: Path, kinds: Sequence[str] = KINDS) -> None:
        warm()
        self.root, self.kinds = root, tuple(kinds)
        self.slot, self.study = root / "slot", root / "study"
        root.mkdir(parents=True, exist_ok=True)
        os.environ["NEURODIFFUSE_CACHE"] = str(root / "cache")
        self.valid = {name: make() for name, (_, make, _) in FILES.items()}
        if set(self.kinds) == {"files"}:
            return
        for arguments in (SIMULATE, (*PLAN, "--recipe", "pixels")):
            self._empty()
            ended = run(arguments, self.root if arguments is SIMULATE else self.slot)
            if ended.status:
                raise RuntimeError(ended.said)
        self.wanted = tree(self.slot / "run")
        import tomli_w

        from neurodiffuse.cli import registry
        from neurodiffuse.config import read_recipe

        self.recipe = tomli_w.dumps(read_recipe(registry(), "pixels"))

    def _empty(self) -> None:
        shutil.rmtree(self.slot, ignore_errors=True)
        self.slot.mkdir()

    def tries(self, count: int, seed: int) -> Iterator[Outcome]:
        """Make mutations of all kinds: three quarters of them files where those are asked for."""
        chance = random.Random(seed)
        others = [kind for kind in self.kinds if kind != "files"]
        done = 0
        while done < count:
            if "files" in self.kinds and (not others or chance.random() < 0.06):
                for outcome in self._files(chance, min(BATCH, count - done)):
                    done += 1
                    yield outcome
            else:
                done += 1
                yield self._command(chance.choice(others), chance)

    # --- readers ------------------------------------------------------------------------------

    def _files(self, chance: random.Random, count: int) -> list[Outcome]:
        made = []
        for _ in range(count):
            name = chance.choice(list(FILES))
            data = self.valid[name]
            if name == "tsv":
                data = table_of(data.decode(), chance).encode("utf-8", "surrogateescape")
            elif name == "nifti.gz" and chance.random() < 0.5:
                data = gzip.compress(bytes_of(gzip.decompress(data), chance), mtime=0)
            if name != "tsv" or chance.random() < 0.3:
                data = bytes_of(data, chance)
            made.append((name, data))
        return read_all(made, self.root)

    # --- commands -----------------------------------------------------------------------------

    def _command(self, kind: str, chance: random.Random) -> Outcome:
        self._empty()
        if kind == "arguments":
            words = arguments_of(list(chance.choice(COMMANDS)), chance, MORE)
            if words[0] == "decode" and "--dry-run" not in words:
                words.append("--dry-run")
            return self._judged(kind, words, repr(words), ())
        if kind == "recipes":
            text = recipe_of(self.recipe, chance)
            (self.slot / "r.toml").write_text(text, encoding="utf-8", errors="replace")
            return self._accepted_too(kind, "r.toml", text, ("r.toml",), chance)
        suffixes = {"tables": (".tsv",), "json": (".json",), "images": (".nii.gz", ".png")}[kind]
        below = [p for p in sorted(self.study.rglob("*")) if str(p).endswith(suffixes)]
        below = [p for p in below if "sub-02" not in p.parts and "sourcedata" not in p.parts]
        file = chance.choice(below)
        data = file.read_bytes()
        if kind == "tables":
            new = table_of(data.decode(), chance).encode("utf-8", "surrogateescape")
        elif kind == "json":
            new = json_of(data.decode(), chance).encode("utf-8", "surrogateescape")
        elif file.suffix == ".gz" and chance.random() < 0.7:
            new = gzip.compress(bytes_of(gzip.decompress(data), chance), 1, mtime=0)
        else:
            new = bytes_of(data, chance)
        try:
            file.write_bytes(new)
            kept = f"{file.relative_to(self.study)}: {new[:300]!r}"
            return self._accepted_too(kind, "pixels", kept, (), chance)
        finally:
            file.write_bytes(data)

    def _accepted_too(
        self, kind: str, recipe: str, kept: str, mine: tuple[str, ...], chance: random.Random
    ) -> Outcome:
        """Plan, and of some decode too: changed results need a changed plan or changed hashes."""
        arguments = [*PLAN, "--recipe", recipe]
        planned = self._judged(kind, [*arguments, "--dry-run"], kept, mine)
        if planned.wrong or chance.random() > FULL:
            return planned
        ended = run(arguments, self.slot)
        wrong = _wrong(ended)
        made = tree(self.slot / "run") if (self.slot / "run").exists() else {}
        if not wrong and planned.how == "refused" and (ended.status == 0 or made):
            wrong = f"the plan refuses, the run has status {ended.status} and {len(made)} files"
        if not wrong and ended.status == 0 and planned.how == "accepted":
            wrong = self._silent(made)
        return dataclasses.replace(
            planned, how="decoded" if ended.status == 0 else "refused by the run", wrong=wrong
        )

    def _silent(self, made: dict[str, str]) -> str:
        """Say which results differ though neither settings nor hashes of inputs do."""
        other = {key for key in self.wanted if made.get(key) != self.wanted[key]}
        told = {key for key in other if key.endswith(("inputs.json", "config.toml"))}
        results = sorted(key for key in other - told if key.endswith((".npy", ".png", ".tsv")))
        return (
            f"other results, the same hashes: {', '.join(results[:5])}"
            if results and not told
            else ""
        )

    def _judged(self, kind: str, words: list[str], kept: str, mine: tuple[str, ...]) -> Outcome:
        ended = run(words, self.slot)
        wrong = _wrong(ended)
        written = sorted({p.name for p in self.slot.iterdir()} - set(mine))
        if not wrong and written and (ended.status or "--dry-run" in words):
            wrong = f"status {ended.status}, and {', '.join(written)} was written"
        return Outcome(kind, "accepted" if ended.status == 0 else "refused", wrong, kept)


def _wrong(ended: Ended) -> str:
    if ended.seconds > HANG:
        return f"{ended.seconds:.0f} s"
    if ended.status not in (0, 1, 2) or "Traceback (most recent" in ended.said:
        return f"status {ended.status}: {ended.said[-1500:]}"
    if ended.status and not ended.said.strip():
        return f"status {ended.status} without a word"
    return ""


def read_all(made: Sequence[tuple[str, bytes]], folder: Path) -> list[Outcome]:
    """Read mutated files in one process, which may die of one of them."""
    place = folder / "reading"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    found: list[Outcome] = []
    while len(found) < len(made):
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            _read_here(made[len(found) :], place)
        Path(f"{place}.said").write_text("", encoding="utf-8")
        ended = wait(child, place, most=HANG + 5 + 0.5 * len(made))
        lines = (place / "outcomes").read_text(encoding="utf-8").splitlines()
        found += [Outcome(*json.loads(line)) for line in lines]
        if ended.status and len(found) < len(made):
            name, data = made[len(found)]
            found.append(Outcome(name, "died", f"status {ended.status}", repr(data)))
    return found


def _read_here(made: Sequence[tuple[str, bytes]], place: Path) -> None:
    """Read files and note what became of each; ends the process."""
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        with (place / "outcomes").open("w", encoding="utf-8") as out:
            for name, data in made:
                signal.alarm(int(HANG))  # which ends the process
                how, wrong = read_one(name, data, place)
                signal.alarm(0)
                out.write(json.dumps([name, how, wrong, repr(data) if wrong else ""]) + "\n")
                out.flush()
        os._exit(0)
    finally:
        os._exit(1)


def read_one(name: str, data: bytes, place: Path) -> tuple[str, str]:
    """Read one file of a format: say how that ended, and what is wrong in that.

    A refusal is an error that the command line tells in one line: the package's own with the
    file's name in it, or the system's.
    """
    from neurodiffuse.errors import NeurodiffuseError

    file_name, _, reader = FILES[name]
    path = place / file_name
    path.write_bytes(data)
    begun = time.monotonic()
    try:
        reader(path)
        how, wrong = "accepted", ""
    except NeurodiffuseError as error:
        how, said = "refused", str(error)
        wrong = "" if said and "\n" not in said and file_name in said else f"it says {said!r}"
    except Exception as error:
        is_told = isinstance(error, OSError) and error.errno is not None
        how = "refused"
        wrong = "" if is_told else "".join(traceback.format_exception(error)[-6:])[-1500:]
    finally:
        path.unlink(missing_ok=True)
    seconds = time.monotonic() - begun
    return how, wrong or (f"{seconds:.0f} s" if seconds > HANG else "")
