"""Reading a compressed vector of an HDF5 file on several threads at once.

h5py lets one thread read at a time, and decompresses while it holds that lock. Here the lock is held only
while the stored bytes are copied; they are decompressed after, by each thread for itself.
"""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]


def read_vector(dataset: h5py.Dataset, start: int, stop: int) -> NDArray[Any]:
    """Read a part of a vector, as `dataset[start:stop]` does.

    Parameters
    ----------
    dataset
        A vector. What is not stored in chunks, shuffled and compressed by gzip, as `storage.STORED` has it,
        is left to h5py.
    start, stop
        First entry, and the one after the last.
    """
    if stop <= start or not _is_as_stored(dataset):
        return np.asarray(dataset[start:stop])
    size = int(dataset.chunks[0])
    found = np.empty(stop - start, dtype=dataset.dtype)
    aside = np.empty(size, dtype=dataset.dtype)
    for first in range(start - start % size, stop, size):
        left_out, stored = dataset.id.read_direct_chunk((first,))
        if left_out:  # a filter that this chunk was stored without
            return np.asarray(dataset[start:stop])
        begin, end = max(start, first), min(stop, first + size)
        whole = end - begin == size
        entries = found[begin - start : end - start] if whole else aside
        _unshuffle(zlib.decompress(stored, bufsize=entries.nbytes), entries)
        if not whole:
            found[begin - start : end - start] = aside[begin - first : end - first]
    return found


def _unshuffle(stored: bytes, entries: NDArray[Any]) -> None:
    """Put the bytes of each entry together again; shuffled, the first bytes of all stand first."""
    shuffled = np.frombuffer(stored, dtype=np.uint8)
    if entries.itemsize == 4:
        _unshuffle_of_4(shuffled, entries.view(np.uint32))
    else:
        entries.view(np.uint8).reshape(-1, entries.itemsize)[:] = shuffled.reshape(entries.itemsize, -1).T


def _is_as_stored(dataset: h5py.Dataset) -> bool:
    shuffled = dataset.compression == "gzip" and dataset.shuffle and not dataset.fletcher32
    native = dataset.dtype.isnative and sys.byteorder == "little"
    return bool(dataset.chunks and len(dataset.chunks) == 1 and shuffled and native)


@numba.njit(nogil=True, cache=True)
def _unshuffle_of_4(stored: Bytes, plain: NDArray[np.uint32]) -> None:  # pragma: no cover - compiled
    """Do the same for entries of four bytes on a processor that puts the lowest first, as common ones do."""
    n = len(plain)
    for entry in range(n):
        low = np.uint32(stored[entry]) | np.uint32(stored[n + entry]) << np.uint32(8)
        high = np.uint32(stored[2 * n + entry]) | np.uint32(stored[3 * n + entry]) << np.uint32(8)
        plain[entry] = low | high << np.uint32(16)
