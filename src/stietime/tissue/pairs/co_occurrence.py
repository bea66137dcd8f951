"""Co-occurrence of cell types by distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.tissue.graphs.graph import check_positions
from stietime.tissue.graphs.pair_kernels import PairCounts, count_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COLUMNS: Final = ("type_a", "type_b", "distance_um", "n_pairs", "ratio")


def count_pairs_of_types(
    positions: NDArray[np.floating],
    cell_types: pd.Series,
    distances_um: Sequence[float] | NDArray[np.float64],
    *,
    fields: NDArray[np.integer] | None = None,
    n_threads: int = 1,
) -> tuple[NDArray[np.str_], PairCounts]:
    """Count the pairs of cells by types and distance, never across fields of view.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    cell_types
        Type of every cell.
    distances_um
        Increasing distances, micrometres, above 0.
    fields
        Field of view of every cell, 0 and up; without it all cells lie in one.
    n_threads
        Threads; the counts do not depend on them.

    Returns
    -------
    The types, and the counts with the types in their order.

    Raises
    ------
    InputError
        See `stietime.tissue.graphs.graph.check_positions`.
    """
    check_positions(positions)
    types, codes = np.unique(cell_types.to_numpy(dtype=str), return_inverse=True)
    steps = np.asarray(distances_um, dtype=np.float64)
    fields = np.zeros(len(codes), dtype=np.int64) if fields is None else fields
    parts = [fields == field for field in np.unique(fields)]
    counts = [count_pairs(positions[part], codes[part], len(types), steps, n_threads) for part in parts]
    return types, PairCounts(*(np.sum(field, axis=0) for field in zip(*counts, strict=True)))


def co_occurrence(
    positions: NDArray[np.floating],
    cell_types: pd.Series,
    distances_um: Sequence[float] | NDArray[np.float64],
    *,
    fields: NDArray[np.integer] | None = None,
    n_threads: int = 1,
) -> pd.DataFrame:
    """Compute how much more often two types occur within a distance of each other than any type does.

    Parameters
    ----------
    positions, cell_types, distances_um, fields, n_threads
        See `count_pairs_of_types`.

    Returns
    -------
    See `co_occurrence_table`.

    Raises
    ------
    InputError
        See `stietime.tissue.graphs.graph.check_positions`.
    """
    types, counts = count_pairs_of_types(
        positions, cell_types, distances_um, fields=fields, n_threads=n_threads
    )
    return co_occurrence_table(types, counts, np.asarray(distances_um, dtype=np.float64))


def co_occurrence_table(
    types: NDArray[np.str_], counts: PairCounts, distances_um: NDArray[np.float64]
) -> pd.DataFrame:
    """Set co-occurrence as a table.

    ratio(a, b, d) = p(a | a cell of type b within d) / p(a within d) = N_ab(d) N(d) / (N_a(d) N_b(d)), where
    N_ab counts ordered pairs within d, N_a pairs with one end of type a, and N all. It is symmetric, 1 by
    chance, and the definition of squidpy 1.8 (`squidpy.gr.co_occurrence`; Tosti et al. 2021,
    Gastroenterology 160, 1330). Distances are cumulative: within d, not around d.

    Parameters
    ----------
    types
        Names of the types.
    counts
        Pairs by types and step of distance.
    distances_um
        The distances, micrometres.

    Returns
    -------
    One row for each unordered pair of types that occur and each distance: `COLUMNS`. `n_pairs` is the number
    of pairs of cells; `ratio` is empty where a type has no cell within the distance of any other.
    """
    within = counts.counts.cumsum(axis=2)
    ends = within.sum(axis=0)
    total = ends.sum(axis=0)
    by_chance = ends[:, None, :] * (ends[None, :, :] / np.maximum(total, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(by_chance > 0, within / by_chance, np.nan)
    a, b = np.triu_indices(len(types))
    n_pairs = within[a, b] // np.where(a == b, 2, 1)[:, None]
    table = {
        "type_a": np.repeat(types[a], len(distances_um)),
        "type_b": np.repeat(types[b], len(distances_um)),
        "distance_um": np.tile(distances_um, len(a)),
        "n_pairs": n_pairs.ravel(),
        "ratio": ratio[a, b].ravel(),
    }
    return pd.DataFrame(table)[list(COLUMNS)]
