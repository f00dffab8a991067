"""What tests of executors compare, and who can reach one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path

from neurodiffuse.run import Run


def files_of(run: Run) -> dict[str, bytes]:
    """Return every file of a run but its logs and the lock."""
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in sorted(run.path.rglob("*"))
        if path.is_file() and path.name != ".lock" and path.parent.name != "logs"
    }


def is_running(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def listening(pids: Iterable[int]) -> list[tuple[str, int]]:
    """Return the addresses and ports that processes listen on, as the kernel has them."""
    sockets = set()
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if file.is_symlink() and (name := str(file.readlink())).startswith("socket:["):
                sockets.add(name[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                host, port = words[1].split(":")
                raw = bytes.fromhex(host)
                words4 = b"".join(raw[k : k + 4][::-1] for k in range(0, len(raw), 4))
                family = socket.AF_INET if table == "tcp" else socket.AF_INET6
                found.append((socket.inet_ntop(family, words4), int(port, 16)))
    return found


def let_in(address: str) -> list[str]:
    """Return which clients without the keys of a scheduler get an answer from it."""
    from distributed.core import connect, send_recv
    from distributed.security import Security

    host = address.split("://")[1]
    strangers = {
        "no TLS": (f"tcp://{host}", Security()),
        "no keys": (f"tls://{host}", Security(require_encryption=True)),
        "other keys": (f"tls://{host}", Security.temporary()),
    }

    async def ask(place: str, security: Security) -> object:
        # no Client: one that cannot connect deadlocks the next when it is collected at a bad moment
        comm = await connect(place, timeout=3, **security.get_connection_args("client"))
        try:
            return await send_recv(comm, op="identity")
        finally:
            comm.abort()

    found = []
    for name, given in strangers.items():
        try:
            assert "workers" in asyncio.run(ask(*given))
            found.append(name)
        except (OSError, RuntimeError, TypeError, ValueError):
            continue
    return found
