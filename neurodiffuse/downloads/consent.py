"""Terms are shown before the first download, and their acceptance is recorded."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neurodiffuse import __version__
from neurodiffuse.errors import DownloadError
from neurodiffuse.files import json_of


@dataclass(frozen=True)
class Terms:
    """On what terms something is given.

    ``subject`` says what, ``licence`` is the short name, ``address`` where the whole text is.
    ``text`` is shown, not recorded. If ``licence`` or ``address`` changes, consent is asked
    for again.
    """

    subject: str
    licence: str
    address: str
    text: str = ""


def record_file() -> Path:
    """Return the record of consents: ``NEURODIFFUSE_CONSENT``, else in the user's data folder."""
    if given := os.environ.get("NEURODIFFUSE_CONSENT"):
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_data_path("neurodiffuse", appauthor=False) / "consent.json"


def accepted(terms: Terms) -> bool:
    """Return whether these very terms were accepted before."""
    key = (terms.subject, terms.licence, terms.address)
    return any((e["subject"], e["licence"], e["address"]) == key for e in _entries())


def agree(
    terms: Terms,
    *,
    flag: str,
    given: bool,
    show: Callable[[str], None],
    ask: Callable[[str], bool],
) -> None:
    """Show terms and record that they were accepted, unless they were before.

    Parameters
    ----------
    terms
        What is to be accepted.
    flag
        The command's flag that accepts, named in the error.
    given
        Whether the flag was given.
    show, ask
        How to print, and how to ask on a terminal.

    Raises
    ------
    DownloadError
        Not accepted, or nobody can be asked.
    """
    if accepted(terms):
        return
    show(_shown(terms))
    if not given and not _someone_there():
        raise DownloadError(
            f"{terms.subject}: its terms ({terms.licence}: {terms.address}) were not accepted on "
            f"this account, and there is no terminal to ask on. Read them, then add {flag}."
        )
    if not given and not ask("Do you accept these terms?"):
        raise DownloadError(f"{terms.subject}: terms not accepted; nothing was fetched.")
    _record(terms, flag if given else "asked on the terminal")


def _someone_there() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _shown(terms: Terms) -> str:
    lines = [f"{terms.subject}: {terms.licence}"]
    lines += [f"  {line}" for line in terms.text.splitlines()]
    if terms.address:
        lines.append(f"  {terms.address}")
    return "\n".join(lines)


def _entries() -> list[dict[str, Any]]:
    path = record_file()
    try:
        entries = json_of(path.read_text("utf-8"))["consents"]
        return [e for e in entries if {"subject", "licence", "address"} <= e.keys()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DownloadError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{path}: not a record of consents ({type(error).__name__}). Move it away; you will "
            "be asked again."
        ) from None


def _record(terms: Terms, how: str) -> None:
    entry = asdict(terms) | {
        "how": how,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "neurodiffuse": __version__,
    }
    del entry["text"]
    path = record_file()
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"consents": [*_entries(), entry]}, indent=2), "utf-8")
        beside.replace(path)
    except OSError as error:
        raise DownloadError(
            f"{path}: the consent cannot be recorded ({error.strerror}). Name another file with "
            "NEURODIFFUSE_CONSENT."
        ) from error
