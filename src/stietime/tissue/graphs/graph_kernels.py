"""What is counted over the neighbours of every cell of a graph, compiled with numba."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@numba.njit(nogil=True, cache=True)
def count_triangles(starts: NDArray[np.integer], near: NDArray[np.int32]) -> int:
    """Count the triples of cells that are all neighbours of each other; lists of neighbours are sorted."""
    found = 0
    for u in range(len(starts) - 1):
        end_u = starts[u + 1]
        for at in range(starts[u], end_u):
            v = near[at]
            if v < u:
                continue
            i, j, end_v = at + 1, starts[v], starts[v + 1]
            while j < end_v and near[j] <= v:
                j += 1
            while i < end_u and j < end_v:
                if near[i] == near[j]:
                    found += 1
                    i += 1
                    j += 1
                elif near[i] < near[j]:
                    i += 1
                else:
                    j += 1
    return found


@numba.njit(nogil=True, cache=True)
def count_by_part(
    starts: NDArray[np.integer], near: NDArray[np.int32], codes: Ints, parts: Ints, n_types: int, n_parts: int
) -> Ints:
    """Count ordered pairs of neighbours by the part of the first cell and the types of both."""
    counts = np.zeros((n_parts, n_types, n_types), dtype=np.int64)
    for u in range(len(starts) - 1):
        row = counts[parts[u], codes[u]]
        for at in range(starts[u], starts[u + 1]):
            row[codes[near[at]]] += 1
    return counts


@numba.njit(nogil=True, cache=True)
def count_neighbours_in_strata(
    starts: NDArray[np.integer], near: NDArray[np.int32], strata: Ints, n_strata: int
) -> tuple[Ints, Ints]:
    """Count ordered pairs of neighbours, and of neighbours of one cell, by strata."""
    pairs = np.zeros((n_strata, n_strata), dtype=np.int64)
    adjacent = np.zeros((n_strata, n_strata, n_strata), dtype=np.int64)
    k = np.zeros(n_strata, dtype=np.int64)
    for u in range(len(starts) - 1):
        k[:] = 0
        for at in range(starts[u], starts[u + 1]):
            k[strata[near[at]]] += 1
        s = strata[u]
        for t in range(n_strata):
            pairs[s, t] += k[t]
            adjacent[s, t, t] -= k[t]
            for v in range(n_strata):
                adjacent[s, t, v] += k[t] * k[v]
    return pairs, adjacent
