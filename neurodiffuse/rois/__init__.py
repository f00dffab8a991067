"""Regions of interest: one algebra for every data set, and the way back onto the brain.

An expression names the voxels to use::

    expression  =  term { ("+" | "|" | "-") term }       union, union, difference; left to right
    term        =  factor { "&" factor }                 intersection
    factor      =  ("~" | "!") factor                    complement
                |  "(" expression ")"
                |  "all"                                  every voxel
                |  NAME                                   a mask
                |  NAME (">" | ">=" | "<" | "<=" | "==") NUMBER
                |  NAME ":" NUMBER "-" [NUMBER]           a band: lower <= value < upper

so a comparison binds tightest, then ``~``, then ``&``, then ``+`` and ``-``:
``V1+V4+faces-V2``, ``nsdgeneral & ncsnr>0.2``, ``ecc:0.5-1``, ``ecc:4-``, ``lh.PPA``.

Names are those the data set lists. Where several fit, the longest wins, so ``FFA-1`` is a
region if there is one and else a difference; ``"FFA-1"`` in quotes is always one name. Upper
and lower case need not agree where only one name fits. Hyphens, which BIDS labels cannot hold,
may be left out or put in (``FFA1``, ``FFA-1``). ``ecc`` is short for ``eccentricity``, and
``lh.PPA`` means ``lh & PPA`` where a data set has the mask ``lh`` but no region ``lh.PPA``.

A voxel where a map is NaN is in no comparison and in no band; a complement turns that round.

All functions take and return arrays over a grid: flat, in C order of its (x, y, z) shape.
"""

from neurodiffuse.rois.expression import (
    Band,
    Chain,
    Comparison,
    Complement,
    Everything,
    Expression,
    Region,
    evaluate,
    names,
)
from neurodiffuse.rois.known import parse_for
from neurodiffuse.rois.parser import parse
from neurodiffuse.rois.volume import Extent, describe, empty, mask_image, to_image

__all__ = [
    "Band",
    "Chain",
    "Comparison",
    "Complement",
    "Everything",
    "Expression",
    "Extent",
    "Region",
    "describe",
    "empty",
    "evaluate",
    "mask_image",
    "names",
    "parse",
    "parse_for",
    "to_image",
]
