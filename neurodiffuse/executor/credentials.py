"""How the processes of one command trust one another: keys that live as long as the command."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neurodiffuse.errors import ConfigError, PluginError, RunError

INSTALL = "Install it with: pip install 'neurodiffuse[dask]'"

QUIET: dict[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.worker-saturation": 1.0,
}
"""Settings of Dask: no pages, nothing spilled to a disk, no worker given up while it computes, and
no second task for a worker that is at one."""

PRELOAD = "neurodiffuse.executor.ending"
"""Module that workers load."""


def need_packages(executor: str, *names: str) -> None:
    """Refuse an executor whose packages are not installed, with what to install.

    Raises
    ------
    PluginError
        If one is missing.
    """
    for name in names:
        if find_spec(name) is None:
            raise PluginError(
                f"--executor {executor}: {name.replace('_', '-')} is not installed. {INSTALL}. "
                "--executor local needs nothing."
            )


def temporary() -> Any:
    """Return new keys, kept in memory, as `distributed.Security`: who lacks them is refused."""
    from distributed.security import Security

    return Security.temporary()


@contextmanager
def shared() -> Iterator[Any]:
    """Yield new keys in files for workers on other machines, and remove them afterwards.

    The files' mode is 600 and their folder's 700. It is in the user's cache, beside the weights,
    which workers see under the same path. What killed commands of this machine left is removed.

    Raises
    ------
    RunError
        If they cannot be written.
    """
    from distributed.security import Security

    place = _cache() / "cluster"
    host = socket.gethostname()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in place.glob(f"{host}+*"):
            if not _is_running(left.name.split("+")[1]):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{host}+{os.getpid()}+", dir=place))
        keys = temporary()
        files = {"cert": keys.tls_worker_cert, "key": keys.tls_worker_key}
        for name, text in files.items():
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(text)
    except OSError as error:
        raise RunError(
            f"{error.filename or place}: the keys of the workers cannot be kept there "
            f"({error.strerror}). Set NEURODIFFUSE_CACHE to a folder that all machines see."
        ) from error
    try:
        yield Security(
            require_encryption=True,
            tls_ca_file=str(folder / "cert"),
            **{
                f"tls_{role}_{name}": str(folder / name)
                for role in ("client", "scheduler", "worker")
                for name in files
            },
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cache() -> Path:
    import platformdirs

    given = os.environ.get("NEURODIFFUSE_CACHE", "")
    if given and given.lower() != "off":
        return Path(given).expanduser().absolute()
    return platformdirs.user_cache_path("neurodiffuse", appauthor=False)


def warning_of(address: str) -> str:
    """Return what to say before a scheduler is used, empty where nobody else can reach it.

    Parameters
    ----------
    address
        Of the scheduler, or the path of its scheduler file.

    Raises
    ------
    ConfigError
        If the scheduler file cannot be read.
    """
    if Path(address).is_file():
        try:
            address = str(json.loads(Path(address).read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"--executor dask:{address}: not a scheduler file of Dask, which has an address."
            ) from error
    scheme, _, rest = address.rpartition("://")
    host = rest.rpartition(":")[0].strip("[]")
    if scheme not in ("", "tcp") or _is_loopback(host):
        return ""
    return (
        f"warning: --executor dask:{address} is not encrypted and asks nobody who they are: "
        "whoever reaches that port can run programs as you, and read and change what is sent. "
        "tls:// is safe; docs/how-to/scale.md says how."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ValueError, OSError):
        return False
    return True
