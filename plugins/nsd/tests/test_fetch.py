"""NSD's files come whole from an S3 server on loopback, through cuts, changes and full disks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from neurodiffuse.downloads import Wanted, fetch, transfer
from neurodiffuse.errors import ConfigError, DataError, DownloadError
from neurodiffuse_nsd.fetch import coco, gather
from neurodiffuse_nsd.fetch.bucket import BUCKET, Bucket
from neurodiffuse_nsd.fetch.command import nsd
from neurodiffuse_nsd.fetch.needs import Request, needs
from neurodiffuse_nsd.tree import Tree

pytest.importorskip("moto.server")

BETAS = "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR"
BIG = f"{BETAS}/betas_session01.nii.gz"  # uploaded in parts
SECOND = f"{BETAS}/betas_session02.nii.gz"
PART = 5 << 20  # the least that S3 takes
TWO = ("--sub", "1", "--sessions", "2")


def content(key: str) -> bytes:
    size = PART + 700_000 if key == BIG else 300_000 if key == SECOND else 2_000
    return random.Random(key).randbytes(size)


class CuttingProxy:
    """Passes bytes on to a real server, and hangs up in the middle of its answers.

    ``allowances`` are bytes between one cut and the next; after the last one all is passed on,
    or, if ``dead``, nothing.
    """

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.allowances: list[int] = []
        self.dead = False
        self.cuts = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            for words in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=words, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                allowed = self._allowed(len(data)) if answers else len(data)
                target.sendall(data[:allowed])
                if allowed < len(data):
                    break
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _allowed(self, asked: int) -> int:
        with self._lock:
            if not self.allowances:
                return 0 if self.dead else asked
            self.allowances[0] -= asked
            if self.allowances[0] >= 0:
                return asked
            self.cuts += 1
            return asked + self.allowances.pop(0)


class Server:
    """An S3 server, and the client of its owner."""

    def __init__(self) -> None:
        import botocore.session
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.server.start()
        self.host, self.port = self.server.get_host_and_port()
        self.address = f"http://{self.host}:{self.port}"
        self.owner = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-2",
            endpoint_url=self.address,
            aws_access_key_id="owner",
            aws_secret_access_key="owner",
        )
        place = {"LocationConstraint": "us-east-2"}
        self.owner.create_bucket(Bucket=BUCKET, ACL="public-read", CreateBucketConfiguration=place)

    def put(self, key: str, body: bytes) -> None:
        if len(body) <= PART:
            self.owner.put_object(Bucket=BUCKET, Key=key, Body=body, ACL="public-read")
            return
        about = {"Bucket": BUCKET, "Key": key}
        upload = self.owner.create_multipart_upload(**about, ACL="public-read")["UploadId"]
        parts = []
        for number, at in enumerate(range(0, len(body), PART), start=1):
            piece = {"PartNumber": number, "Body": body[at : at + PART], "UploadId": upload}
            etag = self.owner.upload_part(**about, **piece)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        self.owner.complete_multipart_upload(
            **about, UploadId=upload, MultipartUpload={"Parts": parts}
        )

    def empty(self) -> None:
        for item in self.owner.list_objects_v2(Bucket=BUCKET)["Contents"]:
            self.owner.delete_object(Bucket=BUCKET, Key=item["Key"])

    def fill(self) -> None:
        for need in needs(Request(("01",), sessions=2)):
            if not (need.optional and "thalamus" in need.key):
                self.put(need.key, content(need.key))


@pytest.fixture(scope="module")
def s3():
    server = Server()
    server.fill()
    yield server
    server.server.stop()


@pytest.fixture
def proxy(s3):
    made = CuttingProxy(s3.host, s3.port)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def account(monkeypatch, tmp_path):
    """Nothing of the user's account is read or written; pauses are short."""
    monkeypatch.setenv("NEURODIFFUSE_CONSENT", str(tmp_path / "consent.json"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("NEURODIFFUSE_OFFLINE", "NEURODIFFUSE_NSD_ROOT", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer.Retries, "pause", lambda *a: 0.001)


@pytest.fixture
def call(tmp_path, s3):
    """Return a function that types a command after ``neurodiffuse fetch nsd``."""

    def run(*words: str, endpoint: str = s3.address, root: Path = tmp_path / "nsd"):
        given = [*words, "--root", str(root), "--endpoint", endpoint]
        return CliRunner().invoke(nsd, given, obj={"quiet": True}, catch_exceptions=False)

    return run


ALL_BUT_CAPTIONS = [
    word for part in ("design", "betas", "rois", "anatomy", "stimuli") for word in ("--part", part)
]


def test_everything_a_recipe_needs(call, tmp_path):
    done = call(*TWO, *ALL_BUT_CAPTIONS, "--accept-terms")
    expected = {n.key: n for n in needs(Request(("01",), 2)) if "thalamus" not in n.key}
    root = tmp_path / "nsd"
    assert {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} == set(expected)
    for key in expected:
        assert (root / key).read_bytes() == content(key), key
    n = len(expected)
    assert f"fetched {n} files, verified {n - 1} by md5, 1 by multipart" in done.output
    assert call(*TWO, *ALL_BUT_CAPTIONS).output.count("nothing") == 6


def test_the_agreement_is_asked_for_once(call, tmp_path):
    words = ("--sub", "1", "--part", "design")
    with pytest.raises(DownloadError, match=r"Terms-and-Conditions.*not accepted.*--accept-terms"):
        call(*words)
    assert not (tmp_path / "nsd").exists()
    said = call(*words, "--accept-terms").output
    assert "https://cvnlab.slite.page" in said
    assert "https://forms.gle" in said
    recorded = json.loads((tmp_path / "consent.json").read_text())["consents"]
    assert [entry["subject"] for entry in recorded] == ["Natural Scenes Dataset"]
    assert "https://forms.gle" not in call(*words).output


def test_offline_nothing_is_asked(call, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"NEURODIFFUSE_OFFLINE=1.*--dry-run works"):
        call("--sub", "1", "--accept-terms")


def want(key: str, tmp_path: Path, endpoint: str, size: int | None = None) -> Wanted:
    return Wanted(key, tmp_path / key, Bucket(endpoint), size)


def get(one: Wanted, attempts: int = 3):
    return fetch([one], quiet=True, retries=transfer.Retries(attempts=attempts))


def test_a_connection_cut_midway_goes_on(proxy, tmp_path):
    one = want(BIG, tmp_path, proxy.address, len(content(BIG)))
    proxy.allowances = [2_000_000, 1_500_000]
    assert get(one)[0].verified == "multipart"
    assert one.place.read_bytes() == content(BIG)
    assert proxy.cuts == 2


def leave_part(one: Wanted, proxy: CuttingProxy, received: int = 2_000_000) -> int:
    proxy.allowances, proxy.dead = [received], True
    with pytest.raises(DownloadError, match=r"given up after 3 attempts"):
        get(one)
    proxy.dead = False
    assert not one.place.exists()
    held = one.part.stat().st_size
    assert 0 < held < received
    return held


def test_a_later_call_fetches_only_the_rest(proxy, tmp_path, monkeypatch):
    one = want(BIG, tmp_path, proxy.address, len(content(BIG)))
    held = leave_part(one, proxy)
    asked = []
    real = Bucket._get
    monkeypatch.setattr(Bucket, "_get", lambda s, *words: asked.append(words[2]) or real(s, *words))
    assert get(one)[0].verified == "multipart"
    assert one.place.read_bytes() == content(BIG)
    assert asked == [held]


def test_an_object_that_changed_between_calls_is_begun_anew(s3, proxy, tmp_path):
    s3.put("changing", content(BIG))
    leave_part(want("changing", tmp_path, proxy.address), proxy)
    other = random.Random("other").randbytes(400_000)
    s3.put("changing", other)
    one = want("changing", tmp_path, proxy.address)
    get(one)
    assert one.place.read_bytes() == other


def test_a_part_that_lacks_only_its_name(s3, proxy, tmp_path):
    one = want(BIG, tmp_path, proxy.address, len(content(BIG)))
    leave_part(one, proxy)
    one.part.write_bytes(content(BIG))
    get(one)
    assert one.place.read_bytes() == content(BIG)


def test_a_damaged_part_is_noticed_by_the_etag_and_fetched_anew(proxy, tmp_path):
    one = want(BIG, tmp_path, proxy.address, len(content(BIG)))
    leave_part(one, proxy)
    with one.part.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    assert get(one)[0].verified == "multipart"
    assert one.place.read_bytes() == content(BIG)


@pytest.mark.parametrize("part_size", [PART, 6 << 20, 1 << 20])
def test_multipart_etag_is_amazons(part_size, tmp_path):
    """The MD5 of the MD5s of the parts, and how many they are."""
    from neurodiffuse.downloads.digests import multipart

    body = content(BIG)
    (tmp_path / "f").write_bytes(body)
    parts = [hashlib.md5(body[i : i + part_size]) for i in range(0, len(body), part_size)]
    sums = b"".join(part.digest() for part in parts)
    expected = f"{hashlib.md5(sums).hexdigest()}-{len(parts)}"
    assert multipart(tmp_path / "f", part_size) == expected


def test_an_object_shorter_than_announced(tmp_path):
    """A server that says 1000 bytes and sends 600, whatever is asked for."""

    class Short(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.send_header("ETag", '"x"')
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(b"a" * 600)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Short)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    one = want("k", tmp_path, f"http://127.0.0.1:{server.server_port}", 1000)
    with pytest.raises(DownloadError, match="broke off; given up after 3 attempts"):
        get(one)
    assert not one.place.exists()
    server.shutdown()
    server.server_close()


def test_an_object_of_another_size_than_listed(s3, tmp_path):
    s3.put("truncated", b"x" * 99)
    one = want("truncated", tmp_path, s3.address, 100)
    with pytest.raises(DownloadError, match="has 99 bytes, the published one 100"):
        get(one)
    assert not one.place.exists()


def test_a_missing_key(s3, call, tmp_path):
    with pytest.raises(DownloadError, match=r"s3://natural-scenes-dataset/none: there is no such"):
        get(want("none", tmp_path, s3.address))
    with pytest.raises(DownloadError, match=r"has not: .*betas_session03.nii.gz.*Nothing was"):
        call("--sub", "1", "--sessions", "3", "--part", "betas", "--accept-terms")
    assert not (tmp_path / "nsd").exists()


def test_a_server_that_does_not_answer(call):
    with pytest.raises(DownloadError, match=r"no connection to http://127\.0\.0\.1:9"):
        call("--sub", "1", "--part", "design", "--accept-terms", endpoint="http://127.0.0.1:9")


def test_a_server_that_is_none_of_s3(call, tmp_path):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome")

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(
        DownloadError, match=r"s3://natural-scenes-dataset/.*127\.0\.0\.1.* answers 500"
    ):
        call("--sub", "1", "--part", "design", "--accept-terms", endpoint=here)
    server.shutdown()
    server.server_close()


def test_a_profile_of_amazon_that_does_not_exist(call, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(DownloadError, match="nobody"):
        call("--sub", "1", "--part", "design", "--accept-terms")


def test_a_root_that_is_a_file(call, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="file"):
        call("--sub", "1", "--part", "design", "--accept-terms", root=tmp_path / "file")


def test_an_endpoint_that_is_no_address(call):
    with pytest.raises(ConfigError, match="--endpoint: 'nonsense' is no address"):
        call("--sub", "1", "--part", "design", "--accept-terms", endpoint="nonsense")


def test_a_file_of_ones_own_is_not_overwritten(call, tmp_path):
    place = tmp_path / "nsd" / SECOND
    place.parent.mkdir(parents=True)
    place.write_bytes(b"my own")
    with pytest.raises(DownloadError, match=r"of another size than published: .*session02"):
        call(*TWO, "--part", "betas", "--accept-terms")
    assert place.read_bytes() == b"my own"


def test_verify(call, tmp_path):
    call(*TWO, "--part", "betas", "--accept-terms")
    said = call(*TWO, "--part", "betas", "--verify").output
    assert "as in the bucket: 2 by md5, 1 by multipart; not here: none" in said
    place = tmp_path / "nsd" / BIG
    body = bytearray(place.read_bytes())
    body[-1] ^= 1
    place.write_bytes(body)
    with pytest.raises(DataError, match=r"session01.nii.gz: multipart .*\n.*without --verify"):
        call(*TWO, "--part", "betas", "--verify")


def program(s3: Server, root: Path, before: str = "") -> list[str]:
    """Return the command as a process of its own."""
    code = f"{before}\nfrom neurodiffuse.cli import main\nmain()"
    words = ["fetch", "nsd", *TWO, "--part", "betas", "--accept-terms", "--jobs", "1"]
    return [sys.executable, "-c", code, *words, "--root", str(root), "--endpoint", s3]


def test_a_killed_process_is_resumed(s3, proxy, tmp_path, call):
    slow = "import neurodiffuse.downloads.transfer as t, time; w = t._write\n"
    slow += "t._write = lambda *a: (time.sleep(0.02), w(*a))"
    root = tmp_path / "nsd"
    child = subprocess.Popen(program(s3.address, root, slow), stdout=subprocess.DEVNULL)
    part = (root / BIG).with_name("betas_session01.nii.gz.part")
    while not (part.exists() and part.stat().st_size > 1_000_000):
        time.sleep(0.01)
        assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (root / BIG).exists()
    assert part.stat().st_size < len(content(BIG))
    said = call(*TWO, "--part", "betas", "--accept-terms").output
    assert "verified" in said
    for key in (BIG, SECOND):
        assert (root / key).read_bytes() == content(key)
    assert not list(root.rglob("*.part*"))


def test_interrupted_from_the_keyboard(s3, tmp_path):
    slow = "import neurodiffuse.downloads.transfer as t, time; w = t._write\n"
    slow += "t._write = lambda *a: (time.sleep(0.02), w(*a))"
    root = tmp_path / "nsd"
    words = program(s3.address, root, slow)
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    part = (root / BIG).with_name("betas_session01.nii.gz.part")
    while not (part.exists() and part.stat().st_size > 500_000):
        time.sleep(0.01)
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=10)
    assert "the same command goes on from here" in told
    assert "Traceback" not in told
    assert not (root / BIG).exists()


def test_a_full_disk_is_one_line_and_resumed(s3, tmp_path, call):
    """The limit of a file's size stands for the disk's end: the system refuses to write on."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))"
    root = tmp_path / "nsd"
    told = subprocess.run(
        program(s3.address, root, limit), capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 1
    last = told.stderr.strip().splitlines()[-1]
    assert last.startswith("neurodiffuse: ")
    assert "the disk is full" in last
    assert "Traceback" not in told.stderr
    part = (root / BIG).with_name("betas_session01.nii.gz.part")
    assert part.stat().st_size == 3_000_000
    call(*TWO, "--part", "betas", "--accept-terms")
    assert (root / BIG).read_bytes() == content(BIG)


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a file system of 3 MB; needs the right to mount one."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_too_small_is_told_before(small_disk, call):
    with pytest.raises(DownloadError, match=r"6.\d+ MB are to be fetched and .* MB are free"):
        call(*TWO, "--part", "betas", "--accept-terms", root=small_disk)
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile(small_disk, call, monkeypatch):
    monkeypatch.setattr("neurodiffuse.downloads.fetching.check_disk", lambda wanted: None)
    with pytest.raises(DownloadError, match="the disk is full"):
        call(*TWO, "--part", "betas", "--accept-terms", "--jobs", "1", root=small_disk)
    assert not (small_disk / BIG).exists()


# --- what was fetched is read ------------------------------------------------------------------


def test_a_tree_that_was_fetched_is_the_tree_that_was_uploaded(s3, tmp_path):
    """A simulated subject goes to the server and comes back; the data set reads the same."""
    from neurodiffuse.simulate.command import simulate
    from neurodiffuse_nsd.dataset import NsdDataset

    words = ["--layout", "nsd", "--subjects", "1", "--train", "30", "--test", "6"]
    given = {"quiet": True}
    CliRunner().invoke(
        simulate, [str(tmp_path / "made"), *words], obj=given, catch_exceptions=False
    )
    s3.empty()
    for path in (tmp_path / "made").rglob("nsd*/**/*"):
        if path.is_file() and path.parent.name != "annotations":
            s3.put(path.relative_to(tmp_path / "made").as_posix(), path.read_bytes())
    words = [*TWO, *ALL_BUT_CAPTIONS, "--accept-terms", "--root", str(tmp_path / "fetched")]
    try:
        CliRunner().invoke(
            nsd, [*words, "--endpoint", s3.address], obj=given, catch_exceptions=False
        )
    finally:
        s3.empty()
        s3.fill()  # what the other tests expect there

    made, fetched = (NsdDataset(str(tmp_path / name)) for name in ("made", "fetched"))
    old, new = made.subject("01"), fetched.subject("01")
    assert new.trials == old.trials
    assert [roi.name for roi in new.rois] == [roi.name for roi in old.rois]
    for roi in old.rois:
        same = made.roi("01", roi.name), fetched.roi("01", roi.name)
        np.testing.assert_array_equal(*same, err_msg=roi.name)
    mask = made.roi("01", "nsdgeneral")
    betas = [np.concatenate(list(data.betas("01", mask))) for data in (made, fetched)]
    np.testing.assert_array_equal(*betas)
    seen = [data.stimuli(old.trials.images("test")).images[0] for data in (made, fetched)]
    np.testing.assert_array_equal(*seen)


# --- captions ----------------------------------------------------------------------------------


@pytest.fixture
def archive(monkeypatch):
    """Serve an archive of annotations that is as COCO's, but small."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        for split in ("train2017", "val2017"):
            zipped.writestr(f"annotations/captions_{split}.json", json.dumps({"split": split}))
            zipped.writestr(f"annotations/instances_{split}.json", "{}")
    body = packed.getvalue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    small = coco.Archive(
        f"http://127.0.0.1:{server.server_port}/annotations_trainval2017.zip",
        len(body),
        hashlib.sha256(body).hexdigest(),
        coco.ARCHIVE.members,
    )
    for function in (coco.wanted, coco.unpack, coco.unpacked):
        monkeypatch.setattr(function, "__defaults__", (small,))
    yield small
    server.shutdown()
    server.server_close()


def test_captions_are_fetched_and_unpacked(archive, call, tmp_path):
    said = call("--sub", "1", "--part", "captions", "--accept-terms").output
    assert "CC BY 4.0" in said
    folder = Tree(tmp_path / "nsd").annotations
    assert sorted(p.name for p in folder.iterdir()) == [
        "captions_train2017.json",
        "captions_val2017.json",
    ]
    assert json.loads((folder / "captions_val2017.json").read_text()) == {"split": "val2017"}
    assert "captions  here" in call("--sub", "1", "--part", "captions").output


def test_an_archive_that_was_not_unpacked_is_unpacked_the_next_time(archive, tmp_path):
    tree = Tree(tmp_path / "nsd")
    fetch(coco.wanted(tree), quiet=True)
    assert gather.obtain(coco.wanted(tree), tree, jobs=1, quiet=True) == []
    assert [path.is_file() for path in coco.unpacked(tree)] == [True, True]


def test_an_archive_that_is_none(archive, tmp_path):
    tree = Tree(tmp_path / "nsd")
    tree.annotations.mkdir(parents=True)
    (tree.annotations / "annotations_trainval2017.zip").write_bytes(b"no zip")
    with pytest.raises(DownloadError, match="no archive of COCO's captions"):
        coco.unpack(tree)
    assert not any(path.exists() for path in coco.unpacked(tree))
