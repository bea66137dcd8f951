"""AUCell: the part of a set's genes among the first of each cell, the first ones counting most.

A score depends on nothing but the cell's own counts, and on which genes are in the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from stietime.cells.scores.tied_ranks import rank_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def score_by_recovery(
    counts: sparse.csr_matrix, genes: NDArray[np.intp], members: sparse.csr_matrix, share: float
) -> Floats:
    """Score sets of genes with AUCell (Aibar et al., Nature Methods 2017, doi:10.1038/nmeth.4463).

    Genes of a cell are ranked from the largest count down. With ``T`` the first `share` of all genes, a gene
    of rank ``r`` adds ``max(T - r, 0)``, the area below its step of the recovery curve; the sum is divided by
    that of a set whose genes are the first of the cell. AUCell breaks ties by chance, here a gene adds what
    it does on average over all orders of its ties; genes without a count are tied as well.

    Parameters
    ----------
    counts
        Cells x genes, with all genes of the data.
    genes
        Positions of the genes of the sets.
    members
        Genes of the sets x sets: above 0 where a gene is in a set; all genes of a set count alike.
    share
        Share of all genes that counts as the first ones (AUCell's `aucMaxRank`, 0.05 by default).

    Returns
    -------
    Cells x sets, from 0 to 1; 0 for a set without genes.
    """
    n_genes = counts.shape[1]
    n_first = int(np.ceil(share * n_genes))
    ranks = rank_genes(counts, genes)
    own = _mean_area(ranks.before, ranks.up_to, n_first)
    unseen = _mean_area(ranks.n_shown, np.full(len(ranks.n_shown), n_genes), n_first)
    own -= np.repeat(unseen, np.diff(ranks.starts))
    stored = sparse.csr_matrix((own, ranks.columns, ranks.starts), shape=(counts.shape[0], len(genes)))
    of_sets = (members > 0).astype(np.float64)
    n = np.asarray(of_sets.sum(axis=0)).ravel()
    areas = (stored @ of_sets).toarray() + np.outer(unseen, n)
    places = np.minimum(n, max(n_first - 1, 0))
    largest = places * n_first - places * (places + 1) / 2
    scores: Floats = np.divide(areas, largest, out=np.zeros_like(areas), where=largest > 0)
    return scores


def _mean_area(before: NDArray[np.integer], up_to: NDArray[np.integer], n_first: int) -> Floats:
    """Give the mean of max(n_first - r, 0) over the ranks r = before + 1 to up_to."""
    last = np.minimum(up_to, n_first)
    n = np.maximum(last - before, 0).astype(np.float64)
    area = n * (n_first - (before + 1 + last) / 2)
    mean: Floats = np.divide(area, up_to - before, out=np.zeros(len(area)), where=up_to > before)
    return mean
