from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quiredb.domain.errors import DataDamaged, FormatUnsupported
from quiredb.storage.segment_file import open_segment, write_segment

ARRAYS = {
    "vectors": np.arange(21, dtype=np.float32).reshape(7, 3),
    "codes": np.arange(5, dtype=np.int8),
    "none": np.zeros((0, 4), dtype=np.uint16),
    "flags": np.array([True, False]),
    "one": np.array(5, dtype=np.int64),
    "columns": np.asfortranarray(np.arange(6, dtype=np.uint32).reshape(2, 3)),
    "foreign": np.array([1, 2, 3], dtype=">u4"),
}


def test_arrays_come_back_mapped_aligned_and_read_only(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    size = write_segment(path, {"kind": "graph", "nested": {"list": [1, None]}}, ARRAYS)
    assert size == path.stat().st_size
    file = open_segment(path)
    file.verify()
    assert file.header == {"kind": "graph", "nested": {"list": [1, None]}}
    assert list(file.arrays) == list(ARRAYS)
    for name, array in file.arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert array.shape == ARRAYS[name].shape
        assert not array.flags.writeable
        assert array.nbytes == 0 or array.ctypes.data % 64 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["segment"]


def test_a_mapped_array_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    write_segment(path, {}, ARRAYS)
    file = open_segment(path)
    vectors = file.arrays["vectors"]
    file.close()
    path.unlink()
    np.testing.assert_array_equal(vectors, ARRAYS["vectors"])


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    write_segment(path, {"kind": "flat"}, ARRAYS)
    content = path.read_bytes()
    file = open_segment(path)
    base = file.arrays["vectors"].ctypes.data
    counted = {
        offset
        for array in file.arrays.values()
        for offset in range(array.ctypes.data - base, array.ctypes.data - base + array.nbytes)
        if array.nbytes
    }
    first = content.index(ARRAYS["vectors"].tobytes())
    head = len(content[:first].rstrip(b"\0"))
    file.close()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        is_padding = head <= place < first or (place >= first and place - first not in counted)
        try:
            open_segment(path).verify()
        except (DataDamaged, FormatUnsupported):
            assert not is_padding
        else:
            assert is_padding, f"byte {place} was not noticed"


def test_truncated_grown_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    with pytest.raises(DataDamaged, match="missing"):
        open_segment(path)
    write_segment(path, {}, ARRAYS)
    content = path.read_bytes()
    for wrong in (b"", content[:10], content[:-64], content + bytes(64), b"x" * len(content)):
        path.write_bytes(wrong)
        with pytest.raises(DataDamaged):
            open_segment(path)


def test_objects_are_not_stored(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_segment(tmp_path / "segment", {}, {"objects": np.array([object()])})
    assert list(tmp_path.iterdir()) == []


def test_no_arrays_at_all(tmp_path: Path) -> None:
    write_segment(tmp_path / "segment", {"empty": True}, {})
    file = open_segment(tmp_path / "segment")
    file.verify()
    assert file.arrays == {}
