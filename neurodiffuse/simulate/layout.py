"""What a layout of simulated data is: the form in which a study is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurodiffuse.simulate.study import Settings


class Layout(ABC):
    """Writes a simulated study; its constructor's arguments are the options of ``--set``."""

    @abstractmethod
    def write(self, out: Path, settings: Settings, *, quiet: bool = True) -> str:
        """Write the study that the settings describe and return what there is now, for people.

        ``out`` must be empty or absent, and holds either everything afterwards or nothing.
        """
