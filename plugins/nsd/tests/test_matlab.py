"""The frame of MATLAB files: what SciPy writes has one, and one that is cut or bent is refused."""

import struct

import numpy as np
import pytest
from scipy.io import savemat

from neurodiffuse_nsd.matlab import check_frame


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_written_is_accepted_and_what_is_cut_is_not(tmp_path, packed):
    path = tmp_path / "x.mat"
    content = {
        "a": np.arange(5),
        "s": {"x": 1, "y": "text"},
        "c": np.array([1, "b", [1, 2]], dtype=object),
        "empty": np.zeros((0, 3)),
        "b": np.array([True]),
        "k": 1 + 2j,
        "a_name_that_is_long": np.ones((3, 3, 3)),
    }
    savemat(path, content, do_compression=packed)
    check_frame(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="cut off"):
        check_frame(path)


def test_parts_of_unknown_kinds_are_refused(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"a": np.arange(50.0)})
    data = bytearray(path.read_bytes())
    data[136:144] = struct.pack("<II", 99, 8)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="unknown kind, 99"):
        check_frame(path)
