"""Counts of genes summed over groups of cells, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

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
