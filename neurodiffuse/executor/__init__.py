"""Where work is done: in this process, in several, on a Dask cluster or through SLURM.

An executor is none of a run's identity. It does one piece of work for many tasks and knows
nothing of what they are; `neurodiffuse.work` says how tasks find their run.
"""

from __future__ import annotations

import re
from pathlib import Path

from neurodiffuse.errors import ConfigError
from neurodiffuse.executor.cluster import Dask
from neurodiffuse.executor.credentials import need_packages
from neurodiffuse.executor.execute import RETRIES, Executor, Work
from neurodiffuse.executor.local import InProcess, Processes

__all__ = ["RETRIES", "Executor", "InProcess", "Processes", "Work", "read_executor"]

FORMS = "local, local:N (1 to 9999), dask:ADDRESS or slurm:CONFIG"


def read_executor(text: str) -> Executor:
    """Return the executor that ``--executor`` names; nothing is started before it is used.

    ``local`` is this process, ``local:4`` four processes of this machine, ``dask:ADDRESS`` a
    Dask scheduler by its address or its scheduler file, ``slurm:CONFIG`` jobs of a TOML file.

    Raises
    ------
    ConfigError
        If it is none of these, no address and no file follow ``dask:``, or the file of ``slurm:``
        is not usable.
    PluginError
        If it needs Dask, which is not installed.
    """
    kind, colon, rest = text.strip().partition(":")
    if kind == "local" and not colon:
        return InProcess()
    if kind == "local" and re.fullmatch(r"[1-9]\d{0,3}", rest):
        need_packages(f"local:{rest}", "distributed", "cryptography")
        return Processes(int(rest))
    if kind == "dask" and rest:
        if not (re.search(r"://|:\d+$", rest) or Path(rest).is_file()):
            raise ConfigError(
                f"--executor {text!r}: no scheduler file is called {rest}, and an address looks "
                "like tcp://HOST:8786."
            )
        need_packages(f"dask:{rest}", "distributed")
        return Dask(rest)
    if kind == "slurm" and rest:
        need_packages(f"slurm:{rest}", "distributed", "dask_jobqueue", "cryptography")
        from neurodiffuse.executor.slurm import Slurm

        return Slurm.of_file(Path(rest))
    raise ConfigError(f"--executor {text!r}: write {FORMS}.")
