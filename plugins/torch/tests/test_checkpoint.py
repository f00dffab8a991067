"""Weights arrive whole or not at all, and never as code."""

from __future__ import annotations

import collections
import contextlib
import io
import json
import os
import pickle
import re
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse_torch import load_strictly, read_checkpoint, without_prefix


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1))


def save_as(kind, tensors, path):
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")


@pytest.mark.parametrize("kind", ["safetensors", "zip", "pickle"])
@pytest.mark.parametrize("name", ["weights.th", "no suffix"])
def test_three_formats_are_told_by_their_content(kind, name, network, tmp_path):
    save_as(kind, network.state_dict(), tmp_path / name)
    read = read_checkpoint(tmp_path / name)
    for key, tensor in network.state_dict().items():
        assert torch.equal(read.pop(key), tensor)
    assert not read


@pytest.mark.parametrize("kind", ["safetensors", "zip", "pickle"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_file_cut_short_is_refused_in_one_line(kind, share, tmp_path):
    path = tmp_path / "weights"
    save_as(kind, {"w": torch.randn(40, 40)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"weights: .*Download it again") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"<html>not found</html>",
        b"PK",
        b"\x80",
    ],
)
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(DataError, match="Download it again"):
        read_checkpoint(tmp_path / "w")


class Malice:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-checkpoint",)


@pytest.mark.parametrize("kind", ["zip", "pickle"])
def test_code_in_a_checkpoint_does_not_run(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_as(kind, {"w": torch.ones(2), "x": Malice()}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="holds more than tensors"):
        read_checkpoint(tmp_path / "w.pth")
    assert not (tmp_path / "made-by-a-checkpoint").exists()


def test_what_is_not_a_table_of_tensors_is_refused(tmp_path):
    torch.save(torch.ones(3), tmp_path / "a")
    torch.save({"w": torch.ones(3), "epoch": 4, "lr": 0.1}, tmp_path / "b")
    with pytest.raises(DataError, match="Tensor, not tensors by name"):
        read_checkpoint(tmp_path / "a")
    with pytest.raises(DataError, match="epoch, lr are no tensors"):
        read_checkpoint(tmp_path / "b")


def test_a_state_dict_inside_is_found(network, tmp_path):
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, tmp_path / "w")
    assert set(read_checkpoint(tmp_path / "w")) == set(network.state_dict())


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(MissingDataError, match="does not exist"):
        read_checkpoint(tmp_path / "none")
    with pytest.raises(MissingDataError, match="is a folder"):
        read_checkpoint(tmp_path)


def test_every_tensor_in_its_place(network):
    torch.manual_seed(1)
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1))
    load_strictly(other, network.state_dict(), "w.th")
    x = torch.randn(1, 3, 9, 9)
    assert torch.equal(other(x), network(x))


def test_a_bare_module_takes_the_tensors_themselves(network):
    with torch.device("meta"):
        bare = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1))
    tensors = network.half().state_dict()
    load_strictly(bare, tensors, "w.th")
    assert bare[0].weight.data_ptr() == tensors["0.weight"].data_ptr()
    assert bare[0].weight.dtype == torch.float16


def test_all_that_is_wrong_is_told_in_one_line(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    tensors = {f"extra{k}": torch.ones(1) for k in range(5)} | {
        "0.weight": torch.ones(8, 3, 1, 1),
        "0.bias": torch.zeros(8),
        "1.bias": torch.zeros(4),
    }
    with pytest.raises(DataError) as caught:
        load_strictly(network, tensors, "w.th")
    said = str(caught.value)
    assert re.match(r"w\.th: not the weights of Sequential, which has 4 tensors: ", said)
    assert "1 missing (1.weight)" in said
    assert "5 not expected (extra0, extra1, extra2 … and 2 more)" in said
    assert "1 of another shape (0.weight is (8, 3, 1, 1), needed (8, 3, 3, 3))" in said
    assert "\n" not in said
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_prefix_goes_only_when_every_name_has_it():
    one = torch.ones(1)
    assert without_prefix({"module.a": one, "module.b": one}, "module.").keys() == {"a", "b"}
    kept = collections.OrderedDict([("module.a", one), ("b", one)])
    assert without_prefix(kept, "module.").keys() == {"module.a", "b"}
    assert without_prefix({}, "module.") == {}


MADE = "made-by-a-checkpoint"

CODE = f"__import__('os').mkdir({MADE!r})"


def named(module: str, name: str, *arguments: str) -> bytes:
    """Return a pickle that calls a function by its name with texts."""
    texts = b"".join(b"X" + struct.pack("<I", len(a)) + a.encode() for a in arguments)
    return b"\x80\x02" + f"c{module}\n{name}\n(".encode() + texts + b"tR."


CALLS = {
    "os.mkdir": named("os", "mkdir", MADE),
    "posix.system": named("posix", "system", f"mkdir {MADE}"),
    "subprocess": named("subprocess", "getoutput", f"mkdir {MADE}"),
    "eval": named("builtins", "eval", CODE),
    "python 2's eval": named("__builtin__", "eval", CODE),
    "exec": named("builtins", "exec", CODE),
    "getattr": named("builtins", "getattr", "os", "mkdir"),
    "numpy runstring": named("numpy.testing", "runstring", CODE, ""),
    "numpy f2py": named("numpy.f2py.crackfortran", "myeval", CODE),
    "numpy.load": named("numpy", "load", "x.npy"),
    "numpy.memmap": named("numpy", "memmap", "/etc/hostname"),
    "torch.load": named("torch", "load", "w"),
    "torch.hub": named("torch.hub", "load", "a/b", "c"),
    "torch storage of a file": named("torch", "FloatStorage.from_file", "/etc/hostname"),
    "torch library": named("torch.ops", "load_library", "x.so"),
    "torch jit": named("torch.jit.unsupported_tensor_ops", "execWrapper", CODE),
    "a module": named("torch.nn.modules.linear", "Linear"),
    "dill": named("dill._dill", "_create_code", CODE),
    "INST": f"\x80\x02(S'mkdir {MADE}'\nios\nsystem\n.".encode("latin1"),
    "OBJ": f"\x80\x02(cos\nsystem\nS'mkdir {MADE}'\no.".encode("latin1"),
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"\x80\x02Pname\n.",
    "memo": b"\x80\x02]r\xff\xff\xff\x7fj\xff\xff\xff\x7f.",
    "long bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
}


def save_payload(content: bytes, form: str, path: Path) -> None:
    """Write a pickle as one of the forms of torch's files."""
    if form == "pickle":
        path.write_bytes(content)
    elif form == "legacy":
        torch.save({}, path, _use_new_zipfile_serialization=False)
        with path.open("rb") as file:
            for _ in range(3):  # a magic number, a version, and what the machine is
                pickle.load(file)
            end = file.tell()
        path.write_bytes(path.read_bytes()[:end] + content)
    else:
        good = io.BytesIO()
        torch.save({"w": torch.ones(2)}, good)
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
            for item in source.namelist():
                data = content if item.endswith("data.pkl") else source.read(item)
                target.writestr(item, data)
            if form == "script":  # what makes it an archive of TorchScript
                target.writestr("archive/constants.pkl", content)


@pytest.mark.filterwarnings("ignore:.*(TorchScript archive|pickle protocol 4)")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("form", ["pickle", "legacy", "zip", "script"])
def test_payloads_are_refused_and_do_nothing(name, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_payload(CALLS[name], form, tmp_path / "w")
    with pytest.raises(DataError) as caught:
        read_checkpoint(tmp_path / "w")
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize("form", ["legacy", "zip"])
@pytest.mark.parametrize("name", ["os.mkdir", "posix.system", "eval", "INST", "OBJ"])
def test_the_payloads_would_run_in_torch(name, form, tmp_path, monkeypatch):
    """The oracle: torch's other reader runs what is refused here."""
    monkeypatch.chdir(tmp_path)
    save_payload(CALLS[name], form, tmp_path / "w")
    with contextlib.suppress(Exception):  # what is made is no table of tensors
        torch.load(tmp_path / "w", weights_only=False)
    assert (tmp_path / MADE).is_dir()


@pytest.mark.parametrize(
    "head",
    [
        {"w": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [2**33, 2**33], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
        {"w": {"dtype": "OBJ", "shape": [2], "data_offsets": [0, 8]}},
        {
            "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "v": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        },
    ],
)
def test_safetensors_that_lie_are_refused(head, tmp_path):
    text = json.dumps(head).encode()
    (tmp_path / "w").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(DataError, match="Download it again") as caught:
        read_checkpoint(tmp_path / "w")
    assert "\n" not in str(caught.value)


def test_a_header_longer_than_the_file_is_refused(tmp_path):
    (tmp_path / "w").write_bytes(struct.pack("<Q", 2**62) + b'{"w": 1}')
    with pytest.raises(DataError, match="Download it again"):
        read_checkpoint(tmp_path / "w")
