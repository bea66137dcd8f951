"""Counts of genes summed over groups of cells, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

from stietime.cells.count_kernels import sum_by_label, sum_scaled_by_gene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class GeneSums(NamedTuple):
    """Sums over groups of cells; a cell may be in several groups, or in none.

    Parameters
    ----------
    counts
        Counts of each gene, groups x genes.
    totals
        Counts over all genes of the cells, those left out of `counts` too; one per group.
    n_cells
        Number of cells of each group.
    """

    counts: Floats
    totals: Floats
    n_cells: NDArray[np.int64]

    def add(self, other: GeneSums) -> GeneSums:
        """Add the sums of further cells."""
        return GeneSums(self.counts + other.counts, self.totals + other.totals, self.n_cells + other.n_cells)

    def shares(self, group: int) -> Floats:
        """Share of each gene in the RNA of a group."""
        return np.asarray(self.counts[group] / max(float(self.totals[group]), 1.0))


def sum_groups(counts: sparse.csr_matrix, totals: Floats, members: NDArray[np.bool_]) -> GeneSums:
    """Sum the counts of groups of cells.

    Parameters
    ----------
    counts
        Cells x genes.
    totals
        Counts of each cell over all genes.
    members
        Groups x cells: whether a cell is in a group.
    """
    weights = sparse.csr_matrix(members, dtype=np.float64)
    summed = np.asarray((weights @ counts).toarray(), dtype=np.float64)
    return GeneSums(summed, weights @ totals, members.sum(axis=1).astype(np.int64))


def add_up_groups(counts: sparse.csr_matrix, group: NDArray[np.integer], n_groups: int) -> Floats:
    """Sum the counts of groups of cells of which each cell is in one, or in none.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    group
        Group of each cell, 0 to `n_groups` - 1; -1 is none.
    n_groups
        Number of groups.

    Returns
    -------
    Groups x genes.
    """
    sums, of_cells = np.zeros((n_groups, counts.shape[1])), np.zeros(counts.shape[0])
    stored = (counts.indptr, counts.indices, counts.data)
    sum_by_label(stored, of_cells, group.astype(np.int64), sums, np.zeros(n_groups))
    return sums


def sum_scaled(
    counts: sparse.csr_matrix, factors: NDArray[np.float32]
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Sum the counts of each gene, multiplied by a factor of the cell (single precision), and their squares.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    factors
        One per cell.

    Returns
    -------
    Sums and sums of squares of each gene in double precision, and the number of cells that show it.
    """
    sums, squares = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    n_cells = np.zeros(counts.shape[1], dtype=np.int64)
    sum_scaled_by_gene((counts.indptr, counts.indices, counts.data), factors, sums, squares, n_cells)
    return sums, squares, n_cells
