"""Loaded into workers: one that is told to end, or whose command is gone, leaves its task at once.

Dask would wait until the task is done. What a task writes is there as a whole or not at all.
"""

from __future__ import annotations

import os
from typing import Any


def dask_teardown(worker: Any) -> None:
    """End the process while a task is under way; called by Dask when a worker ends."""
    if worker.state.executing_count:
        os._exit(0)
