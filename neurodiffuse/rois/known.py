"""Region expressions in the words of one subject."""

from __future__ import annotations

from neurodiffuse.errors import ConfigError, listing
from neurodiffuse.rois.expression import Expression
from neurodiffuse.rois.parser import parse
from neurodiffuse.types import Subject


def parse_for(about: Subject, expression: str) -> Expression:
    """Return the tree of an expression with the names that a subject has, or lost with a file.

    Raises
    ------
    ConfigError
        If it cannot be read or names an unknown region; files of regions that were left out,
        which may be where it should come from, are named.
    """
    try:
        return parse(expression, known=[*(roi.name for roi in about.rois), *about.absent])
    except ConfigError as error:
        lost = [remark.text for remark in about.remarks if remark.kind == "left out"]
        hint = f" Left out: {listing(lost, most=3)}." if lost else ""
        raise ConfigError(f"{error}{hint}") from error
