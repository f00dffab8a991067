"""Files on web servers, the Hugging Face hub among them.

Proxies and certificates are those of the environment (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE``),
as for every program that uses requests.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from neurodiffuse import __version__
from neurodiffuse.downloads.digests import Digest
from neurodiffuse.downloads.source import Interrupted, Remote, Source, Stream
from neurodiffuse.errors import DownloadError

if TYPE_CHECKING:
    from requests import Response

HUB = "https://huggingface.co"
CHUNK = 1 << 14
"""Bytes at a time: what is lost of a piece when the line breaks."""
CONNECT, READ = 20.0, 60.0
"""Seconds to wait for a connection, and for the next bytes."""
PASSING = (408, 425, 429, 500, 502, 503, 504, 520, 522, 524)
"""Statuses after which trying again may help."""


def hub_address(address: str) -> str:
    """Return the address with the hub's host replaced by ``HF_ENDPOINT``, if that is set."""
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return mirror + address.removeprefix(HUB) if mirror and on_hub(address) else address


def on_hub(address: str) -> bool:
    """Return whether a file is the Hugging Face hub's."""
    return address.startswith(f"{HUB}/")


class HttpSource(Source):
    """Files at ``https://`` addresses, resumed with ``Range`` and ``If-Range``."""

    def look(self, address: str) -> Remote:
        """Return size and version without the content."""
        import requests

        headers = _headers(address)
        with _told(address), requests.Session() as session:
            asked = hub_address(address)
            response = session.head(
                asked, headers=headers, allow_redirects=True, timeout=(CONNECT, READ)
            )
            if response.status_code == 200:
                _refuse_page(address, response)
                return _remote(response)
        with self.open(address, 0, "") as stream:  # not every server answers HEAD
            return stream.remote

    @contextlib.contextmanager
    def open(self, address: str, start: int, version: str) -> Iterator[Stream]:
        """Return the rest of a file if it still is of that version, else the whole."""
        import requests

        resumed = start > 0 and version != ""
        headers = _headers(address)
        if resumed:
            headers |= {"Range": f"bytes={start}-", "If-Range": version}
        with _told(address), requests.Session() as session:
            response = session.get(
                hub_address(address),
                headers=headers,
                stream=True,
                timeout=(CONNECT, READ),
            )
            with response:
                stream = _stream(address, response, start)
                if resumed and _is_other(stream, start, version):
                    stream = None
                if stream is not None:
                    yield stream
                    return
        if not resumed:
            raise DownloadError(f"{address}: the server sent a part of the file only, unasked.")
        with self.open(address, 0, "") as stream:  # the file changed, or the range is refused
            yield stream


def _headers(address: str) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity", "User-Agent": f"neurodiffuse/{__version__}"}
    token = os.environ.get("HF_TOKEN", "")
    if token and on_hub(address):  # requests drops it when it is sent on to another host
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _stream(address: str, response: Response, start: int) -> Stream | None:
    """Return the response's content, or None where the whole file must be asked for instead."""
    status, headers = response.status_code, response.headers
    if status == 416:  # nothing after ``start``: the part is whole, or longer than the file
        total = _number(r"bytes \*/(\d+)", headers.get("Content-Range", ""))
        if total != start:
            return None
        return Stream(Remote(total, _version(headers)), start, iter(()))
    if status not in (200, 206):
        _refuse(address, response)
    _refuse_page(address, response)
    remote = _remote(response)
    if status == 200:
        return Stream(remote, 0, _chunks(address, response))
    if _encoded(response) or _number(r"bytes (\d+)-", headers.get("Content-Range", "")) != start:
        return None
    return Stream(remote, start, _chunks(address, response))


def _remote(response: Response) -> Remote:
    headers = response.headers
    if _encoded(response):  # its length and version are not the file's
        return Remote(None, "", tuple(_digests(response)))
    if response.status_code == 206:
        size = _number(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
    else:
        size = _number(r"(\d+)$", headers.get("Content-Length", ""))
    return Remote(size, _version(headers), tuple(_digests(response)))


def _encoded(response: Response) -> bool:
    return response.headers.get("Content-Encoding", "identity") != "identity"


def _is_other(stream: Stream | None, start: int, version: str) -> bool:
    """Return whether a part of another version was sent (some servers ignore ``If-Range``)."""
    return stream is not None and stream.start > 0 and stream.remote.version not in ("", version)


def _chunks(address: str, response: Response) -> Iterator[bytes]:
    with _told(address):
        yield from response.iter_content(CHUNK)


def _version(headers: Mapping[str, str]) -> str:
    """Return what ``If-Range`` takes: a strong ETag, else a date."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _digests(response: Response) -> Iterator[Digest]:
    """Yield what the server says of the whole file's content."""
    for answer in (*response.history, response):
        headers = answer.headers
        linked = headers.get("X-Linked-ETag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", linked):  # the hub's large files
            yield Digest("sha256", linked)
            return
        etag = headers.get("ETag", "").removeprefix("W/").strip('"')
        if "X-Repo-Commit" in headers and re.fullmatch(r"[0-9a-f]{40}", etag):
            yield Digest("git-sha1", etag)  # its small files
            return
    whole = "Content-MD5" if response.status_code == 200 else "x-ms-blob-content-md5"
    with contextlib.suppress(binascii.Error):  # a header that is no base64 says nothing
        md5 = base64.b64decode(response.headers.get(whole, ""), validate=True)
        if len(md5) == 16:
            yield Digest("md5", md5.hex())


def _refuse(address: str, response: Response) -> None:
    status, told = response.status_code, f"{response.status_code} {response.reason or ''}".strip()
    if status in PASSING:
        wait = response.headers.get("Retry-After", "")
        raise Interrupted(f"{address}: {told}", float(wait) if wait.isdigit() else 0.0)
    if status in (404, 410):
        raise DownloadError(f"{address}: the server has no such file ({told}).")
    if status in (401, 403):
        hint = " If it needs a login, set HF_TOKEN." if on_hub(address) else ""
        raise DownloadError(f"{address}: the server does not give it ({told}).{hint}")
    raise DownloadError(f"{address}: {told}.")


def _refuse_page(address: str, response: Response) -> None:
    """Raise where a login page or a proxy's notice comes in place of the file."""
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html") and not urlsplit(address).path.endswith((".html", ".htm")):
        sender = urlsplit(response.url).netloc
        raise DownloadError(
            f"{address}: a web page was sent in place of the file (by {sender}). Open the address "
            "in a browser to see what it wants."
        )


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn the client's errors into those of `Source.open`."""
    import requests

    host = urlsplit(hub_address(address)).netloc
    try:
        yield
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise Interrupted(f"{address}: the secure connection broke off") from error
        raise DownloadError(
            f"{address}: {host} shows a certificate that this machine does not trust. Behind an "
            "institution's proxy, set REQUESTS_CA_BUNDLE to its certificate file."
        ) from error
    except requests.exceptions.ProxyError as error:
        raise Interrupted(f"{address}: the proxy cannot be reached (HTTPS_PROXY)") from error
    except requests.Timeout as error:
        raise Interrupted(f"{address}: {host} does not answer") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise Interrupted(f"{address}: no connection to {host}, or it broke off") from error
    except requests.RequestException as error:
        raise DownloadError(f"{address}: {type(error).__name__}: {error}") from error


def _number(pattern: str, text: str) -> int | None:
    found = re.match(pattern, text)
    return int(found[1]) if found else None
