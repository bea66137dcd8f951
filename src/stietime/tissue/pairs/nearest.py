"""How far cells of one type are from the nearest cell of another, against the other cells of the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial import cKDTree

from stietime.tissue.false_discovery import adjusted
from stietime.tissue.graphs.pair_kernels import sort_into_grid
from stietime.tissue.pairs.join_counts import two_sided_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COLUMNS: Final = (
    *("type", "nearest_type", "n_cells", "n_nearest", "n_reached", "median_um", "q25_um", "q75_um"),
    *("share_within", "share_within_others", "median_others_um", "closer", "z", "p", "q", "note"),
)
FEWEST_CELLS: Final = 5
_NEAR_UM: Final = 100.0
NOT_TESTED: Final[dict[str, object]] = {
    **dict.fromkeys(("closer", "z", "p"), float("nan")),
    "note": "not tested: the same type",
}


def nearest_distances(
    positions: Floats,
    codes: NDArray[np.int64],
    n_types: int,
    fields: NDArray[np.integer] | None,
    n_threads: int,
) -> NDArray[np.float32]:
    """Measure how far every cell is from the nearest other cell of each type in its field.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    codes
        Type of every cell, 0 to `n_types` - 1.
    n_types
        Number of types.
    fields
        Field of view of every cell; without it all cells lie in one.
    n_threads
        Threads; the distances do not depend on them.

    Returns
    -------
    Types x cells, micrometres; infinite where the field has no other cell of the type.
    """
    found = np.full((n_types, len(positions)), np.inf, dtype=np.float32)
    fields = np.zeros(len(codes), dtype=np.int64) if fields is None else fields
    # cells that follow each other lie near each other, which is what trees are quick at
    order = sort_into_grid(positions, _NEAR_UM).order
    for field in np.unique(fields):
        here = order[fields[order] == field]
        for code in range(n_types):
            own = codes[here] == code
            if not own.any():
                continue
            tree = cKDTree(positions[here[own]])
            found[code, here[~own]] = tree.query(positions[here[~own]], workers=n_threads)[0]
            # of its own type a cell is the nearest itself
            apart = tree.query(positions[here[own]], k=[2], workers=n_threads)[0][:, 0]
            found[code, here[own]] = apart
    return found


def nearest_table(
    positions: Floats,
    cell_types: pd.Series,
    within_um: float,
    *,
    fields: NDArray[np.integer] | None = None,
    n_threads: int = 1,
) -> pd.DataFrame:
    """Test for every two types whether cells of the one lie closer to the other than other cells do.

    The cells of the second type stay where they are, and the labels of all N other cells are permuted: are
    those of the first type a random draw of them? The distances are ranked, and the sum of the ranks of a of
    the N cells has the exact mean a (N+1)/2 and variance a (N-a) V / (N-1) over permutations, V the variance
    of the ranks, ties included (Wilcoxon 1945, Biometrics 1, 80). Distances within a type are given and not
    tested: `stietime.tissue.pairs.neighbourhoods` does.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    cell_types
        Type of every cell.
    within_um
        The distance that shares are given for, micrometres.
    fields
        Field of view of every cell; without it all cells lie in one.
    n_threads
        Threads; the table does not depend on them.

    Returns
    -------
    One row for each ordered pair of types: `COLUMNS`. `closer` is the probability that a cell of the type is
    closer to the nearest cell of `nearest_type` than another cell is (0.5 by chance; the area under the
    curve), `others` are all cells but those of `nearest_type`.
    """
    types, codes = np.unique(cell_types.to_numpy(dtype=str), return_inverse=True)
    n_cells = np.bincount(codes)
    distances = nearest_distances(positions, codes, len(types), fields, n_threads)
    by_type = np.split(np.argsort(codes, kind="stable"), np.cumsum(n_cells)[:-1])
    rows = []
    for b, apart in enumerate(distances):
        others = codes != b
        ranks, place = stats.rankdata(apart[others]), np.full(len(codes), np.nan)
        place[others] = ranks
        spread = float(ranks.var()) if len(ranks) else 0.0
        beside = _distances_of(apart[others], within_um)
        told = {"share_within_others": beside["share_within"], "median_others_um": beside["median_um"]}
        for a, cells in enumerate(by_type):
            row = {"type": types[a], "nearest_type": types[b], "n_cells": len(cells), "n_nearest": n_cells[b]}
            compared = _compared(place[cells], spread, len(ranks)) if a != b else NOT_TESTED
            rows.append({**row, **told, **_distances_of(apart[cells], within_um), **compared})
    table = pd.DataFrame(rows)
    table["q"] = adjusted(table["p"])
    return table[list(COLUMNS)]


def _distances_of(apart: NDArray[np.float32], within_um: float) -> dict[str, object]:
    finite = apart[np.isfinite(apart)].astype(float)
    low, middle, high = np.quantile(finite, (0.25, 0.5, 0.75)) if len(finite) else np.full(3, np.nan)
    share = float((apart <= within_um).mean()) if len(apart) else float("nan")
    found = {"n_reached": len(finite), "q25_um": low, "median_um": middle, "q75_um": high}
    return {**found, "share_within": share}


def _compared(ranks: Floats, spread: float, n: int) -> dict[str, object]:
    """Compare the ranks of some cells with those of all n that they are drawn from."""
    a = len(ranks)
    if n <= a or not spread:
        return NOT_TESTED | {"note": "not testable: there is nothing to compare with"}
    if a < FEWEST_CELLS:
        return NOT_TESTED | {"note": f"not testable: fewer than {FEWEST_CELLS} cells of the type"}
    excess = float(ranks.sum()) - a * (n + 1) / 2
    z = excess / np.sqrt(a * (n - a) * spread / (n - 1))
    return {"closer": 0.5 - excess / (a * (n - a)), "z": -z, "p": float(two_sided_p(z)), "note": ""}
