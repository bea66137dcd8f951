"""Normalisation to a common depth; zeros stay zeros, so sparse matrices stay sparse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

TARGET_COUNTS: Final = 1e4


def totals(counts: csr_matrix) -> NDArray[np.float64]:
    """Sum the counts of each cell.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    """
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def scale_to_depth(
    counts: csr_matrix, *, target: float = TARGET_COUNTS, cell_totals: NDArray[np.float64] | None = None
) -> csr_matrix:
    """Scale every cell to the same number of counts.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    target
        Counts of every cell after scaling.
    cell_totals
        Counts of each cell over all genes, where `counts` holds only some genes; by default the sums of the
        rows.

    Returns
    -------
    Scaled counts, float32, same sparsity; a cell without counts stays empty.
    """
    sums = totals(counts) if cell_totals is None else cell_totals
    factors = np.divide(target, sums, out=np.zeros_like(sums), where=sums > 0)
    scaled = counts.astype(np.float32, copy=True)
    scaled.data *= np.repeat(factors, np.diff(counts.indptr)).astype(np.float32)
    return scaled


def log_normalise(
    counts: csr_matrix, *, target: float = TARGET_COUNTS, cell_totals: NDArray[np.float64] | None = None
) -> csr_matrix:
    """Scale every cell to the same number of counts and take log(1 + x).

    Parameters
    ----------
    counts, target, cell_totals
        As in `scale_to_depth`.

    Returns
    -------
    Log-normalised expression (natural logarithm), float32, same sparsity.
    """
    scaled = scale_to_depth(counts, target=target, cell_totals=cell_totals)
    np.log1p(scaled.data, out=scaled.data)
    return scaled
