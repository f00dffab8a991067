"""Weights are listed, fetched on their terms and verified, as a user types it."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner

from neurodiffuse import models as registry_of_weights
from neurodiffuse.downloads import consent, transfer
from neurodiffuse.errors import ConfigError, DataError, DownloadError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.models import obtain
from neurodiffuse.models.command import models
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Model, ModelFile

NET = random.Random(0).randbytes(200_000)
CONFIG = b'{"layers": 3}'
SHA = hashlib.sha256(NET).hexdigest()


@pytest.fixture
def tiny(site):
    site.files |= {"/net.bin": NET, "/config.json": CONFIG}
    return Model(
        name="tiny",
        files=(
            ModelFile("net/net.bin", f"{site.address}/net.bin", len(NET), SHA),
            ModelFile("config.json", f"{site.address}/config.json"),
        ),
        summary="A tiny network",
        licence="MIT",
        terms="https://example.org/LICENSE",
        cite="Doe et al. 2026",
    )


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path / "weights"))
    return tmp_path / "weights" / "tiny"


@pytest.fixture
def call(tiny, folder, monkeypatch):
    """Return a function that types a command after ``neurodiffuse models``."""
    monkeypatch.setattr(transfer.Retries, "pause", lambda *a: 0.0)

    @hookimpl
    def register_models(register):
        register(tiny)

    plugin = ModuleType("plugin")
    plugin.register_models = register_models
    registry = Registry([("tiny", plugin)])

    def run(*words: str, **more: object):
        given = {"registry": registry, "quiet": True}
        return CliRunner().invoke(models, words, obj=given, catch_exceptions=False, **more)

    return run


def test_list_says_what_is_here(call):
    assert "0 of 2 files, size unknown" in call("list").output
    call("fetch", "tiny", "--accept-licence")
    assert "here, size unknown" in call().output


def test_details_of_a_model(call, folder, site):
    said = call("list", "tiny").output
    for text in (f"{site.address}/net.bin", f"200 kB  sha256 {SHA}", "Doe et al. 2026", "MIT"):
        assert text in said
    assert "config.json  size unknown  sha256 not known  not here" in said
    assert "to fetch: 200 kB and 1 file of unknown size" in said
    assert str(folder) in said


def test_dry_run_asks_no_server_and_writes_nothing(call, folder, site):
    assert call("fetch", "tiny", "--dry-run").exit_code == 0
    assert site.asked == []
    assert not folder.exists()
    assert not consent.record_file().exists()


def test_fetch(call, folder, tiny):
    said = call("fetch", "tiny", "--accept-licence").output
    assert said.startswith("weights tiny: MIT\n  A tiny network\n")
    assert "https://example.org/LICENSE" in said
    assert said.endswith(f"2 files fetched into {folder}, verified 1 by sha256, 1 by size\n")
    assert registry_of_weights.locate(tiny) == folder
    assert (folder / "net" / "net.bin").read_bytes() == NET
    assert (folder / "config.json").read_bytes() == CONFIG
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) == [
        "config.json",
        "fetched.json",
        "net.bin",
    ]


def test_consent_is_asked_once_and_recorded(call, folder):
    call("fetch", "tiny", "--accept-licence")
    (folder / "config.json").unlink()
    said = call("fetch", "tiny").output
    assert "LICENSE" not in said
    entry = json.loads(consent.record_file().read_text())["consents"][0]
    assert entry["subject"] == "weights tiny"
    assert (entry["licence"], entry["address"]) == ("MIT", "https://example.org/LICENSE")
    assert entry["how"] == "--accept-licence"
    assert entry["when"].startswith("20")


def test_without_a_terminal_and_without_the_flag_nothing_is_fetched(call, folder, site):
    with pytest.raises(DownloadError, match=r"not accepted.*no terminal.*add --accept-licence"):
        call("fetch", "tiny")
    assert site.asked == []
    assert not folder.exists()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_it_is_asked(call, folder, monkeypatch, answer):
    monkeypatch.setattr("neurodiffuse.downloads.consent.sys", SimpleNamespace(stdin=Terminal()))
    if answer == "n":
        with pytest.raises(DownloadError, match="terms not accepted"):
            call("fetch", "tiny", input="n\n")
        assert not consent.record_file().exists()
    else:
        assert "Do you accept" in call("fetch", "tiny", input="y\n").output
        assert (folder / "config.json").exists()


class Terminal:
    closed = False

    def isatty(self) -> bool:
        return True


def test_other_terms_are_asked_about_again():
    old = consent.Terms("weights tiny", "MIT", "https://example.org/1")
    consent.agree(old, flag="--f", given=True, show=print, ask=bool)
    assert consent.accepted(old)
    assert not consent.accepted(consent.Terms("weights tiny", "MIT", "https://example.org/2"))
    assert not consent.accepted(consent.Terms("weights tiny", "GPL", "https://example.org/1"))
    assert not consent.accepted(consent.Terms("weights other", "MIT", "https://example.org/1"))


def test_a_record_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEURODIFFUSE_CONSENT", str(tmp_path / "file" / "consent.json"))
    terms = consent.Terms("x", "MIT", "")
    with pytest.raises(DownloadError, match=r"consent\.json: cannot be read|cannot be recorded"):
        consent.agree(terms, flag="--f", given=True, show=print, ask=bool)


def test_without_standard_input_nobody_is_asked(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(DownloadError, match="no terminal to ask on"):
        consent.agree(consent.Terms("x", "MIT", ""), flag="--f", given=False, show=print, ask=bool)


def test_a_damaged_record_of_consents_is_told():
    consent.record_file().write_text('["no record"]')
    with pytest.raises(DownloadError, match="not a record of consents"):
        consent.accepted(consent.Terms("x", "MIT", ""))


@pytest.mark.parametrize("switch", ["NEURODIFFUSE_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(call, folder, monkeypatch, tiny, site, switch):
    monkeypatch.setenv(switch, "1")
    if switch == "HF_HUB_OFFLINE":  # it forbids the hub's files, no others
        call("fetch", "tiny", "--accept-licence")
        return
    with pytest.raises(DownloadError, match=r"2 of 2 files are not in.*NEURODIFFUSE_OFFLINE=1"):
        call("fetch", "tiny", "--accept-licence")
    assert site.asked == []


def test_offline_with_everything_here(call, monkeypatch):
    call("fetch", "tiny", "--accept-licence")
    monkeypatch.setenv("NEURODIFFUSE_OFFLINE", "1")
    assert "tiny: complete in" in call("fetch", "tiny").output


def test_a_truncated_file_of_the_cache_is_fetched_again(call, folder):
    call("fetch", "tiny", "--accept-licence")
    (folder / "net" / "net.bin").write_bytes(NET[:100])
    assert "1 file fetched" in call("fetch", "tiny").output
    assert (folder / "net" / "net.bin").read_bytes() == NET


def test_verify(call, folder):
    call("fetch", "tiny", "--accept-licence")
    said = call("verify").output
    assert said == "tiny: 1 by published sha256, 1 by sha256 when fetched\n"


@pytest.mark.parametrize("name", ["net/net.bin", "config.json"])
def test_verify_notices_a_flipped_bit_and_removes_the_file_if_asked(call, folder, name):
    call("fetch", "tiny", "--accept-licence")
    path = folder / name
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(DataError, match=rf"{path.name}: sha256 .*\n.*--remove") as told:
        call("verify", "tiny")
    assert str(told.value).count("sha256") >= 2
    assert path.exists()
    with pytest.raises(DataError, match="Removed"):
        call("verify", "tiny", "--remove")
    assert not path.exists()
    call("fetch", "tiny")
    assert call("verify", "tiny").exit_code == 0


def test_verify_a_file_of_ones_own(call, tmp_path):
    own = tmp_path / "net.bin"
    own.write_bytes(NET)
    assert call("verify", "tiny", "--weights", str(own)).output == "tiny: 1 by published sha256\n"
    own.write_bytes(NET[:-1])
    with pytest.raises(DataError, match="199,999 bytes; published are 200,000"):
        call("verify", "tiny", "--weights", str(own))
    other = tmp_path / "other"
    other.write_bytes(b"x")
    with pytest.raises(DataError, match="neither name nor size"):
        call("verify", "tiny", "--weights", str(other))


def test_verify_of_ones_own_needs_one_name(call, tmp_path):
    with pytest.raises(ConfigError, match="goes with one NAME"):
        call("verify", "--weights", str(tmp_path))


def test_looking_at_weights_imports_no_client():
    code = (
        "import sys; from neurodiffuse.cli import cli\n"
        "try: cli.main(['models', 'list'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('requests', 'botocore', 'numpy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_checksum_may_be_its_first_digits(call, folder, tiny):
    """torchvision's file names hold eight digits; what is noted is the whole checksum."""
    whole = hashlib.sha256(b"x" * 10).hexdigest()
    path = folder / "own.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 10)
    for digits, problem in ((whole[:8], False), ("0" * 8, True)):
        model = Model("own", (ModelFile("own.bin", "https://x.org/own.bin", 10, digits),), "", "")
        (check,) = obtain.verify(model, folder)
        assert bool(check.problem) == problem
        assert check.by == "published sha256"
