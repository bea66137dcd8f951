"""Vectors read by chunks are what h5py reads, however they are stored."""

import h5py
import numpy as np
import pytest

from stietime.chunks import read_vector
from stietime.storage import STORED

WAYS = {
    "as stored": STORED,
    "in small chunks": {**STORED, "chunks": (100,)},
    "plain": {},
    "not shuffled": {"compression": "gzip", "chunks": (128,)},
    "with checksums": {**STORED, "fletcher32": True, "chunks": (128,)},
    "by another filter": {"compression": "lzf", "shuffle": True, "chunks": (128,)},
}


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<i8", "<f4", "<u2", "<i1"])
@pytest.mark.parametrize("way", WAYS)
def test_any_part_is_what_h5py_reads(tmp_path, way, dtype):
    values = np.random.default_rng(0).integers(-100, 100, 1050).astype(dtype)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, **WAYS[way])
    with h5py.File(tmp_path / "x.h5") as file:
        for start, stop in (
            (0, 1050),
            (0, 100),
            (100, 200),
            (99, 101),
            (350, 351),
            (7, 993),
            (1049, 1050),
            (5, 5),
        ):
            found = read_vector(file["x"], start, stop)
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(found, values[start:stop])


def test_a_chunk_that_was_stored_without_a_filter_is_left_to_h5py(tmp_path):
    values = np.arange(40, dtype="<i4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        stored = file.create_dataset(
            "x", shape=(40,), dtype="<i4", chunks=(20,), compression="gzip", shuffle=True
        )
        stored[:20] = values[:20]
        stored.id.write_direct_chunk((20,), values[20:].tobytes(), filter_mask=3)
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["x"][:], values)
        np.testing.assert_array_equal(read_vector(file["x"], 3, 38), values[3:38])
