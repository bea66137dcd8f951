"""What the stored counts of each cell add up to, compiled: the counts are read once and not copied.

A sparse product makes a copy in another type and a result of its own; in a capture of 10,000 cells that takes
longer than the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Floats = NDArray[np.float64]
    Hashes = NDArray[np.uint64]
    Stored = NDArray[Any]  # of the type that the matrix has


def totals(counts: csr_matrix) -> Floats:
    """Sum the counts of each cell.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    """
    return np.asarray(_totals(counts.indptr, counts.data))


@numba.njit(nogil=True, cache=True)
def _totals(indptr: Stored, data: Stored) -> Floats:  # pragma: no cover - compiled
    sums = np.zeros(indptr.shape[0] - 1)
    for row in range(len(sums)):
        for place in range(indptr[row], indptr[row + 1]):
            sums[row] += data[place]
    return sums


def sum_sets(counts: csr_matrix, members: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.int64]]:
    """Sum the counts of sets of genes in each cell, and count the genes of each set that it shows.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    members
        Whether each gene is in each set, genes x sets.

    Returns
    -------
    Cells x sets, both.
    """
    shape = (counts.shape[0], members.shape[1])
    sums, shown = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    of_any = members.any(axis=1)
    _sum_sets(counts.indptr, counts.indices, counts.data, of_any, members, sums, shown)
    return sums, shown


@numba.njit(nogil=True, cache=True)
def _sum_sets(
    indptr: Stored,
    indices: Stored,
    data: Stored,
    of_any: NDArray[np.bool_],
    members: NDArray[np.bool_],
    sums: Floats,
    shown: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    for row in range(indptr.shape[0] - 1):
        for place in range(indptr[row], indptr[row + 1]):
            gene = indices[place]
            if not of_any[gene]:
                continue
            for which in range(members.shape[1]):
                if members[gene, which]:
                    sums[row, which] += data[place]
                    shown[row, which] += data[place] > 0


def sum_markers(
    counts: csr_matrix, marker_of_gene: NDArray[np.int64], n_markers: int
) -> tuple[Floats, Floats]:
    """Sum the counts of each marker in each cell.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    marker_of_gene
        Marker that each gene is (a part of); -1 where it is none.
    n_markers
        Number of markers.

    Returns
    -------
    Cells x markers, and the counts of each cell over all genes.
    """
    sums, totals = np.zeros((counts.shape[0], n_markers)), np.zeros(counts.shape[0])
    _sum_markers(counts.indptr, counts.indices, counts.data, marker_of_gene, sums, totals)
    return sums, totals


@numba.njit(nogil=True, cache=True)
def _sum_markers(
    indptr: Stored,
    indices: Stored,
    data: Stored,
    marker_of_gene: NDArray[np.int64],
    sums: Floats,
    totals: Floats,
) -> None:  # pragma: no cover - compiled
    for row in range(indptr.shape[0] - 1):
        for place in range(indptr[row], indptr[row + 1]):
            totals[row] += data[place]
            marker = marker_of_gene[indices[place]]
            if marker >= 0:
                sums[row, marker] += data[place]


def sum_largest(counts: csr_matrix, n_largest: int) -> Floats:
    """Sum the largest counts of each cell; all, where a cell has fewer.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    n_largest
        Number of counts.
    """
    return np.asarray(_sum_largest(counts.indptr, counts.data, n_largest))


@numba.njit(nogil=True, cache=True)
def _sum_largest(indptr: Stored, data: Stored, n_largest: int) -> Floats:  # pragma: no cover - compiled
    sums = np.zeros(indptr.shape[0] - 1)
    largest = np.empty(n_largest)
    for row in range(len(sums)):
        for at in range(n_largest):
            largest[at] = 0
        for place in range(indptr[row], indptr[row + 1]):
            value = data[place]
            if value > largest[0]:
                at = 0
                while at + 1 < n_largest and largest[at + 1] < value:
                    largest[at] = largest[at + 1]
                    at += 1
                largest[at] = value
        for at in range(n_largest):
            sums[row] += largest[at]
    return sums


def hash_rows(counts: csr_matrix) -> Hashes:
    """Hash the counts of each cell: the sum of hashes (splitmix64) of all its pairs of gene and count.

    Parameters
    ----------
    counts
        Counts, cells x genes, without stored zeros.
    """
    return np.asarray(_hash_rows(counts.indptr, counts.indices, counts.data))


@numba.njit(nogil=True, cache=True)
def _hash_rows(indptr: Stored, indices: Stored, data: Stored) -> Hashes:  # pragma: no cover - compiled
    hashes = np.zeros(indptr.shape[0] - 1, np.uint64)
    for row in range(len(hashes)):
        for place in range(indptr[row], indptr[row + 1]):
            pair = np.uint64(indices[place]) << np.uint64(32) | np.uint64(data[place])
            pair += np.uint64(0x9E3779B97F4A7C15)
            pair = (pair ^ (pair >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            pair = (pair ^ (pair >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            hashes[row] += pair ^ (pair >> np.uint64(31))
    return hashes
