"""Arrays and plain values from files that hold Python pickles, read without running anything.

A pickle is a little program, and Python's own reader runs it. Here its instructions are followed
one by one and nothing that the file names is looked up or called: numbers, texts, bytes, lists,
tuples, sets, dicts and numpy arrays of them come out; anything else is refused by name.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.readers.reach import check_file

_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUFFERS = ("numpy.core.numeric", "numpy._core.numeric")

ALLOWED = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    **{(module, "_reconstruct"): "array" for module in _ARRAYS},
    **{(module, "scalar"): "scalar" for module in _ARRAYS},
    **{(module, "_frombuffer"): "buffer" for module in _BUFFERS},
    ("_codecs", "encode"): "encode",
    ("__builtin__", "bytes"): "no bytes",
    ("builtins", "bytes"): "no bytes",
    ("collections", "OrderedDict"): "dict",
}
"""What a file may name: numpy's arrays, bytes as Python's protocol 2 writes them, ordered dicts."""

_KIND = re.compile(r"[|<>=]?(\?|b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)|[SU][1-9]\d{0,8}|O8?)")


def read_plain_pickle(path: Path) -> Any:
    """Return what a pickle holds: plain values and numpy arrays, nothing that runs.

    Texts that Python 2 wrote are read as Latin-1.

    Raises
    ------
    DataError
        If it holds anything else, or is damaged or cut off.
    """
    check_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    return _Values(path).read(content)


def load_npy(path: Path, *, mapped: bool = False) -> np.ndarray:
    """Return the array of a .npy file; one of Python objects has plain values only.

    Parameters
    ----------
    path
        The file.
    mapped
        Map the file into memory, read-only, instead of reading it. Not with Python objects.

    Raises
    ------
    DataError
        If it is no such file, is damaged or cut off, or holds more than plain values.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            shape, dtype = _header(file)
            rest = file.read() if dtype.hasobject else b""
        if not dtype.hasobject:
            found = np.load(path, mmap_mode="r", allow_pickle=False)  # no more than the file has
            return found if mapped else np.array(found)
    except (OSError, ValueError, EOFError, TypeError, SyntaxError, TokenError) as error:
        raise DataError(f"{path}: cannot be read as an array ({_first_line(error)}).") from error
    found = _Values(path).read(rest)
    if dtype.kind != "O" or not isinstance(found, np.ndarray) or found.shape != shape:
        raise DataError(f"{path}: cannot be read as an array (it does not hold what it says).")
    return found


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:  # the third differs in the encoding of the names of fields alone
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


class _RefusedError(Exception):
    """Something that is no plain value; the text names it."""


class _Kind:
    """A dtype, whose byte order a file says after it."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype


class _Values:
    """The values of one pickle: a stack machine that knows how to make plain values only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.room = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def read(self, content: bytes) -> Any:
        self.room = len(content)
        try:
            for code, argument, _ in pickletools.genops(content):
                if code.name == "STOP":
                    return self.stack.pop()
                if _PUSHED.fullmatch(code.name):
                    self.stack.append(argument)
                elif does := _DOES.get(code.name):
                    does(self, argument)
                else:
                    raise _RefusedError(f"an object ({code.name})")
        except _RefusedError as error:
            raise DataError(
                f"{self.path}: holds {error}, and reading that could run code, so it is refused. "
                "Only numbers, texts and numpy arrays of them are read."
            ) from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.path}: damaged, cut off or no pickle ({_first_line(error)})."
            ) from error
        raise DataError(f"{self.path}: damaged or cut off.")

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("a value is missing")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"a {kind.__name__} is missing")
        return self.stack[-1]

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def add(self, items: list[Any]) -> None:
        self.top(set).update(items)

    def set_items(self, items: list[Any]) -> None:
        self.top(dict).update(_dict_of(items))

    def name(self, module: Any, name: Any) -> None:
        if (found := ALLOWED.get((module, name))) is None:
            raise _RefusedError(f"{str(module)[:60]!r} {str(name)[:60]!r}")
        self.stack.append(_Name(found))

    def reduce(self) -> None:
        called, arguments = self.last(2)
        if not isinstance(called, _Name) or not isinstance(arguments, tuple):
            raise _RefusedError("a call")
        made = _MAKES[called.what](*arguments)
        self.charge(made)
        self.stack.append(made)

    def build(self) -> None:
        (state,) = self.last(1)
        made = self.stack[-1]
        if isinstance(made, _Kind):
            made.dtype = _ordered(made.dtype, *state)
        elif isinstance(made, np.ndarray):
            made.__setstate__(_checked(*state))
            self.charge(made)
        else:
            raise _RefusedError("an object with a state")

    def charge(self, made: Any) -> None:
        """Refuse values that are repeated until they fill the memory: a file holds each once."""
        if isinstance(made, np.ndarray):
            self.room -= made.size if made.dtype.hasobject else made.nbytes
        elif isinstance(made, bytes):
            self.room -= len(made)
        if self.room < 0:
            raise _RefusedError("arrays that are larger together than the file")


class _Name:
    """Something of numpy that a file names; it stands for itself and does nothing."""

    def __init__(self, what: str) -> None:
        self.what = what


def _kind(text: Any, *_: Any) -> _Kind:
    if not isinstance(text, str) or not _KIND.fullmatch(text):
        raise _RefusedError(f"an array of {str(text)[:60]!r}")
    return _Kind(np.dtype(text))


def _ordered(dtype: np.dtype, version: Any, order: Any, *more: Any) -> np.dtype:
    """Return a dtype in its byte order; parts, names and sizes that a file adds are refused."""
    if any(part is not None for part in more[:3]) or more[6:] not in ((), (None,)):
        raise _RefusedError("an array of records")
    return dtype if order == "|" else dtype.newbyteorder(order)


def _array(kind: Any, *_: Any) -> np.ndarray:
    if not isinstance(kind, _Name) or kind.what != "ndarray":
        raise _RefusedError("an array of a kind of its own")
    return np.empty(0, np.int8)


def _checked(version: Any, shape: Any, kind: Any, fortran: Any, values: Any) -> tuple[Any, ...]:
    """Return the state of an array if values, type and shape agree."""
    if isinstance(values, str):
        values = values.encode("latin1")  # as Python 2 wrote bytes
    _same_length(kind, shape, values)
    if isinstance(values, bytearray):
        values = bytes(values)
    return 1, shape, kind.dtype, bool(fortran), values


def _same_length(kind: Any, shape: Any, values: Any) -> None:
    if not isinstance(kind, _Kind) or not isinstance(shape, tuple):
        raise ValueError("an array without its type or shape")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an array of shape {shape}")
    needed = math.prod(shape)
    if kind.dtype.hasobject:
        right = type(values) is list and len(values) == needed
    else:
        size = kind.dtype.itemsize
        right = isinstance(values, bytes | bytearray) and len(values) == needed * size
    if not right:
        raise ValueError("an array that has not the values its shape asks for")


def _scalar(kind: Any, value: Any) -> Any:
    if isinstance(value, str):
        value = value.encode("latin1")
    _same_length(kind, (1,), value)
    return np.frombuffer(value, kind.dtype)[0]


def _from_buffer(values: Any, kind: Any, shape: Any, order: Any, *_: Any) -> np.ndarray:
    _same_length(kind, shape, values)
    if kind.dtype.hasobject:
        raise _RefusedError("objects in a buffer")
    return np.frombuffer(values, kind.dtype).reshape(shape, order=order)


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise _RefusedError(f"a text in {str(encoding)[:60]!r}")
    return text.encode("latin1")


_MAKES: dict[str, Callable[..., Any]] = {
    "dtype": _kind,
    "array": _array,
    "scalar": _scalar,
    "buffer": _from_buffer,
    "encode": _encode,
    "no bytes": lambda: b"",
    "dict": lambda: {},
}

_PUSHED = re.compile(
    r"(INT|BININT[12]?|LONG[14]?|(BIN)?FLOAT|(SHORT_)?BIN(STRING|BYTES|UNICODE)|STRING|UNICODE"
    r"|BIN(BYTES|UNICODE)8|BYTEARRAY8)"
)
"""Instructions that bring a value with them."""


def _pop(values: _Values, _: Any) -> None:
    if values.marks and values.marks[-1] == len(values.stack):
        values.marks.pop()
    else:
        values.stack.pop()


def _dict_of(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


_DOES: dict[str, Callable[[_Values, Any], Any]] = {
    "PROTO": lambda v, a: None,
    "FRAME": lambda v, a: None,
    "MARK": lambda v, a: v.marks.append(len(v.stack)),
    "POP": _pop,
    "POP_MARK": lambda v, a: v.since_mark(),
    "DUP": lambda v, a: v.stack.append(v.stack[-1]),
    "NONE": lambda v, a: v.stack.append(None),
    "NEWTRUE": lambda v, a: v.stack.append(True),
    "NEWFALSE": lambda v, a: v.stack.append(False),
    "EMPTY_LIST": lambda v, a: v.stack.append([]),
    "LIST": lambda v, a: v.stack.append(v.since_mark()),
    "APPEND": lambda v, a: v.append(v.last(1)),
    "APPENDS": lambda v, a: v.append(v.since_mark()),
    "EMPTY_TUPLE": lambda v, a: v.stack.append(()),
    "TUPLE": lambda v, a: v.stack.append(tuple(v.since_mark())),
    "TUPLE1": lambda v, a: v.stack.append(tuple(v.last(1))),
    "TUPLE2": lambda v, a: v.stack.append(tuple(v.last(2))),
    "TUPLE3": lambda v, a: v.stack.append(tuple(v.last(3))),
    "EMPTY_DICT": lambda v, a: v.stack.append({}),
    "DICT": lambda v, a: v.stack.append(_dict_of(v.since_mark())),
    "SETITEM": lambda v, a: v.set_items(v.last(2)),
    "SETITEMS": lambda v, a: v.set_items(v.since_mark()),
    "EMPTY_SET": lambda v, a: v.stack.append(set()),
    "ADDITEMS": lambda v, a: v.add(v.since_mark()),
    "FROZENSET": lambda v, a: v.stack.append(frozenset(v.since_mark())),
    "PUT": lambda v, a: v.put(a),
    "BINPUT": lambda v, a: v.put(a),
    "LONG_BINPUT": lambda v, a: v.put(a),
    "MEMOIZE": lambda v, a: v.put(len(v.memo)),
    "GET": lambda v, a: v.stack.append(v.memo[a]),
    "BINGET": lambda v, a: v.stack.append(v.memo[a]),
    "LONG_BINGET": lambda v, a: v.stack.append(v.memo[a]),
    "GLOBAL": lambda v, a: v.name(*a.split(" ", 1)),
    "STACK_GLOBAL": lambda v, a: v.name(*v.last(2)),
    "REDUCE": lambda v, a: v.reduce(),
    "BUILD": lambda v, a: v.build(),
}
"""What each other instruction does; all that are not here make objects."""


def _first_line(error: BaseException) -> str:
    """Return what an error says, short and without characters that steer a terminal."""
    text = (str(error) or type(error).__name__).splitlines()[0][:120]
    return "".join(c if c.isprintable() else "?" for c in text)
