"""Normalisation to a common depth; zeros stay zeros, so sparse matrices stay sparse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.cells.cell_sums import totals

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

TARGET_COUNTS: Final = 1e4


def depth_factors(cell_totals: NDArray[np.float64], *, target: float = TARGET_COUNTS) -> NDArray[np.float32]:
    """Say what the counts of each cell are multiplied by to bring it to a common depth; 0 without counts.

    Parameters
    ----------
    cell_totals
        Counts of each cell over all genes.
    target
        Counts of every cell after scaling.
    """
    factors = np.divide(target, cell_totals, out=np.zeros_like(cell_totals), where=cell_totals > 0)
    return factors.astype(np.float32)


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
    factors = depth_factors(totals(counts) if cell_totals is None else cell_totals, target=target)
    scaled = counts.astype(np.float32, copy=True)
    scaled.data *= np.repeat(factors, np.diff(counts.indptr))
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
