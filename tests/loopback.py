"""A web server on loopback that knows ranges and misbehaves on request."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

LOCK = threading.Lock()


@dataclass
class Asked:
    """What a client asked for, and what it was answered."""

    verb: str
    path: str
    headers: dict[str, str]
    status: int


@dataclass
class Site:
    """Files by path, and how the server treats them."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)  # sent with a path
    cuts: dict[str, list[int]] = field(default_factory=dict)  # bytes sent before hanging up
    statuses: dict[str, list[int]] = field(default_factory=dict)  # answered before the file
    redirects: dict[str, str] = field(default_factory=dict)
    damage: dict[str, int] = field(default_factory=dict)  # how often a byte is flipped
    announced: dict[str, int] = field(default_factory=dict)  # a Content-Length that is not true
    heads: bool = True
    ranges: bool = True
    if_range: bool = True  # some servers ignore it
    etags: bool = True
    pause: float = 0.0  # seconds between pieces
    asked: list[Asked] = field(default_factory=list)
    address: str = ""
    serving: int = 0
    most: int = 0  # files served at the same time

    def of(self, path: str) -> list[Asked]:
        return [a for a in self.asked if a.path == path and a.verb == "GET"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.site.asked.append(Asked(self.command, self.path, dict(self.headers), status))
        self.send_response(status)
        given = {"Content-Length": str(len(content)), **headers}
        for name, value in {**given, **self.site.headers.get(self.path, {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        with LOCK:
            self.site.serving += 1
            self.site.most = max(self.site.most, self.site.serving)
        try:
            self.send(content, given)
        finally:
            with LOCK:
                self.site.serving -= 1

    def send(self, content: bytes, given: dict[str, str]) -> None:
        cuts = self.site.cuts.get(self.path, [])
        cut = cuts.pop(0) if cuts else None
        for at in range(0, len(content[:cut]), 1 << 14):
            try:
                self.wfile.write(content[:cut][at : at + (1 << 14)])
            except ConnectionError:
                return  # the client was killed
            time.sleep(self.site.pause)
        if cut is not None or int(given["Content-Length"]) != len(content):
            self.close_connection = True

    def do_HEAD(self) -> None:
        if self.site.heads:
            self.do_GET()
        else:
            self.answer(405, {})

    def do_GET(self) -> None:
        site, path = self.site, self.path
        if target := site.redirects.get(path):
            self.answer(302, {"Location": target})
        elif site.statuses.get(path):
            self.answer(site.statuses[path].pop(0), {})
        elif path not in site.files:
            self.answer(404, {})
        else:
            self.give(path, site.files[path])

    def give(self, path: str, content: bytes) -> None:
        site = self.site
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": etag} if site.etags else {}
        if site.damage.get(path, 0) > 0:
            site.damage[path] -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        given = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, etag) or not site.if_range
        if given and site.ranges and same:
            start, total = int(given[1]), len(content)
            if start >= total:
                self.answer(416, headers | {"Content-Range": f"bytes */{total}"})
                return
            span = {"Content-Range": f"bytes {start}-{total - 1}/{total}"}
            self.answer(206, headers | span, content[start:])
            return
        if path in site.announced:
            headers |= {"Content-Length": str(site.announced[path])}
        self.answer(200, headers, content)


@pytest.fixture
def site():
    """Return a site that is served on loopback until the test ends."""
    served = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": served}))
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def plain_network(monkeypatch, tmp_path):
    """Loopback needs no proxy; nothing of the user's account is read or written."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NEURODIFFUSE_CONSENT", str(tmp_path / "consent.json"))
    for name in ("NEURODIFFUSE_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
