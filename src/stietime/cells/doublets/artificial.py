"""Doublets made of pairs of cells, as chance brings them into a droplet.

Two cells in one droplet share its reagents: each gives a random part of its counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse

from stietime.cells.cell_sums import totals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Rows = NDArray[np.integer]

PER_CELL: Final = 2
LEAST: Final = 3000  # with fewer, the scores of small captures are left to chance
MIN_SHARE_OF_CELL: Final = 0.5


class Artificial(NamedTuple):
    """Artificial doublets.

    Parameters
    ----------
    counts
        Counts of some genes, doublets x genes.
    totals
        Counts of each doublet over all genes.
    """

    counts: sparse.csr_matrix
    totals: Vector


def artificial_doublets(
    counts: sparse.csr_matrix, cell_totals: Vector, rng: np.random.Generator
) -> Artificial:
    """Add up random pairs of cells, of which each gives a random 50-100 % of its counts.

    Parameters
    ----------
    counts
        Counts of the genes that matter, at least two cells x genes.
    cell_totals
        Counts of each cell over all genes.
    rng
        Source of the pairs, the shares and the counts.

    Returns
    -------
    Twice as many doublets as cells, and at least 3,000.
    """
    n_cells = counts.shape[0]
    n_wanted = max(PER_CELL * n_cells, LEAST)
    of_others = (cell_totals - totals(counts)).astype(np.int64)
    first = rng.integers(0, n_cells, n_wanted)
    second = (first + rng.integers(1, n_cells, n_wanted)) % n_cells
    made, others = _thinned(counts[first], of_others[first], rng)
    further, more = _thinned(counts[second], of_others[second], rng)
    made = sparse.csr_matrix(made + further)
    return Artificial(made, totals(made) + others + more)


def _thinned(
    counts: sparse.csr_matrix, of_others: Rows, rng: np.random.Generator
) -> tuple[sparse.csr_matrix, Rows]:
    """Draw the counts that cells give, of their genes and of the others together."""
    share = rng.uniform(MIN_SHARE_OF_CELL, 1, counts.shape[0])
    drawn = rng.binomial(counts.data.astype(np.int64), np.repeat(share, np.diff(counts.indptr)))
    thinned = sparse.csr_matrix((drawn.astype(np.int32), counts.indices, counts.indptr), shape=counts.shape)
    thinned.eliminate_zeros()
    return thinned, rng.binomial(of_others, share)
