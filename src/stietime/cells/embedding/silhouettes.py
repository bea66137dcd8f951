"""Silhouette widths of cell types and of batches within cell types, from one pass over all distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Codes = NDArray[np.int64]

# cells whose distances to all cells are held at once
BLOCK: Final = 500


def silhouettes(points: Vector, types: pd.Series, batches: pd.Series) -> pd.DataFrame:
    """Compute the silhouette width of each cell's type, and of its batch among the cells of its type.

    The width is (b - a) / max(a, b), with a the mean Euclidean distance to the other cells of the group and b
    the smallest mean distance to the cells of another group (Rousseeuw 1987); 0 for a group of one cell.
    Memory is that of 500 rows of distances.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    types, batches
        Type and batch of each cell; cells without a type are left out.

    Returns
    -------
    Columns `type` and `batch`, one row per cell. The type's is nan where there is one type; the batch's
    where the type is of one batch, or where each of its cells has a batch of its own; both where a cell has
    no type.
    """
    found = pd.DataFrame(np.nan, index=np.arange(len(points)), columns=["type", "batch"])
    labelled = np.flatnonzero(types.notna().to_numpy())
    if not len(labelled):
        return found
    type_codes, type_values = pd.factorize(types.to_numpy()[labelled])
    batch_codes, batch_values = pd.factorize(batches.to_numpy()[labelled], use_na_sentinel=False)
    pairs, groups = np.unique(type_codes * len(batch_values) + batch_codes, return_inverse=True)
    sums = _distances_to_groups(points[labelled], groups, len(pairs))
    type_of_group = pairs // len(batch_values)
    if len(type_values) > 1:
        by_type = np.add.reduceat(sums, np.flatnonzero(np.diff(type_of_group, prepend=-1)), axis=1)
        found.loc[labelled, "type"] = _widths(by_type, type_codes.astype(np.int64))
    for code in range(len(type_values)):
        rows, own = np.flatnonzero(type_codes == code), np.flatnonzero(type_of_group == code)
        if 1 < len(own) < len(rows):
            widths = _widths(sums[np.ix_(rows, own)], groups[rows] - own[0])
            found.loc[labelled[rows], "batch"] = widths
    return found


def _distances_to_groups(points: Vector, groups: Codes, n_groups: int) -> Vector:
    """Sum the distances of each cell to the cells of each group, cells x groups."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(n_groups))
    centred = np.asarray(points - points.mean(axis=0), dtype=np.float64)
    columns = centred[order]
    squares = (columns**2).sum(axis=1)
    sums = np.empty((len(points), n_groups))
    place = np.empty(len(points), dtype=np.int64)
    place[order] = np.arange(len(points))
    for start in range(0, len(points), BLOCK):
        block = centred[start : start + BLOCK]
        distances = block @ columns.T
        distances *= -2
        distances += squares
        distances += (block**2).sum(axis=1)[:, None]
        # rounding leaves a cell a little off itself
        distances[np.arange(len(block)), place[start : start + BLOCK]] = 0
        np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
        sums[start : start + BLOCK] = np.add.reduceat(distances, starts, axis=1)
    return sums


def _widths(sums: Vector, own: Codes) -> Vector:
    """Give the widths of cells from their summed distances to groups that hold these cells and no others."""
    sizes = np.bincount(own, minlength=sums.shape[1])
    rows = np.arange(len(own))
    alone = sizes[own] == 1
    inner = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    outer = means.min(axis=1)
    larger = np.maximum(inner, outer)
    return np.where(alone | (larger == 0), 0.0, (outer - inner) / np.where(larger == 0, 1.0, larger))
