"""T cells divided into CD4 and CD8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import expit

from stietime.cells.types.naive_bayes import background_shares, group_by_depth, learn_profiles, log_likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.types.naive_bayes import Depths

    Floats = NDArray[np.float64]

_ROUNDS: Final = 50
_TOLERANCE: Final = 1e-3
_START: Final = {"cd8": 0.95, "cd4": 0.05, "neither": 0.3}


def cd8_probability(
    counts: csr_matrix,
    totals: Floats,
    genes: pd.Index,
    cd4_genes: Sequence[str],
    cd8_genes: Sequence[str],
    *,
    n_threads: int = 1,
) -> Floats:
    """Probability that a T cell is CD8 rather than CD4.

    CD4 mRNA drops out, so an absent gene says little of one cell. First a mixture of two classes is fitted by
    expectation maximisation to the genes that define them alone; then the profile of each class over all
    marker genes is learned once from it, and each cell is judged by both. Learning all genes from the start
    would drift to the strongest axis of T cells, which is naive against cytotoxic.

    Parameters
    ----------
    counts
        T cells x marker genes.
    totals
        Counts of each cell over all genes.
    genes
        Gene symbols of the columns.
    cd4_genes, cd8_genes
        Genes that define the two.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    One probability per cell; nan for all when no defining gene of one of the two is in the data.
    """
    first, second = genes.isin(list(cd4_genes)), genes.isin(list(cd8_genes))
    if not (first.any() and second.any()) or counts.shape[0] == 0:
        return np.full(counts.shape[0], np.nan)
    depths = group_by_depth(totals)
    cd8 = _fit_mixture(counts[:, first | second], totals, _start(counts, first, second), depths, n_threads)
    odds = np.log(cd8.mean() / (1 - cd8.mean()))
    profiles = learn_profiles(counts, totals, _classes(cd8), background_shares(counts, totals))
    likelihood = log_likelihood(counts, totals, profiles, depths, n_threads=n_threads)
    probability: Floats = expit(odds + likelihood[:, 1] - likelihood[:, 0])
    return probability


def _classes(cd8: Floats) -> Floats:
    return np.column_stack([1 - cd8, cd8])


def _start(counts: csr_matrix, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Floats:
    shows_cd4 = np.asarray(counts[:, first].sum(axis=1)).ravel() > 0
    shows_cd8 = np.asarray(counts[:, second].sum(axis=1)).ravel() > 0
    only_cd8, only_cd4 = shows_cd8 & ~shows_cd4, shows_cd4 & ~shows_cd8
    return np.select([only_cd8, only_cd4], [_START["cd8"], _START["cd4"]], _START["neither"])


def _fit_mixture(counts: csr_matrix, totals: Floats, cd8: Floats, depths: Depths, n_threads: int) -> Floats:
    background = background_shares(counts, totals)
    for _ in range(_ROUNDS):
        profiles = learn_profiles(counts, totals, _classes(cd8), background)
        likelihood = log_likelihood(counts, totals, profiles, depths, n_threads=n_threads)
        share = np.clip(cd8.mean(), 1e-3, 1 - 1e-3)
        updated = expit(np.log(share / (1 - share)) + likelihood[:, 1] - likelihood[:, 0])
        change = np.abs(updated - cd8).max()
        cd8 = updated
        if change < _TOLERANCE:
            break
    return np.clip(cd8, 1e-6, 1 - 1e-6)
