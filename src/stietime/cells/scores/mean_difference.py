"""Mean expression of a set's genes, less that of genes which are expressed as strongly in the same sample.

Unlike a score by ranks this one depends on the other cells of the sample, by which controls are matched; it
does not depend on other samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DECIMALS: Final = 9  # sums over cells in another order differ beyond


def match_controls(
    means: Floats, genes: pd.Index, members: sparse.csr_matrix, n_controls: int
) -> sparse.csr_matrix:
    """Weigh all genes for the score of each set: its genes above 0, their controls below.

    The controls of a gene are the `n_controls` genes outside of the set that come next to it in the order of
    mean expression, half of them before it and half behind; the same gene may stand for several. Random
    controls (Tirosh et al., Science 2016) have these as their expectation.

    Parameters
    ----------
    means
        Mean log-normalised expression of each gene in the cells of a sample.
    genes
        Gene symbols, by which genes of equal expression are ordered.
    members
        Genes x sets: the weight of a gene in a set, 0 where it is in none.
    n_controls
        Controls of each gene; fewer where there are not as many genes outside of the set.

    Returns
    -------
    Genes x sets; the weights of a set's genes sum to 1, those of its controls to -1. A set without genes, or
    with all genes, has no weights.
    """
    order = np.lexsort([genes.to_numpy(dtype=str), np.round(means, DECIMALS)])
    place = np.argsort(order)
    columns = []
    for column in members.tocsc().T.tocsr():
        own, weights = column.indices, column.data / max(column.data.sum(), 1e-12)
        outside = np.ones(len(genes), dtype=bool)
        outside[place[own]] = False
        columns.append(_weights_of_set(order[outside], outside, place[own], own, weights, n_controls))
    return sparse.csr_matrix(np.column_stack(columns) if columns else np.zeros((len(genes), 0)))


def _weights_of_set(
    candidates: NDArray[np.intp],
    outside: NDArray[np.bool_],
    places: NDArray[np.intp],
    own: NDArray[np.integer],
    weights: Floats,
    n_controls: int,
) -> Floats:
    """Weigh the genes of one set and their controls, chosen among `candidates`, which are in order."""
    found = np.zeros(len(outside))
    n = min(n_controls, len(candidates))
    if not n or not len(own):
        return found
    n_lower = np.cumsum(outside)[places]
    first = np.clip(n_lower - n // 2, 0, len(candidates) - n)
    for start, weight in zip(first, weights, strict=True):
        found[candidates[start : start + n]] -= weight / n
    found[own] += weights
    return found


def score_by_controls(expression: sparse.csr_matrix, weights: sparse.csr_matrix) -> Floats:
    """Score sets in the cells of a sample.

    Parameters
    ----------
    expression
        Log-normalised expression, cells x genes.
    weights
        Genes x sets, from `match_controls` for the same sample.

    Returns
    -------
    Cells x sets, in natural logarithms of counts per 10,000.
    """
    return np.asarray((expression @ weights).toarray(), dtype=np.float64)
