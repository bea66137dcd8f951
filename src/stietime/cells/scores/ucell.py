"""UCell: scores by the ranks of a set's genes within each cell.

A score depends on nothing but the cell's own counts: not on other cells, nor on the order of cells or genes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from stietime.cells.scores.tied_ranks import rank_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def score_by_ranks(
    counts: sparse.csr_matrix, genes: NDArray[np.intp], members: sparse.csr_matrix, max_rank: int
) -> Floats:
    """Score sets of genes with UCell.

    With ``n`` genes of a set and their ranks ``r``, ``U = sum(r) - n (n + 1) / 2`` and
    ``score = 1 - U / (max_rank n - n (n + 1) / 2)``: 0 when no gene is detected, 1 when the genes are the
    first of the cell (Andreatta and Carmona 2021, doi:10.1016/j.csbj.2021.06.043). Ranks go from the largest
    count down, ties share the mean of their ranks, and no rank is beyond `max_rank`, where
    genes without a count stand: as in pyucell with ``missing_genes="skip"``.

    Parameters
    ----------
    counts
        Cells x genes.
    genes
        Positions of the genes of the sets.
    members
        Genes of the sets x sets: above 0 where a gene is in a set; all genes of a set count alike.
    max_rank
        Rank from which on genes count as equally low; the same for all cells that are compared.

    Returns
    -------
    Cells x sets, from 0 to 1; 0 for a set without genes.
    """
    ranks = rank_genes(counts, genes)
    # what lies between a gene and max_rank; genes without a count add nothing, so they are not stored
    near = np.maximum(max_rank - (ranks.before + 1 + ranks.up_to) / 2, 0)
    shape = (counts.shape[0], len(genes))
    summed = (sparse.csr_matrix((near, ranks.columns, ranks.starts), shape=shape) @ (members > 0)).toarray()
    n = np.asarray((members > 0).sum(axis=0), dtype=np.float64).ravel()
    largest = n * max_rank - n * (n + 1) / 2
    scores: Floats = np.divide(summed, largest, out=np.zeros_like(summed), where=largest > 0)
    return scores


def capped_max_rank(max_rank: int, n_genes: int) -> int:
    """Cap maxRank at the number of genes in the data, as a small panel cannot fill more ranks.

    Parameters
    ----------
    max_rank
        What was asked for.
    n_genes
        The smallest number of genes of the samples, so that all are scored alike.
    """
    return max(1, min(max_rank, n_genes))
