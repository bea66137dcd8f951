"""Counts without ambient RNA, by the subtraction of SoupX; nothing but the user's own analysis needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def subtract_ambient(counts: sparse.csr_matrix, profile: Floats, contamination: float) -> sparse.csr_matrix:
    """Take the expected ambient counts off every cell.

    Of a cell of n counts x, ``min(x_g, a s_g)`` is taken off each gene g, with `a` such that the whole is
    ``contamination x n`` (Young & Behjati, GigaScience 2020; `adjustCounts`, method `subtraction`): a gene
    never falls below 0, and what it cannot give is taken off the other genes, by their ambient share s.

    Parameters
    ----------
    counts
        Cells x genes.
    profile
        Ambient share of each gene; need not sum to 1.
    contamination
        Share of the cells' counts that is ambient RNA, 0 to 1.

    Returns
    -------
    Cells x genes, float32, none negative, no stored zeros. Where the genes of the profile hold fewer counts
    than are to be taken off, all of theirs are.

    Raises
    ------
    ValueError
        The contamination is not between 0 and 1, or the profile has another length or negative values.
    """
    if not 0 <= contamination <= 1:
        msg = f"contamination is {contamination}, not between 0 and 1"
        raise ValueError(msg)
    if len(profile) != counts.shape[1] or np.any(np.asarray(profile) < 0):
        msg = f"profile has {len(profile)} values for {counts.shape[1]} genes, or negative ones"
        raise ValueError(msg)
    corrected = sparse.csr_matrix(counts, dtype=np.float64, copy=True)
    share = np.asarray(profile, dtype=np.float64)
    for start, end in zip(corrected.indptr[:-1], corrected.indptr[1:], strict=True):
        values = corrected.data[start:end]
        taken = _allocate(contamination * values.sum(), values, share[corrected.indices[start:end]])
        corrected.data[start:end] = np.maximum(values - taken, 0)
    corrected.data[corrected.data < 1e-9] = 0  # what rounding leaves of a gene that is used up
    corrected.eliminate_zeros()
    return corrected.astype(np.float32)


def _allocate(target: float, limits: Floats, weights: Floats) -> Floats:
    """Spread a target over genes by weight, none beyond its limit: ``min(limit, a weight)``."""
    able = np.flatnonzero(weights > 0)
    if target <= 0 or not len(able):
        return np.zeros(len(limits))
    if target >= limits[able].sum():
        return np.where(weights > 0, limits, 0)
    full_at = limits[able] / weights[able]  # the a at which a gene is used up
    order = np.argsort(full_at, kind="stable")
    limit, weight = limits[able][order], weights[able][order]
    used_up = np.cumsum(limit) - limit  # by the genes before
    left = np.cumsum(weight[::-1])[::-1]  # weight of this gene and those after
    reached = used_up + full_at[order] * left  # taken off in all when this gene is used up
    k = int(np.searchsorted(reached, target))
    factor = (target - used_up[k]) / left[k]
    return np.asarray(np.minimum(limits, factor * weights))
