"""What was promised and what was found, and what the roles' examinations share."""

from __future__ import annotations

import contextlib
import gc
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodiffuse.errors import NeurodiffuseError
from neurodiffuse.options import parameters
from neurodiffuse.types import Latents, Role

KEPT = 2**20
"""Bytes that may stay allocated from one call to the next."""


@dataclass(frozen=True)
class Finding:
    """A promise of the contract, whether it is kept, and what was found where it is not."""

    promise: str
    kept: bool
    found: str = ""
    error: Exception | None = None

    def __str__(self) -> str:
        return self.promise if self.kept or not self.found else f"{self.promise}: {self.found}"


class Findings(list[Finding]):
    """What was looked at so far."""

    def that(self, kept: object, promise: str, found: object = "") -> None:
        """Note whether a promise is kept, and what was found if not."""
        self.append(Finding(promise, bool(kept), "" if kept else str(found)))

    @contextlib.contextmanager
    def trying(self, promise: str) -> Iterator[None]:
        """Note an exception as a broken promise and go on."""
        try:
            yield
        except Exception as error:  # a plugin under test may raise anything; it is told
            self.append(Finding(promise, False, f"{type(error).__name__}: {error}", error))

    def refuses(self, promise: str, call: Callable[[], object]) -> None:
        """Note whether a call raises."""
        try:
            call()
        except Exception:  # which one is the plugin's choice
            self.that(True, promise)
        else:
            self.that(False, promise, "nothing was raised")

    def close(self, one: np.ndarray, two: np.ndarray, promise: str) -> None:
        """Note whether two arrays agree to a ten-thousandth of the largest value."""
        if one.shape != two.shape:
            self.that(False, promise, f"shapes {one.shape} and {two.shape}")
            return
        scale = max(float(np.abs(one).max()), 1e-6)
        far = float(np.abs(one - two).max()) / scale
        self.that(far < 1e-4, promise, f"differs by {far:.1e} of the largest value")


def constructor(part: Role, role: type) -> Findings:
    """Look at what every role's constructor must be."""
    found = Findings()
    found.that(isinstance(part, role), f"the class derives from neurodiffuse.types.{role.__name__}")
    promise = "options can be checked: no *args or **kwargs"
    with found.trying(promise):
        named = parameters(type(part))
        found.that(True, promise)
        lost = [name for name in named if not hasattr(part, name)]
        found.that(not lost, "the constructor stores its arguments under their names", lost)
    return found


@contextlib.contextmanager
def left_alone(found: Findings) -> Iterator[None]:
    """Look at whether numpy's global random state is as it was."""
    state = str(np.random.get_state())  # noqa: NPY002 (the state that a plugin must not touch)
    yield
    same = state == str(np.random.get_state())  # noqa: NPY002
    found.that(same, "numpy's global random state is left alone")


def memory(found: Findings, call: Callable[[], object]) -> None:
    """Look at whether anything stays allocated from call to call (numpy's and Python's memory)."""
    call()
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(2):
            call()
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    grown = sizes[1] - sizes[0]
    found.that(grown < KEPT, "memory does not grow from call to call", f"{grown:,} bytes a call")


def refusals(found: Findings, part: Any, use: Callable[[Any], object]) -> None:
    """Look at how devices and weights that are not there are refused, where they are options."""
    try:
        named = parameters(type(part))
    except TypeError:  # which `constructor` has told
        return
    if "device" in named:
        found.refuses(
            "a device that is not there is refused", lambda: use(fresh(part, device="cuda:99"))
        )
    if "weights" in named:
        promise = "weights that are not there are refused in one line that names them"
        try:
            use(fresh(part, weights="no/such/weights"))
        except NeurodiffuseError as error:
            said = str(error)
            found.that("no/such/weights" in said and "\n" not in said, promise, said)
        except Exception as error:  # a plugin under test may raise anything; it is told
            found.that(False, promise, f"{type(error).__name__}: {error}")
        else:
            found.that(False, promise, "nothing was raised")


def moved(
    found: Findings, part: Any, use: Callable[[Any], np.ndarray], here: np.ndarray, most: float
) -> None:
    """Look at whether the CPU gives what the device in use gives, where the class has the option.

    ``most`` is the mean difference that is allowed, as a part of the largest value.
    """
    try:
        named = parameters(type(part))
    except TypeError:  # which `constructor` has told
        return
    if "device" not in named:
        return
    promise = "it gives the same on the CPU as on its device"
    with found.trying(promise):
        there = np.asarray(use(fresh(part, device="cpu")), np.float64)
        same = there.shape == here.shape
        far = np.abs(there - here).mean() / max(np.abs(here).max(), 1e-6) if same else np.inf
        found.that(far <= most, promise, f"differs by {far:.1e} of the largest value")


def fresh(part: Any, **changed: Any) -> Any:
    """Return a new object with the same options, which the constructor has stored by name."""
    names = parameters(type(part))
    return type(part)(**{name: getattr(part, name) for name in names} | changed)


def rows(latents: Latents, rows: list[int]) -> Latents:
    """Return some rows of latents."""
    return Latents(tuple(latents.ids[k] for k in rows), latents.values[rows], latents.shapes)
