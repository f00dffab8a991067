"""Random kills over every command that writes, each followed by the same command again."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from soak.child import Ended, run, start, wait, warm
from soak.trees import differences, tree

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DATA = ("--dataset", "bids", "--root", "../study")
_BOTH = (*_DATA, "--sub", "01", "--sub", "02", "--recipe", "pixels", "--set", "score.bootstrap=50")
SIMULATE = (
    "simulate", "study", "--subjects", "2", "--train", "24", "--test", "12", "--size", "16",
    "--sessions", "1", "--runs", "2", "--repetitions", "2", "--seed", "3",
)  # fmt: skip
COMMANDS: dict[str, tuple[str, ...]] = {
    "simulate": SIMULATE,
    "decode": ("decode", *_BOTH, "--out", "run"),
    "plugins new": ("plugins", "new", "mosaic", "--role", "generator"),
    "average": ("average", "--run", "run"),
    "score": ("score", "--recon", "recons", "--seen", "seen", "--bootstrap", "50", "--out", "s"),
    "roi-optimal": ("roi-optimal", "--roi", "visual", "--seeds", "2", "--run", "run"),
    "weights": ("weights", "--run", "run", "--permutations", "20", "--no-pictures"),
    "compare": ("compare", "run", "run", "--pictures", "others=others"),
    "ablate": ("ablate", "--run", "run", "--vary", "features.pixels.alpha=10,100"),
    "controls": ("controls", "--run", "run", "--only", "ceiling", "--only", "floor"),
}
"""Every command that writes, on inputs so small that it takes a second or few."""
FRESH = frozenset({"simulate", "decode", "plugins new"})
"""Those that begin without a run."""


@dataclasses.dataclass
class Found:
    """A try that left something else than an uninterrupted command leaves."""

    command: str
    kills: list[str]
    differences: list[str]

    def __str__(self) -> str:
        some = "; ".join(self.differences[:8])
        return f"{self.command}, after {', '.join(self.kills)}: {some}"


class Soak:
    """Uninterrupted trees of commands below a folder, and kills compared with them."""

    def __init__(self, root: Path, commands: Sequence[str] = tuple(COMMANDS)) -> None:
        warm()
        self.root = root
        self.slot = root / "slot"
        self.commands = tuple(commands)
        self.ended: dict[str, Ended] = {}
        self.wanted: dict[str, dict[str, str]] = {}
        self.kills = 0
        self.too_late = 0
        os.environ["NEURODIFFUSE_CACHE"] = str(self.slot / "cache")
        root.mkdir(parents=True, exist_ok=True)
        self._need(run(SIMULATE, root), "simulate")
        self._prepare()

    def _need(self, ended: Ended, name: str) -> Ended:
        if ended.status:
            raise RuntimeError(f"{name} without any kill: status {ended.status}\n{ended.said}")
        return ended

    def _prepare(self) -> None:
        (self.root / "fresh").mkdir()
        if not FRESH.issuperset(self.commands):
            self._put("fresh")
            self._need(run(COMMANDS["decode"], self.slot), "decode")
            self._pictures()
            shutil.copytree(self.slot, self.root / "decoded", symlinks=True)
        for name in self.commands:
            self._put("fresh" if name in FRESH else "decoded")
            self.ended[name] = self._need(run(COMMANDS[name], self.slot), name)
            self.wanted[name] = tree(self.slot)

    def _pictures(self) -> None:
        """Copy what was made and seen into folders of their own, one picture a name."""
        for label in ("01", "02"):
            made = self.slot / "run" / f"sub-{label}" / "func"
            for file in sorted(made.glob("*_desc-recon_image.png")):
                seen = file.name.split("_stim-")[1].split("_")[0]
                stimulus = self.root / "study" / "stimuli" / f"stim-{seen}_image.png"
                for source, folder in (
                    (file, f"others/sub-{label}"),
                    (file, "recons"),
                    (stimulus, "seen"),
                ):
                    (self.slot / folder).mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, self.slot / folder / f"{seen}.png")

    def _put(self, kind: str) -> None:
        shutil.rmtree(self.slot, ignore_errors=True)
        shutil.copytree(self.root / kind, self.slot, symlinks=True)

    def one(self, name: str, chance: random.Random) -> Found | None:
        """Kill a command one to three times, give it again, and compare."""
        self._put("fresh" if name in FRESH else "decoded")
        usual = self.ended[name]
        kills = []
        for _ in range(chance.choice((1, 1, 2, 3))):
            number = chance.choice(SIGNALS)
            if chance.random() < 0.5:
                at = chance.uniform(0, usual.seconds)
                ended = wait(start(COMMANDS[name], self.slot), self.slot, kill=(at, number))
                when = f"{at:.3f} s"
            else:
                moment = chance.randint(1, max(1, usual.moments))
                child = start(COMMANDS[name], self.slot, kill=(moment, number))
                ended = wait(child, self.slot)
                when = f"change {moment}"
            if ended.status == 0:
                self.too_late += 1
            else:
                self.kills += 1
            kills.append(f"{number.name} at {when} (status {ended.status})")
            wrong = _unexpected(ended, number)
            if wrong:
                return Found(name, kills, [wrong])
        last = run(COMMANDS[name], self.slot)
        if last.status and not (name == "plugins new" and "exists already" in last.said):
            return Found(name, kills, [f"status {last.status} afterwards: {last.said[-1500:]}"])
        found = differences(self.wanted[name], tree(self.slot))
        return Found(name, kills, found) if found else None

    def tries(self, minutes: float, seed: int) -> Iterator[tuple[str, Found | None]]:
        """Go through all commands in turn until the time is over."""
        chance = random.Random(seed)
        until = time.monotonic() + 60 * minutes
        while True:
            for name in self.commands:
                if time.monotonic() >= until:
                    return
                yield name, self.one(name, chance)


def _unexpected(ended: Ended, number: int) -> str:
    """Say what is wrong in how a killed command ended: by the signal, or interrupted, or done."""
    if ended.status in (0, -number) or (number == signal.SIGINT and ended.status == 1):
        bug = ended.said.find("Traceback")
        if bug < 0 or (number == signal.SIGINT and "Exception ignored" in ended.said):
            return ""  # Python tells an interrupt that meets a destructor, and goes on
        return f"a traceback: {ended.said[max(0, bug - 300) : bug + 1500]}"
    return f"status {ended.status}: {ended.said[-1500:]}"
