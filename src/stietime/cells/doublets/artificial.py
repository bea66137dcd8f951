"""Doublets made of pairs of cells, as chance brings them into a droplet.

Two cells in one droplet share its reagents: each gives a random part of its counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np
from scipy import sparse

from stietime.cells.cell_sums import totals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Rows = NDArray[np.integer]

PER_CELL: Final = 2
LEAST: Final = 3000  # with fewer, the scores of small captures are left to chance
MOST: Final = 10_000  # more take longer, and tell doublets no better
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
    Twice as many doublets as cells, at least 3,000 and at most 10,000.
    """
    n_cells = counts.shape[0]
    n_wanted = min(max(PER_CELL * n_cells, LEAST), MOST)
    first = rng.integers(0, n_cells, n_wanted)
    pairs = np.stack([first, (first + rng.integers(1, n_cells, n_wanted)) % n_cells])
    shares = rng.uniform(MIN_SHARE_OF_CELL, 1, pairs.shape)
    of_others = (cell_totals - totals(counts)).astype(np.int64)
    others = rng.binomial(of_others[pairs], shares).sum(axis=0)
    most = int(np.diff(counts.indptr)[pairs].sum())
    starts = np.zeros(n_wanted + 1, dtype=np.int64)
    genes, drawn = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int32)
    cells = (counts.indptr, counts.indices, counts.data.astype(np.int64))
    seed = int(rng.integers(2**32))
    _add_up(cells, pairs, shares, seed, np.zeros(counts.shape[1], dtype=np.int64), (starts, genes, drawn))
    stored = (drawn[: starts[-1]], genes[: starts[-1]], starts)
    made = sparse.csr_matrix(stored, shape=(n_wanted, counts.shape[1]))
    return Artificial(made, totals(made) + others)


@numba.njit(nogil=True, cache=True)
def _add_up(
    cells: tuple[Rows, Rows, Rows],
    pairs: Rows,
    shares: Vector,
    seed: int,
    own: Rows,
    made: tuple[Rows, Rows, Rows],
) -> None:  # pragma: no cover - compiled
    """Draw and add the counts of the two cells of each doublet; `own` has a place for each gene, all 0."""
    starts, genes, values = cells
    np.random.seed(seed)  # noqa: NPY002 - numba's generator, which is not numpy's
    end = 0
    for doublet in range(pairs.shape[1]):
        for which in range(2):
            cell, share = pairs[which, doublet], shares[which, doublet]
            for place in range(starts[cell], starts[cell + 1]):
                if values[place] == 1:
                    own[genes[place]] += np.random.random() < share  # noqa: NPY002
                else:
                    own[genes[place]] += np.random.binomial(values[place], share)  # noqa: NPY002
        for gene in range(len(own)):
            if own[gene]:
                made[1][end], made[2][end] = gene, own[gene]
                own[gene] = 0
                end += 1
        made[0][doublet + 1] = end
