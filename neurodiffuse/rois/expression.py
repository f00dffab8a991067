"""The tree of a region expression and its value on a subject's grid."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from neurodiffuse.errors import ConfigError, DataError

COMPARATORS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Everything:
    """Every voxel of the grid."""


@dataclass(frozen=True)
class Region:
    """A mask by its name; ``where`` is its place in the text, for messages."""

    name: str
    where: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Comparison:
    """The voxels where a map compares with a number as ``symbol`` says."""

    name: str
    symbol: str
    number: float
    where: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Band:
    """The voxels where ``lower <= map < upper``; without an upper end where ``upper`` is None."""

    name: str
    lower: float
    upper: float | None = None
    where: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Complement:
    """The voxels that are not in ``of``."""

    of: Expression


@dataclass(frozen=True)
class Chain:
    """``first``, then each ``(symbol, expression)`` applied to it from left to right.

    The symbols are ``+`` (union), ``-`` (difference) and ``&`` (intersection).
    """

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


Expression: TypeAlias = Everything | Region | Comparison | Band | Complement | Chain


def names(expression: Expression) -> tuple[str, ...]:
    """Return the distinct names of masks and maps in the order of the text."""
    if isinstance(expression, Region | Comparison | Band):
        return (expression.name,)
    if isinstance(expression, Complement):
        return names(expression.of)
    if isinstance(expression, Chain):
        parts = [expression.first, *(part for _, part in expression.rest)]
        return tuple(dict.fromkeys(name for part in parts for name in names(part)))
    return ()


def evaluate(expression: Expression, lookup: Callable[[str], np.ndarray], n: int) -> np.ndarray:
    """Return the voxels that an expression stands for, bool (n,).

    Parameters
    ----------
    expression
        What ``parse`` returned.
    lookup
        Returns for a name a mask, bool (n,), or a map, floating (n,); it is not modified. Its
        own errors pass through.
    n
        Number of voxels of the grid.

    Raises
    ------
    ConfigError
        A map is used as a mask, or a mask is compared with a number.
    DataError
        ``lookup`` returned another shape or type.

    Notes
    -----
    Numbers are compared in the precision of the map: ``ncsnr==0.2`` holds where a float32 map
    has the float32 nearest to 0.2.
    """
    if isinstance(expression, Everything):
        return np.ones(n, dtype=bool)
    if isinstance(expression, Region):
        return _mask(expression, lookup, n)
    if isinstance(expression, Comparison):
        values = _map(expression, lookup, n)
        return COMPARATORS[expression.symbol](values, expression.number)
    if isinstance(expression, Band):
        values = _map(expression, lookup, n)
        inside = values >= expression.lower
        if expression.upper is not None:
            inside &= values < expression.upper
        return inside
    if isinstance(expression, Complement):
        return ~evaluate(expression.of, lookup, n)
    return _chain(expression, lookup, n)


def _chain(chain: Chain, lookup: Callable[[str], np.ndarray], n: int) -> np.ndarray:
    result = evaluate(chain.first, lookup, n)
    for symbol, part in chain.rest:
        other = evaluate(part, lookup, n)
        if symbol == "+":
            result |= other
        elif symbol == "-":
            result &= ~other
        else:
            result &= other
    return result


def _mask(region: Region, lookup: Callable[[str], np.ndarray], n: int) -> np.ndarray:
    values = _values(region.name, lookup, n)
    if values.dtype != bool:
        raise ConfigError(
            f"{region.where}{region.name!r} is a map of numbers, not a mask: compare it "
            f"({region.name}>0.5) or take a band of it ({region.name}:0.5-1)."
        )
    return values.copy()  # chains are computed in place, and this array is the data set's


def _map(part: Comparison | Band, lookup: Callable[[str], np.ndarray], n: int) -> np.ndarray:
    values = _values(part.name, lookup, n)
    if values.dtype == bool:
        raise ConfigError(
            f"{part.where}{part.name!r} is a mask, not a map of numbers: use its name alone."
        )
    return values


def _values(name: str, lookup: Callable[[str], np.ndarray], n: int) -> np.ndarray:
    values = np.asarray(lookup(name))
    if values.shape != (n,):
        raise DataError(f"region {name!r}: has shape {values.shape}, the grid has {n} voxels.")
    if values.dtype != bool and not np.issubdtype(values.dtype, np.floating):
        raise DataError(
            f"region {name!r}: is of type {values.dtype}; a mask is bool, a map is floating."
        )
    return values
