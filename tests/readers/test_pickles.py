"""Pickles are read as values; whatever else they hold is refused and nothing of it runs."""

from __future__ import annotations

import codecs
import collections
import contextlib
import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from neurodiffuse.errors import DataError
from neurodiffuse.readers.pickles import load_npy, read_plain_pickle

PLAIN = {
    "numbers": [1, -7, 2**40, 2**3000, 1.5, True, False, None],
    "texts": ("a", "über\n", "x" * 300, b"raw", bytearray(b"more"), ""),
    "nested": {"sets": [{1, 2}, frozenset({"a"})], (1, (2, ())): {}},
}

ARRAYS = [
    np.arange(6, dtype=np.int16).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(3, dtype=">f4"),
    np.array([[True], [False]]),
    np.array([1 + 2j]),
    np.array(["ab", "ü"]),
    np.array([b"ab", b"c"]),
    np.zeros((0, 4), np.float32),
    np.array(3.5),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_out_as_they_went_in(protocol, tmp_path):
    plain = dict(PLAIN)
    if protocol < 5:  # older protocols call these by name
        plain["texts"] = ("a", "über\n", "", b"raw")
    if protocol < 4:
        del plain["nested"]
    (tmp_path / "x").write_bytes(pickle.dumps(plain, protocol))
    found = read_plain_pickle(tmp_path / "x")
    assert found == plain
    assert repr(found) == repr(plain)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_out_as_they_went_in(protocol, tmp_path):
    shared = np.arange(4)
    objects = np.array([["a", None], [["b", "c"], {"d": shared}]], dtype=object)
    (tmp_path / "x").write_bytes(
        pickle.dumps(
            {"all": ARRAYS, "scalar": np.float32(2.5), "o": objects, "s": shared}, protocol
        )
    )
    found = read_plain_pickle(tmp_path / "x")
    for one, other in zip(found["all"], ARRAYS, strict=True):
        assert one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
        np.testing.assert_array_equal(one, other, strict=False)
        assert one.shape == other.shape
    assert found["scalar"] == np.float32(2.5)
    assert type(found["scalar"]) is np.float32
    assert found["o"].shape == (2, 2)
    assert found["o"][1, 0] == ["b", "c"]
    assert found["o"][1, 1]["d"] is found["s"]  # one array stays one
    np.testing.assert_array_equal(found["s"], shared)


def test_an_ordered_dict_is_a_dict(tmp_path):
    weights = collections.OrderedDict(b=np.ones(2), a=np.zeros(1))
    (tmp_path / "x").write_bytes(pickle.dumps(weights))
    found = read_plain_pickle(tmp_path / "x")
    assert type(found) is dict
    assert {k: v.tolist() for k, v in found.items()} == {"b": [1, 1], "a": [0]}


def test_what_python_2_wrote_is_read(tmp_path):
    # pickle.dumps({'a': numpy.arange(2, dtype='<i2')}, 2) of Python 2.7 and numpy 1.8
    (tmp_path / "x").write_bytes(
        b"\x80\x02}q\x00U\x01aq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq"
        b"\x03K\x00\x85q\x04U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02"
        b"i2q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
        b"tq\x0eb\x89U\x04\x00\x00\x01\x00q\x0ftq\x10bs."
    )
    found = read_plain_pickle(tmp_path / "x")
    assert list(found) == ["a"]
    np.testing.assert_array_equal(found["a"], np.arange(2, dtype=np.int16))


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
@pytest.mark.parametrize("mapped", [False, True])
def test_npy_files_are_what_numpy_reads(array, mapped, tmp_path):
    np.save(tmp_path / "x.npy", array)
    found = load_npy(tmp_path / "x.npy", mapped=mapped)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_an_array_of_lists_of_texts(tmp_path):
    """The form of COCO_73k_annots_curated.npy."""
    table = np.empty((3, 5), dtype=object)
    for place in np.ndindex(3, 5):
        table[place] = [f"a person {place}", "a dog"][: place[1] % 3]
    np.save(tmp_path / "x.npy", table, allow_pickle=True)
    found = load_npy(tmp_path / "x.npy")
    assert found.shape == (3, 5)
    assert found.tolist() == table.tolist()


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments, state=None):
        self.called = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self):
        return self.called


MADE = "made-by-a-file"
"""A folder that every payload would make if it ran."""

CODE = f"__import__('os').mkdir({MADE!r})"


def named(module: str, name: str, *arguments: str) -> bytes:
    """Return a pickle that calls a function by its name with texts."""
    texts = b"".join(b"X" + struct.pack("<I", len(a)) + a.encode() for a in arguments)
    return f"c{module}\n{name}\n(".encode() + texts + b"tR."


def array_state(shape: bytes, kind: bytes, raw: bytes, more: bytes = b"N") -> bytes:
    """Return a pickle of an array of a shape, a dtype and content of one's own choice."""
    return (
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
        b"(K\x01" + shape + b"cnumpy\ndtype\n(" + kind + b"\x89\x88tR\x89" + raw + b"tb."
    )


def payloads() -> dict[str, bytes]:
    objects = np.empty(1, dtype=object)
    objects[0] = Call(os.mkdir, MADE)
    fields = np.dtype([("a", object)])
    pointer = b"C\x08" + struct.pack("<Q", 0x4141414141414141)

    def number(n: int) -> bytes:
        return b"\x8a\x06" + struct.pack("<Q", n)[:6]

    return {
        "os.mkdir": pickle.dumps(Call(os.mkdir, MADE)),
        "os.system": named("os", "system", f"mkdir {MADE}"),
        "posix.system, protocol 0": f"cposix\nsystem\n(S'mkdir {MADE}'\ntR.".encode(),
        "subprocess": named("subprocess", "getoutput", f"mkdir {MADE}"),
        "eval": pickle.dumps(Call(eval, CODE)),
        "exec": pickle.dumps(Call(exec, CODE)),
        "python 2's eval": named("__builtin__", "eval", CODE),
        "getattr": pickle.dumps(Call(getattr, Call(__import__, "os"), "mkdir")),
        "getattr by name": named("builtins", "getattr", "os", "mkdir"),
        "import": pickle.dumps(Call(__import__, "antigravity")),
        "dotted name": b"\x80\x04\x8c\x05numpy\x94\x8c\x0ccore.os.mkdir\x93X"
        + struct.pack("<I", len(MADE))
        + MADE.encode()
        + b"\x85R.",
        "numpy runstring": named("numpy.testing", "runstring", CODE, ""),
        "numpy f2py": named("numpy.f2py.crackfortran", "myeval", CODE),
        "numpy exec_command": named("numpy.distutils.exec_command", "exec_command", "mkdir x"),
        "numpy.load": named("numpy", "load", "x.npy"),
        "numpy.memmap": named("numpy", "memmap", "/etc/hostname"),
        "numpy.core alias": named("numpy.core", "multiarray", "x"),
        "numpy fromfile": named("numpy._core.multiarray", "fromfile", "/etc/hostname"),
        "codecs": pickle.dumps(Call(codecs.open, MADE, "w")),
        "codec of one's own": named("_codecs", "encode", "abc", "idna"),
        "object by INST": f"(S'mkdir {MADE}'\nios\nsystem\n.".encode(),
        "object by OBJ": f"(cos\nsystem\nS'mkdir {MADE}'\no.".encode(),
        "object by NEWOBJ": pickle.dumps(collections.Counter("a"), 2),
        "class with a state": pickle.dumps(Path("x")),
        "extension registry": b"\x80\x02\x82\x01.",
        "persistent": b"Pname\n.",
        "out of band": b"\x80\x05\x97.",
        "in an array": pickle.dumps(objects),
        "in a dict of arrays": pickle.dumps({"w": np.ones(2), "x": Call(os.mkdir, MADE)}),
        "state with a call": pickle.dumps(Call(list, state={"x": Call(os.mkdir, MADE)})),
        "a name that is called": b"cnumpy\nndarray\n(K\x05tR.",
        "a dtype that is called": b"cnumpy\ndtype\n(cnumpy\nndarray\ntR.",
        "reconstruct another class": b"cnumpy._core.multiarray\n_reconstruct\n"
        b"(cnumpy\ndtype\n(K\x00tC\x01btR.",
        "state on a name": b"cnumpy\ndtype\nN}X\x08\x00\x00\x00__call__K\x01s\x86b.",
        "pointers as objects": array_state(b"(K\x01t", b"X\x02\x00\x00\x00O8", pointer),
        "records with objects": pickle.dumps(np.zeros(1, fields)),
        "void": array_state(b"(K\x01t", b"X\x02\x00\x00\x00V8", pointer),
        "too few bytes": array_state(b"(" + number(10**9) + b"t", b"X\x02\x00\x00\x00f8", pointer),
        "shape that wraps": array_state(
            b"(" + number(2**32) + number(2**32) + b"t", b"X\x02\x00\x00\x00f8", pointer
        ),
        "negative shape": array_state(
            b"(J\xff\xff\xff\xffJ\xff\xff\xff\xfft", b"X\x02\x00\x00\x00f8", pointer
        ),
        "nothing times many": array_state(
            b"(" + number(10**12) + b"t", b"X\x02\x00\x00\x00S0", b"C\x00"
        ),
        "wide texts": array_state(b"(K\x01t", b"X\x0a\x00\x00\x00U999999999", pointer),
        "long bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
        "long number": b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
        "high memo": b"\x80\x02]r\xff\xff\xff\x7fj\xff\xff\xff\x7f",
        "unhashable": b"\x80\x04}]K\x01s.",
        "stack that is empty": b"\x80\x04\x94R.",
        "marks that are missing": b"\x80\x04]ee.",
    }


PAYLOADS = payloads()


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("form", ["pickle", "npy"])
def test_payloads_are_refused_and_do_nothing(name, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = PAYLOADS[name]
    if form == "npy":
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            head, {"descr": "|O", "fortran_order": False, "shape": (1,)}
        )
        content = head.getvalue() + content
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError) as told:
        (load_npy if form == "npy" else read_plain_pickle)(tmp_path / "x")
    assert "\n" not in str(told.value)
    assert str(told.value).isprintable()
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


RUN = ["os.mkdir", "os.system", "posix.system, protocol 0", "eval", "exec", "getattr"]
RUN += ["object by INST", "object by OBJ", "in an array", "in a dict of arrays"]


def test_the_payloads_would_run_in_pickle(tmp_path, monkeypatch):
    """The oracle: Python's own reader runs what is refused here."""
    monkeypatch.chdir(tmp_path)
    for name in RUN:
        with contextlib.suppress(TypeError):  # what is made cannot be put into an array
            if (made := pickle.loads(PAYLOADS[name])) is os.mkdir:
                made(MADE)
        Path(MADE).rmdir()


def test_one_list_in_many_arrays_does_not_fill_the_memory(tmp_path):
    many = 2000
    head = b"\x80\x04]\x94(" + b"N" * many + b"e0]("
    one = array_state(b"(M\xd0\x07t", b"X\x01\x00\x00\x00O", b"h\x00")[:-1]
    (tmp_path / "x").write_bytes(head + one * many + b"e.")
    with pytest.raises(DataError, match="larger together than the file"):
        read_plain_pickle(tmp_path / "x")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.99])
def test_a_file_cut_short_is_one_line(share, tmp_path):
    whole = pickle.dumps({"w": np.arange(1000.0), "names": ["a"] * 100})
    (tmp_path / "x").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"x: (damaged|holds)"):
        read_plain_pickle(tmp_path / "x")
    np.save(tmp_path / "y.npy", np.arange(1000.0))
    path = tmp_path / "y.npy"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match="cannot be read as an array"):
        load_npy(path)


def test_changed_bytes_give_values_or_one_line(tmp_path):
    rng = np.random.default_rng(0)
    whole = pickle.dumps(
        {"w": np.arange(9.0), "o": np.array([["a", None]], object), "k": [1, (2,)]}
    )
    refused = 0
    for _ in range(1500):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            changed[place] = rng.integers(0, 256)
        (tmp_path / "x").write_bytes(changed)
        with contextlib.suppress(DataError):
            refused += 1
            read_plain_pickle(tmp_path / "x")
            refused -= 1
    assert 300 < refused < 1500


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_plain_pickle(tmp_path / "x")
    with pytest.raises(DataError, match="No such file"):
        load_npy(tmp_path / "x")
