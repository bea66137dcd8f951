"""A draw of cells that is spread evenly over clusters and samples, the same in whatever order cells come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_PER_CLUSTER: Final = 200  # cells of a small cluster that are drawn, or all it has
_ROUNDS: Final = 60


def draw_evenly(
    cells: pd.Index, clusters: pd.Series, samples: pd.Series, *, max_cells: int, seed: int = 1
) -> NDArray[np.intp]:
    """Draw cells in proportion to their cluster and sample, small clusters more densely.

    Each cluster gives the same share of its cells, at least 200 or all it has. Within a cluster the cells
    are ordered by sample and by a hash of their names, and every so manieth is taken, so that each sample
    has its part to within one cell.

    Parameters
    ----------
    cells
        Names of the cells.
    clusters, samples
        Cluster and sample of each cell.
    max_cells
        Number of cells to draw; all are taken when there are no more.
    seed
        Key of the hash.

    Returns
    -------
    Positions of the drawn cells, ascending.
    """
    if len(cells) <= max_cells:
        return np.arange(len(cells))
    names = np.asarray(cells, dtype=object)
    codes, found = pd.factorize(np.asarray(clusters, dtype=object), sort=True)
    sample_codes, _ = pd.factorize(np.asarray(samples, dtype=object), sort=True)
    noise = pd.util.hash_array(names, hash_key=f"{seed:016d}"[-16:], categorize=False)
    order = np.lexsort((noise, sample_codes, codes))
    sizes = np.bincount(codes, minlength=len(found))
    quotas = _quotas(sizes, max_cells)
    starts = np.cumsum(sizes) - sizes
    taken = [
        start + ((np.arange(quota) + 0.5) * size / quota).astype(np.int64)
        for start, size, quota in zip(starts, sizes, quotas, strict=True)
        if quota
    ]
    return np.sort(order[np.concatenate(taken)])


def _quotas(sizes: NDArray[np.int64], max_cells: int) -> NDArray[np.int64]:
    """Give each cluster its number of cells: the same share of all, but no cluster fewer than the least."""
    least = np.minimum(sizes, min(MIN_PER_CLUSTER, max_cells // len(sizes)))
    low, high = 0.0, 1.0
    for _ in range(_ROUNDS):
        share = (low + high) / 2
        total = np.maximum(least, np.floor(share * sizes)).sum()
        low, high = (share, high) if total <= max_cells else (low, share)
    return np.maximum(least, np.floor(low * sizes)).astype(np.int64)
