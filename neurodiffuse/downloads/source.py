"""What a server must be able to do so that a file can be fetched and resumed from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from neurodiffuse.downloads.digests import Digest
from neurodiffuse.errors import DownloadError


class Interrupted(DownloadError):  # noqa: N818 (the transfer goes on after it)
    """A transfer broke off in a way that may go away; ``wait`` is what the server asks for, s."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Remote:
    """A file as its server describes it.

    ``size`` in bytes, ``version`` a text that changes when the content does (an ETag or a date;
    empty when there is none: then a download cannot be resumed), ``digests`` the checksums that
    the server states.
    """

    size: int | None
    version: str
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True)
class Stream:
    """The bytes of a file from ``start`` on, in pieces."""

    remote: Remote
    start: int
    chunks: Iterator[bytes]


class Source(ABC):
    """A kind of server."""

    @abstractmethod
    def look(self, address: str) -> Remote:
        """Return size and version of a file without fetching it."""

    @abstractmethod
    def open(self, address: str, start: int, version: str) -> AbstractContextManager[Stream]:
        """Return a stream of the rest of a file, or of the whole file.

        The stream starts at ``start`` if the server's file is still the one of ``version``,
        else at 0. The end of the chunks need not be the end of the file: the caller counts.

        Raises
        ------
        Interrupted
            Trying again may help.
        DownloadError
            It will not.
        """
