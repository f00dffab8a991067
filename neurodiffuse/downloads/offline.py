"""Whether fetching is forbidden on this machine."""

from __future__ import annotations

import os

SWITCHES = ("NEURODIFFUSE_OFFLINE", "HF_HUB_OFFLINE")


def forbidden(*, hub: bool = False) -> str:
    """Return the setting that forbids fetching, such as ``NEURODIFFUSE_OFFLINE=1``, or nothing.

    Parameters
    ----------
    hub
        Whether the Hugging Face hub is asked: then its own ``HF_HUB_OFFLINE`` counts too.
    """
    for name in SWITCHES if hub else SWITCHES[:1]:
        value = os.environ.get(name, "")
        if value.lower() not in ("", "0", "false", "no", "off"):
            return f"{name}={value}"
    return ""
