"""Files come whole from a web server that cuts, changes, lies and refuses."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from neurodiffuse.downloads import Digest, HttpSource, Wanted, fetch, in_bytes, plan
from neurodiffuse.downloads.transfer import Retries
from neurodiffuse.errors import DownloadError

QUICK = Retries(attempts=3, first=0.001)
PIECE = 1 << 14  # what is read at a time
CONTENT = random.Random(1).randbytes(1_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def want(site, tmp_path):
    """Return a function that serves content and says what is wanted."""

    def make(content: bytes = CONTENT, name: str = "weights.bin", **known: object) -> Wanted:
        site.files[f"/{name}"] = content
        address = site.address + f"/{name}"
        return Wanted(address, tmp_path / "to" / name, HttpSource(), **known)

    return make


def get(*wanted: Wanted, **more: object):
    return fetch(wanted, quiet=True, retries=QUICK, **more)


def only(one: Wanted) -> None:
    """Nothing but the whole file is in the folder."""
    assert one.place.read_bytes() == CONTENT
    assert [p.name for p in one.place.parent.iterdir()] == [one.place.name]


def test_a_file(want):
    one = want()
    assert [(f.place, f.verified) for f in get(one)] == [(one.place, "size")]
    only(one)


def test_a_checksum_is_checked(want):
    one = want(digests=(Digest("sha256", SHA.upper()),))
    assert get(one)[0].verified == "sha256"
    only(one)


def test_the_first_digits_of_a_checksum_are_checked(want):
    one = want(digests=(Digest("sha256", SHA[:8]),))
    assert get(one)[0].verified == "sha256"
    only(one)
    with pytest.raises(DownloadError, match="not the published file"):
        get(want(name="other", digests=(Digest("sha256", "0" * 8),)))


def test_what_is_here_is_not_asked_for(want, site):
    one = want(size=len(CONTENT))
    get(one)
    asked = len(site.asked)
    assert get(one) == []
    assert len(site.asked) == asked


def test_cuts_are_resumed_within_the_same_call(want, site):
    one = want(size=len(CONTENT))
    site.cuts["/weights.bin"] = [6 * PIECE, 20 * PIECE, PIECE]
    get(one)
    only(one)
    starts = [a.headers.get("Range") for a in site.of("/weights.bin")]
    assert starts == [None, *(f"bytes={n * PIECE}-" for n in (6, 26, 27))]
    assert all(a.status == 206 for a in site.of("/weights.bin")[1:])


def test_no_new_byte_for_some_attempts_ends_it_and_keeps_the_part(want, site):
    one = want(size=len(CONTENT))
    site.cuts["/weights.bin"] = [6 * PIECE, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"given up after 3 attempts.*goes on from 98.3 kB"):
        get(one)
    assert not one.place.exists()
    assert one.part.read_bytes() == CONTENT[: 6 * PIECE]
    get(one)
    only(one)
    assert site.asked[-1].headers["Range"] == f"bytes={6 * PIECE}-"


def leave_part(one: Wanted, site) -> None:
    site.cuts["/weights.bin"] = [25 * PIECE, 0, 0, 0]
    with pytest.raises(DownloadError):
        get(one)
    assert one.part.stat().st_size == 25 * PIECE
    site.cuts.clear()


@pytest.mark.parametrize("if_range", [True, False], ids=["If-Range", "If-Range ignored"])
def test_a_file_that_changed_meanwhile_is_fetched_anew(want, site, if_range):
    one = want()
    site.if_range = if_range
    leave_part(one, site)
    other = random.Random(2).randbytes(900_000)
    site.files["/weights.bin"] = other
    get(one)
    assert one.place.read_bytes() == other


def test_a_file_that_became_shorter_than_its_part(want, site):
    one = want()
    leave_part(one, site)
    site.files["/weights.bin"] = b"short"
    site.if_range = False
    get(one)
    assert one.place.read_bytes() == b"short"


@pytest.mark.parametrize("trait", ["ranges", "etags"])
def test_servers_that_cannot_resume_start_again(want, site, trait):
    one = want()
    setattr(site, trait, False)
    site.cuts["/weights.bin"] = [25 * PIECE]
    get(one)
    only(one)
    assert [a.status for a in site.of("/weights.bin")] == [200, 200]


def test_a_part_whose_note_is_lost_is_begun_anew(want, site):
    one = want()
    leave_part(one, site)
    one.note.write_text("{")
    get(one)
    only(one)
    assert "Range" not in site.asked[-1].headers


def test_a_part_that_is_whole_is_not_fetched_again(want, site):
    one = want(digests=(Digest("sha256", SHA),))
    leave_part(one, site)
    one.part.write_bytes(CONTENT)
    asked = len(site.of("/weights.bin"))
    get(one)
    only(one)
    assert len(site.of("/weights.bin")) == asked


def test_servers_without_head_are_asked_for_the_file(want, site):
    one = want()
    site.heads = False
    get(one)
    only(one)


def test_damage_on_the_way_is_fetched_again_once(want, site):
    one = want(digests=(Digest("sha256", SHA),))
    site.damage["/weights.bin"] = 1
    get(one, jobs=1)
    only(one)


def test_another_file_than_published_is_refused(want, site):
    one = want(digests=(Digest("sha256", "0" * 64),), size=len(CONTENT))
    with pytest.raises(DownloadError, match=rf"not the published file \(sha256 {SHA} where 000"):
        get(one)
    assert list(one.place.parent.iterdir()) == []
    assert len(site.of("/weights.bin")) == 2


def test_another_size_than_published_is_refused_at_once(want, site):
    one = want(size=len(CONTENT) + 1)
    with pytest.raises(DownloadError, match=r"has 1,000,000 bytes, the published one 1,000,001"):
        get(one)
    assert not one.place.exists()
    assert len(site.asked) == 1


def test_a_body_shorter_than_announced_never_gets_the_name(want, site):
    one = want()
    site.announced["/weights.bin"] = len(CONTENT) + 5
    site.ranges = False
    with pytest.raises(DownloadError, match="given up after"):
        get(one)
    assert not one.place.exists()


def test_a_missing_file_and_a_refused_one_do_not_stop_the_others(want, site, tmp_path):
    there, gone, shut = want(), want(name="gone"), want(name="shut")
    del site.files["/gone"]
    site.statuses["/shut"] = [403] * 9
    with pytest.raises(DownloadError) as told:
        get(gone, shut, there)
    lines = sorted(str(told.value).splitlines())
    assert len(lines) == 1  # sizes are asked for first, and that tells
    with pytest.raises(DownloadError) as told:
        get(*(Wanted(w.address, w.place, w.source, size=10**6) for w in (gone, shut, there)))
    lines = sorted(str(told.value).splitlines())
    assert "/gone: the server has no such file (404 Not Found)" in lines[0]
    assert "/shut: the server does not give it (403 Forbidden)" in lines[1]
    assert there.place.read_bytes() == CONTENT
    assert not gone.place.exists()


def test_busy_servers_are_asked_again_when_they_say(want, site):
    one = want(size=len(CONTENT))
    site.statuses["/weights.bin"] = [503]
    site.headers["/weights.bin"] = {"Retry-After": "1"}
    began = time.monotonic()
    get(one)
    only(one)
    assert time.monotonic() - began >= 1


def test_nobody_answers(tmp_path):
    one = Wanted("http://127.0.0.1:9/x", tmp_path / "x", HttpSource(), size=1)
    with pytest.raises(DownloadError, match=r"no connection to 127.0.0.1:9.*given up after 3"):
        get(one)


def test_many_at_a_time(want, site):
    site.pause = 0.002
    many = [want(random.Random(k).randbytes(300_000 + k), f"f{k}") for k in range(12)]
    done = get(*many, jobs=4)
    assert {f.place for f in done} == {w.place for w in many}
    for k, one in enumerate(many):
        assert one.place.read_bytes() == random.Random(k).randbytes(300_000 + k)
    assert 2 <= site.most <= 4  # a busy machine may not start all four at once


def test_the_hub_says_sha256_on_its_redirect(want, site, monkeypatch):
    want(name="blob")
    site.redirects["/repo/resolve/main/w.bin"] = "/blob"
    site.headers["/repo/resolve/main/w.bin"] = {"X-Linked-ETag": f'"{SHA}"'}
    monkeypatch.setenv("HF_ENDPOINT", site.address + "/")
    monkeypatch.setenv("HF_TOKEN", "secret")
    one = want(name="w.bin")
    one = Wanted("https://huggingface.co/repo/resolve/main/w.bin", one.place, one.source)
    assert get(one)[0].verified == "sha256"
    only(one)
    assert site.asked[0].headers["Authorization"] == "Bearer secret"
    site.headers["/repo/resolve/main/w.bin"] = {"X-Linked-ETag": '"' + "0" * 64 + '"'}
    one.place.unlink()
    with pytest.raises(DownloadError, match="not the published file"):
        get(one)


def test_a_hub_that_offers_another_file_than_published_is_not_fetched_from(want, site):
    one = want(size=len(CONTENT), digests=(Digest("sha256", SHA),))
    site.headers["/weights.bin"] = {"X-Linked-ETag": '"' + "0" * 64 + '"'}
    with pytest.raises(DownloadError, match="It was replaced; nothing was fetched"):
        get(one)


def test_gits_name_of_small_files_of_the_hub(want, site):
    one = want()
    git = hashlib.sha1(b"blob 1000000\0" + CONTENT).hexdigest()
    site.headers["/weights.bin"] = {"X-Repo-Commit": "0" * 40, "ETag": f'W/"{git}"'}
    assert get(one)[0].verified == "git-sha1"


def test_content_md5_is_checked(want, site):
    one = want()
    md5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    site.headers["/weights.bin"] = {"Content-MD5": md5}
    assert get(one)[0].verified == "md5"
    one.place.unlink()
    site.damage["/weights.bin"] = 9
    with pytest.raises(DownloadError, match="not the published file"):
        get(one)


def test_a_page_in_place_of_the_file_is_refused(want, site):
    one = want(b"<html>Log in</html>")
    site.headers["/weights.bin"] = {"Content-Type": "text/html; charset=utf-8"}
    for heads in (True, False):
        site.heads = heads
        with pytest.raises(DownloadError, match="a web page was sent in place of the file"):
            get(one)
    assert not one.place.exists()


def test_a_server_that_compresses_unasked(want, site):
    one = want(gzip.compress(CONTENT))
    site.headers["/weights.bin"] = {"Content-Encoding": "gzip"}
    get(one)
    only(one)


def test_a_folder_where_the_file_belongs(want):
    one = want()
    one.place.mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"weights\.bin"):
        get(one)


def test_a_file_of_another_size_is_not_overwritten_unless_asked(want):
    one = want(size=len(CONTENT))
    one.place.parent.mkdir()
    one.place.write_bytes(b"mine")
    with pytest.raises(DownloadError, match="of another size than published"):
        get(one)
    assert one.place.read_bytes() == b"mine"
    get(one, replace=True)
    only(one)


def test_a_killed_process_is_resumed(want, site):
    """SIGKILL in the middle; the next call asks for the rest only."""
    one = want(size=len(CONTENT))
    site.pause = 0.02
    code = (
        "import sys; from pathlib import Path; from neurodiffuse.downloads import *\n"
        "fetch([Wanted(sys.argv[1], Path(sys.argv[2]), HttpSource(), size=1000000)])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, one.address, str(one.place)])
    while not (one.part.exists() and one.part.stat().st_size > 100_000):
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not one.place.exists()
    held = one.part.stat().st_size
    assert 0 < held < len(CONTENT)
    assert plan([one]).size == len(CONTENT) - held
    site.pause = 0
    get(one)
    only(one)
    assert site.asked[-1].headers["Range"] == f"bytes={held}-"


def test_two_processes_do_not_write_one_part(want, site):
    one = want(size=len(CONTENT))
    site.pause = 0.02
    code = (
        "import sys; from pathlib import Path; from neurodiffuse.downloads import *\n"
        "fetch([Wanted(sys.argv[1], Path(sys.argv[2]), HttpSource(), size=1000000)])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, one.address, str(one.place)])
    while not (one.part.exists() and one.part.stat().st_size > 100_000):
        time.sleep(0.01)
    with pytest.raises(DownloadError, match="another process is fetching this file"):
        get(one)
    site.pause = 0
    assert child.wait(timeout=20) == 0
    only(one)


def test_a_full_disk_is_told_and_resumed(want, site):
    """The limit of a file's size stands for the disk's end: the system refuses to write on."""
    one = want(size=len(CONTENT))
    code = (
        "import resource, sys; from pathlib import Path; from neurodiffuse.downloads import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try: fetch([Wanted(sys.argv[1], Path(sys.argv[2]), HttpSource(), size=1000000)])\n"
        "except OSError as e: print(e)"
    )
    words = [sys.executable, "-c", code, one.address, str(one.place)]
    told = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "the disk is full" in told.stdout
    assert "goes on from here" in told.stdout
    assert "Traceback" not in told.stderr
    assert one.part.read_bytes() == CONTENT[:300_000]
    get(one)
    only(one)
    assert site.asked[-1].headers["Range"] == "bytes=300000-"


def test_a_disk_that_is_too_small_is_told_before(want, site):
    one = want(size=10**18)
    with pytest.raises(DownloadError, match=r"1e\+06 TB|1,000,000 TB are to be fetched"):
        get(one)
    assert site.asked == []


def test_a_folder_that_cannot_be_written(want, tmp_path):
    (tmp_path / "to").write_text("a file, no folder")
    with pytest.raises(DownloadError, match=r"File exists|Not a directory"):
        get(want())


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (999_600, "1 MB"),
        (1_048_800_000, "1.05 GB"),
        (None, "size unknown"),
    ],
)
def test_sizes_are_said_in_decimal_units(size, text):
    assert in_bytes(size) == text
