"""Ranks of genes within a cell, with the ties that counts are full of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Places = NDArray[np.int64]
    Ranks = NDArray[np.int32]
    Stored = NDArray[Any]  # of the type that the matrix has


class TiedRanks(NamedTuple):
    """Ranks of some genes where a cell shows them, from the largest count down.

    Genes with equal counts share the ranks `before` + 1 to `up_to`.

    Parameters
    ----------
    starts
        Where the genes of each cell begin, and the end.
    columns
        Positions among the genes that were asked for.
    before
        Number of genes of the cell with a larger count.
    up_to
        Number of genes of the cell with a count as large or larger.
    n_shown
        Number of genes that each cell shows.
    """

    starts: Places
    columns: Ranks
    before: Ranks
    up_to: Ranks
    n_shown: Ranks


def rank_genes(counts: csr_matrix, genes: NDArray[np.intp]) -> TiedRanks:
    """Rank some genes among all that their cell shows.

    Parameters
    ----------
    counts
        Cells x genes; counts, or any values of which 0 stands for a gene that is not shown.
    genes
        Positions of the genes that are ranked, each once.
    """
    place = np.full(counts.shape[1], -1, dtype=np.int32)
    place[genes] = np.arange(len(genes))
    stored = (counts.indptr, counts.indices, counts.data)
    starts, n_shown = _count_shown(*stored, place)
    columns, before, up_to = np.empty((3, starts[-1]), dtype=np.int32)
    _rank(*stored, place, starts, columns, before, up_to)
    return TiedRanks(starts, columns, before, up_to, n_shown)


@numba.njit(nogil=True, cache=True)
def _count_shown(
    indptr: Stored, indices: Stored, data: Stored, place: Ranks
) -> tuple[Places, Ranks]:  # pragma: no cover - compiled
    n_cells = indptr.shape[0] - 1
    starts, n_shown = np.zeros(n_cells + 1, np.int64), np.zeros(n_cells, np.int32)
    for cell in range(n_cells):
        starts[cell + 1] = starts[cell]
        for at in range(indptr[cell], indptr[cell + 1]):
            if data[at] > 0:
                n_shown[cell] += 1
                starts[cell + 1] += place[indices[at]] >= 0
    return starts, n_shown


@numba.njit(nogil=True, cache=True)
def _rank(
    indptr: Stored,
    indices: Stored,
    data: Stored,
    place: Ranks,
    starts: Places,
    columns: Ranks,
    before: Ranks,
    up_to: Ranks,
) -> None:  # pragma: no cover - compiled
    """Write the ranks; most counts of a cell are its least, so that few need sorting."""
    for cell in range(indptr.shape[0] - 1):
        values = data[indptr[cell] : indptr[cell + 1]]
        shown = values[values > 0]
        if len(shown) == 0:
            continue
        least = shown.min()
        larger = np.sort(shown[shown > least])
        to = starts[cell]
        for at in range(indptr[cell], indptr[cell + 1]):
            column = place[indices[at]]
            if column < 0 or data[at] <= 0:
                continue
            columns[to], before[to], up_to[to] = column, len(larger), len(shown)
            if data[at] > least:
                before[to] -= np.searchsorted(larger, data[at], side="right")
                up_to[to] = len(larger) - np.searchsorted(larger, data[at], side="left")
            to += 1
