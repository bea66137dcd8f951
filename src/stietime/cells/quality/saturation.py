"""How much of what each cell expresses was seen: the saturation of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime.cells.cell_sums import totals

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


def coverage(counts: csr_matrix) -> NDArray[np.float64]:
    """Estimate for each cell the share of its transcripts that belong to genes which were seen.

    Good's coverage: ``1 - genes with one count / counts`` (Good, Biometrika 1953). It is the probability
    that one more count of the cell would be of a gene that was seen already.

    Parameters
    ----------
    counts
        Counts, cells x genes.

    Returns
    -------
    0 to 1 per cell; nan in a cell without counts.
    """
    cell_totals = totals(counts)
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    singletons = np.bincount(rows[counts.data == 1], minlength=counts.shape[0])
    missed = np.divide(singletons, cell_totals, out=np.full(len(cell_totals), np.nan), where=cell_totals > 0)
    return np.asarray(1 - missed)


def saturation(counts: csr_matrix) -> float:
    """Estimate the saturation of a sample: the median coverage of its cells.

    The reads behind each count are not in a count matrix, so that this says how deeply the cells' RNA was
    sampled, not how often each molecule was sequenced, which CellRanger calls sequencing saturation.

    Parameters
    ----------
    counts
        Counts of the kept cells, cells x genes.

    Returns
    -------
    0 to 1; nan without counts.
    """
    found = coverage(counts)
    return float(np.nanmedian(found)) if np.isfinite(found).any() else float("nan")
