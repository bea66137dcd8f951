"""Co-occurrence of cell types by distance."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from stietime.tissue.graph import check_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COLUMNS = ("type_a", "type_b", "distance_um", "n_pairs", "ratio")


def count_pairs_within(
    positions: NDArray[np.float64], codes: NDArray[np.integer], n_types: int, distances_um: Sequence[float]
) -> NDArray[np.int64]:
    """Count the pairs of cells within each distance by their types, with one tree per type.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    codes
        Type of every cell, 0 to `n_types` - 1; every type occurs.
    n_types
        Number of types.
    distances_um
        Increasing distances, micrometres; a pair at exactly a distance is within it.

    Returns
    -------
    Types x types x distances, symmetric in the types; ordered pairs, so a pair within a type counts twice.
    """
    trees = [cKDTree(positions[codes == code]) for code in range(n_types)]
    counts = np.zeros((n_types, n_types, len(distances_um)), dtype=np.int64)
    for a, b in combinations_with_replacement(range(n_types), 2):
        within = trees[a].count_neighbors(trees[b], np.asarray(distances_um, dtype=float))
        # a cell is no neighbour of itself
        counts[a, b] = counts[b, a] = within - (trees[a].n if a == b else 0)
    return counts


def co_occurrence(
    positions: NDArray[np.float64], cell_types: pd.Series, distances_um: Sequence[float]
) -> pd.DataFrame:
    """Compute how much more often two types occur within a distance of each other than any type does.

    ratio(a, b, d) = p(a | a cell of type b within d) / p(a within d) = N_ab(d) N(d) / (N_a(d) N_b(d)), where
    N_ab counts ordered pairs within d, N_a pairs with one end of type a, and N all. It is symmetric, 1 by
    chance, and the definition of squidpy 1.8 (`squidpy.gr.co_occurrence`; Tosti et al. 2021,
    Gastroenterology 160, 1330). Distances are cumulative: within d, not around d.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    cell_types
        Type of every cell.
    distances_um
        Increasing distances, micrometres.

    Returns
    -------
    One row for each unordered pair of types that occur and each distance: `COLUMNS`. `n_pairs` is the number
    of pairs of cells; `ratio` is empty where a type has no cell within the distance of any other.

    Raises
    ------
    InputError
        See `stietime.tissue.graph.check_positions`.
    """
    check_positions(positions)
    types, codes = np.unique(cell_types.to_numpy(dtype=str), return_inverse=True)
    counts = count_pairs_within(positions, codes, len(types), distances_um)
    ends = counts.sum(axis=0)
    total = ends.sum(axis=0)
    by_chance = ends[:, None, :] * (ends[None, :, :] / np.maximum(total, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(by_chance > 0, counts / by_chance, np.nan)
    a, b = np.triu_indices(len(types))
    n_pairs = counts[a, b] // np.where(a == b, 2, 1)[:, None]
    n_distances = len(distances_um)
    table = {
        "type_a": np.repeat(types[a], n_distances),
        "type_b": np.repeat(types[b], n_distances),
        "distance_um": np.tile(np.asarray(distances_um, dtype=float), len(a)),
        "n_pairs": n_pairs.ravel(),
        "ratio": ratio[a, b].ravel(),
    }
    return pd.DataFrame(table)[list(COLUMNS)]
