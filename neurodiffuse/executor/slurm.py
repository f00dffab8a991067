"""Executor that asks SLURM for workers."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurodiffuse.errors import ConfigError, RunError
from neurodiffuse.executor.cluster import Dask, missing

NEEDED = ("jobs", "cores", "memory")


class Slurm(Dask):
    """Jobs of SLURM with Dask workers in them, ended with the command.

    Parameters
    ----------
    config
        Path of the settings, for messages.
    jobs
        How many jobs are asked for.
    options
        Of `dask_jobqueue.SLURMCluster`.
    """

    def __init__(self, config: str, jobs: int, options: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.jobs, self.options = jobs, dict(options)
        self._cluster: Any = None

    @classmethod
    def of_file(cls, path: Path) -> Slurm:
        """Return the executor of a TOML file: ``jobs``, and the options of ``SLURMCluster``.

        Raises
        ------
        ConfigError
            If the file cannot be read or lacks something.
        """
        where = f"--executor slurm:{path}"
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{where}: cannot be read ({error.strerror}).") from error
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
        return cls(str(path), jobs, given)

    def job_script(self) -> str:
        """Return the script that SLURM is given for each job."""
        return str(self._built().job_script())

    def note(self, folder: Path) -> None:
        """Write the job script, ``slurm-job.sh``."""
        (folder / "slurm-job.sh").write_text(self.job_script(), encoding="utf-8")

    def close(self) -> None:
        """Leave the cluster and end its jobs."""
        super().close()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def __str__(self) -> str:
        return f"slurm:{self.address}"

    def _built(self) -> Any:
        """Return the cluster, its scheduler in this process and no job asked for yet."""
        if self._cluster is None:
            try:
                from dask_jobqueue import SLURMCluster  # type: ignore[attr-defined]
            except ImportError as error:
                raise missing("dask-jobqueue") from error
            # a worker does one task at a time: networks are not shared between threads
            options = {"processes": self.options["cores"], **self.options}
            try:
                self._cluster = SLURMCluster(**options)
            except (TypeError, ValueError) as error:
                raise ConfigError(f"--executor {self}: {error}.") from error
        return self._cluster

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
