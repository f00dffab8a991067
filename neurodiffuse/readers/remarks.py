"""What is told of files, each kind of thing once however many files it is true of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from neurodiffuse.types import Remark

Kind = Literal["warning", "note", "left out"]


@dataclass
class Remarks:
    """Collects what is to be told of the files below a folder."""

    root: Path
    _files: dict[tuple[Kind, str], list[str]] = field(default_factory=dict)

    def add(self, path: Path, what: str, kind: Kind = "note") -> None:
        """Tell something of a file; of a file that is left out it is the reason."""
        name = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        names = self._files.setdefault((kind, what.rstrip(".")), [])
        if name.as_posix() not in names:
            names.append(name.as_posix())

    def all(self) -> tuple[Remark, ...]:
        """Return a remark for each thing that was told, with the first of its files."""
        out = []
        for (kind, what), names in self._files.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            text = (
                f"{names[0]}{more} ({what})" if kind == "left out" else f"{names[0]}{more}: {what}"
            )
            out.append(Remark(text, kind))
        return tuple(out)
