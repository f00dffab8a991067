"""Executor that asks SLURM for workers."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from neurodiffuse.errors import ConfigError, RunError
from neurodiffuse.executor.cluster import Dask
from neurodiffuse.executor.credentials import PRELOAD, QUIET, shared
from neurodiffuse.files import in_words, read_text, toml_of

NEEDED = ("jobs", "cores", "memory")

OURS = ("security", "protocol", "shared_temp_directory")
"""Options of ``SLURMCluster`` that are not the user's: connections are encrypted, always."""

PLACE = ("host", "interface", "port")
"""What may be said about the scheduler: where it listens."""


class Slurm(Dask):
    """Jobs of SLURM with Dask workers in them, ended with the command.

    The scheduler is in this process. It listens on one address, and to those who have the keys of
    this command only: the jobs read them from files that the user alone may read.

    Parameters
    ----------
    config
        Path of the settings, for messages.
    jobs
        How many jobs are asked for.
    options
        Of `dask_jobqueue.SLURMCluster`.
    """

    dashboard = False
    direct = True

    def __init__(self, config: str, jobs: int, options: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.jobs, self.options = jobs, dict(options)
        self._cluster: Any = None
        self._keys = ExitStack()

    @classmethod
    def of_file(cls, path: Path) -> Slurm:
        """Return the executor of a TOML file: ``jobs``, and the options of ``SLURMCluster``.

        Raises
        ------
        ConfigError
            If the file cannot be read, lacks something or says what cannot be chosen.
        """
        where = f"--executor slurm:{path}"
        try:
            given = toml_of(read_text(path))
        except OSError as error:
            raise ConfigError(f"{where}: cannot be read ({in_words(error)}).") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{where}: not TOML: {error}.") from error
        if lacking := [name for name in NEEDED if name not in given]:
            raise ConfigError(
                f"{where}: {lacking[0]} is not there; it needs {', '.join(NEEDED)}, and takes "
                "what dask_jobqueue.SLURMCluster takes."
            )
        jobs = given.pop("jobs")
        if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
            raise ConfigError(f"{where}: jobs = {jobs!r}; a number from 1 is needed.")
        for name in OURS:
            if name in given:
                raise ConfigError(
                    f"{where}: {name} cannot be chosen: workers are reached by TLS, with keys that "
                    "are made for each command. Leave it out."
                )
        scheduler = given.get("scheduler_options", {})
        if not isinstance(scheduler, dict) or set(scheduler) - set(PLACE):
            raise ConfigError(
                f"{where}: scheduler_options is a table that takes {', '.join(PLACE)}; there is no "
                "dashboard, and connections are always encrypted."
            )
        return cls(str(path), jobs, given)

    def job_script(self) -> str:
        """Return the script that SLURM is given for each job."""
        return str(self._built().job_script())

    def note(self, folder: Path) -> None:
        """Write the job script, ``slurm-job.sh``."""
        (folder / "slurm-job.sh").write_text(self.job_script(), encoding="utf-8")

    def close(self) -> None:
        """Leave the cluster, end its jobs and remove their keys."""
        super().close()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None
        self._keys.close()

    def __str__(self) -> str:
        return f"slurm:{self.address}"

    def _built(self) -> Any:
        """Return the cluster, its scheduler in this process and no job asked for yet."""
        if self._cluster is None:
            import dask
            from dask_jobqueue import SLURMCluster  # type: ignore[attr-defined]

            security = self._keys.enter_context(shared())
            try:
                with dask.config.set(QUIET):
                    self._cluster = SLURMCluster(**self._options(security))
            except (OSError, RuntimeError, TypeError, ValueError) as error:
                self._keys.close()
                raise ConfigError(f"--executor {self}: {error}.") from error
        return self._cluster

    def _options(self, security: Any) -> dict[str, Any]:
        """Return what the cluster is made with."""
        from distributed.utils import get_ip

        given = dict(self.options)
        place = dict(given.pop("scheduler_options", {}))
        if not {"host", "interface"} & {*place, *given}:
            place["host"] = get_ip()
        # a worker does one task at a time: networks are not shared between threads
        return {
            "processes": given["cores"],
            **given,
            "protocol": "tls://",
            "security": security,
            "scheduler_options": {
                **place,
                "dashboard": False,
                "dashboard_address": "127.0.0.1:0",
            },
            "job_script_prologue": [
                *_environment(),
                *_given(given, "job_script_prologue"),
            ],
            "worker_extra_args": [
                "--preload",
                PRELOAD,
                "--no-dashboard",
                "--dashboard-address",
                "127.0.0.1:0",
                *_given(given, "worker_extra_args"),
            ],
        }

    def _connect(self, quiet: bool) -> Any:
        from distributed import Client

        if shutil.which("sbatch") is None:
            raise RunError(
                f"--executor {self}: there is no sbatch on this machine, so no jobs can be handed "
                "to SLURM. Run the command where SLURM takes jobs."
            )
        cluster = self._built()
        cluster.scale(jobs=self.jobs)
        return Client(cluster)


def _given(options: Mapping[str, Any], name: str) -> list[Any]:
    """Return lines that the user wants too, of the file or of Dask's own settings."""
    import dask

    found = options.get(name) or dask.config.get(
        f"jobqueue.slurm.{name.replace('_', '-')}", default=[]
    )
    return list(found or [])


def _environment() -> list[str]:
    """Return lines of a job's script that give its workers the settings that are `QUIET`."""
    return [
        f"export DASK_{name.upper().replace('.', '__').replace('-', '_')}={value}"
        for name, value in QUIET.items()
    ]
