"""How far cells of one type are from the nearest cell of another, against the other cells of the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial import cKDTree

from stietime.tissue.join_counts import two_sided_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COLUMNS: Final = (
    *("type", "nearest_type", "n_cells", "n_nearest", "n_reached", "median_um", "q25_um", "q75_um"),
    *("share_within", "share_within_others", "median_others_um", "closer", "z", "p", "q", "note"),
)
FEWEST_CELLS: Final = 5


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
    for field in np.unique(fields):
        here = np.flatnonzero(fields == field)
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
    tested: `stietime.tissue.neighbourhoods` does.

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
    curve), `others` are the cells of neither type.
    """
    types, codes = np.unique(cell_types.to_numpy(dtype=str), return_inverse=True)
    n_cells = np.bincount(codes)
    distances = nearest_distances(positions, codes, len(types), fields, n_threads)
    rows = []
    for b, apart in enumerate(distances):
        others = np.flatnonzero(codes != b)
        ranks = stats.rankdata(apart[others])
        spread = float(ranks.var()) if len(ranks) else 0.0
        by_type = np.split(np.argsort(codes, kind="stable"), np.cumsum(n_cells)[:-1])
        place = np.full(len(codes), np.nan)
        place[others] = ranks
        for a, cells in enumerate(by_type):
            row = _distances_of(apart[cells], within_um)
            row |= {
                "type": types[a],
                "nearest_type": types[b],
                "n_cells": len(cells),
                "n_nearest": n_cells[b],
            }
            rest = others[codes[others] != a] if a != b else others[:0]
            rows.append(
                row | _compared(place[cells], spread, len(others), apart[rest], within_um, same=a == b)
            )
    table = pd.DataFrame(rows)
    table["q"] = np.nan
    tested = table["p"].notna()
    if tested.any():
        table.loc[tested, "q"] = stats.false_discovery_control(table.loc[tested, "p"])
    return table[list(COLUMNS)]


def _distances_of(apart: NDArray[np.float32], within_um: float) -> dict[str, object]:
    reached = np.isfinite(apart)
    low, middle, high = np.full(3, np.nan)
    if reached.any():
        low, middle, high = np.quantile(apart[reached].astype(float), (0.25, 0.5, 0.75))
    share = float((apart <= within_um).mean())
    found = {"n_reached": int(reached.sum()), "q25_um": low, "median_um": middle, "q75_um": high}
    return {**found, "share_within": share}


def _compared(
    ranks: Floats, spread: float, n: int, rest: NDArray[np.float32], within_um: float, *, same: bool
) -> dict[str, object]:
    """Compare the ranks of some cells with those of all that they are drawn from."""
    a, finite = len(ranks), rest[np.isfinite(rest)]
    row: dict[str, object] = dict.fromkeys(
        ("share_within_others", "median_others_um", "closer", "z", "p"), float("nan")
    )
    if len(rest):
        row["share_within_others"] = float((rest <= within_um).mean())
        row["median_others_um"] = float(np.median(finite)) if len(finite) else float("nan")
    if same:
        return row | {"note": "not tested: the same type"}
    if n <= a or not spread:
        return row | {"note": "not testable: there is nothing to compare with"}
    if a < FEWEST_CELLS:
        return row | {"note": f"not testable: fewer than {FEWEST_CELLS} cells of the type"}
    excess = float(ranks.sum()) - a * (n + 1) / 2
    z = excess / np.sqrt(a * (n - a) * spread / (n - 1))
    return row | {"closer": 0.5 - excess / (a * (n - a)), "z": -z, "p": float(two_sided_p(z)), "note": ""}
