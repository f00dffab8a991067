"""``python -m soak kills`` and ``python -m soak fuzz``; see ``make soak`` and ``make fuzz``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path


def main() -> int:
    """Run one of both, print what was found, and return 1 where something was."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kills = kinds.add_parser("kills", help="kill commands, give them again, compare the trees")
    kills.add_argument("--minutes", type=float, default=10.0)
    kills.add_argument("--only", action="append", help="a command; repeat for several")
    fuzz = kinds.add_parser("fuzz", help="give commands mutated input")
    fuzz.add_argument("-n", type=int, default=5000)
    fuzz.add_argument("--minutes", type=float, default=600.0, help="end earlier, after these")
    fuzz.add_argument("--only", action="append", help="a kind of input; repeat for several")
    for one in (kills, fuzz):
        one.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-")).resolve()  # forked processes must not remove it
    try:
        return (_kills if given.kind == "kills" else _fuzz)(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kills(given: argparse.Namespace, folder: Path) -> int:
    from soak.kills import COMMANDS, Soak

    soak = Soak(folder / "soak", given.only or tuple(COMMANDS))
    tries: Counter[str] = Counter()
    bad = 0
    for name, found in soak.tries(given.minutes, given.seed):
        tries[name] += 1
        if found:
            bad += 1
            print(found, flush=True)
    print(f"{soak.kills} kills ({soak.too_late} came too late) in {tries.total()} tries, {bad} bad")
    print(", ".join(f"{name} {count}" for name, count in tries.items()))
    return bool(bad)


def _fuzz(given: argparse.Namespace, folder: Path) -> int:
    from soak.fuzz import KINDS, Fuzz

    fuzz = Fuzz(folder / "fuzz", given.only or tuple(KINDS))
    outcomes: Counter[str] = Counter()
    bad = 0
    until = time.monotonic() + 60 * given.minutes
    for outcome in fuzz.tries(given.n, given.seed):
        outcomes[f"{outcome.kind}: {outcome.how}"] += 1
        if outcome.wrong:
            bad += 1
            print(outcome, flush=True)
        if time.monotonic() > until:
            break
    print(f"{outcomes.total()} mutations, seed {given.seed}, {bad} bad")
    for how, count in sorted(outcomes.items()):
        print(f"  {count:5} {how}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
