"""Fetch large files: what is wanted, on what terms, resumed after a break, verified.

A file is received into ``NAME.part``, checked and renamed: under its own name it is whole. A
killed download goes on where it stopped when the file on the server is still the same.
"""

from neurodiffuse.downloads.consent import Terms, accepted, agree
from neurodiffuse.downloads.digests import Digest
from neurodiffuse.downloads.fetching import Fetched, fetch
from neurodiffuse.downloads.http import HttpSource
from neurodiffuse.downloads.offline import forbidden
from neurodiffuse.downloads.plan import Plan, plan
from neurodiffuse.downloads.source import Interrupted, Remote, Source, Stream
from neurodiffuse.downloads.wanted import Wanted, in_bytes

__all__ = [
    "Digest",
    "Fetched",
    "HttpSource",
    "Interrupted",
    "Plan",
    "Remote",
    "Source",
    "Stream",
    "Terms",
    "Wanted",
    "accepted",
    "agree",
    "fetch",
    "forbidden",
    "in_bytes",
    "plan",
]
