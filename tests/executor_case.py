"""What tests of executors compare."""

from __future__ import annotations

from neurodiffuse.run import Run


def files_of(run: Run) -> dict[str, bytes]:
    """Return every file of a run but its logs and the lock."""
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in sorted(run.path.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "logs"
    }
