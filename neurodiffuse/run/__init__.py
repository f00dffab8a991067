"""The run folder: start it, lock it, resume it.

A step writes beside its place and renames, so a folder exists exactly when the step ended well.
A killed run goes on where it stopped and ends with the same bytes; only ``logs/`` knows when and
how long.
"""

from neurodiffuse.run.folder import Run
from neurodiffuse.run.opening import difference_from, made_by, opened, stored_config
from neurodiffuse.run.remarks import remarks_of, remarks_on_betas

__all__ = [
    "Run",
    "difference_from",
    "made_by",
    "opened",
    "remarks_of",
    "remarks_on_betas",
    "stored_config",
]
