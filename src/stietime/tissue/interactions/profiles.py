"""How an interaction depends on the distance between sender and receiver, bin by bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.tissue.interactions.cells import means_of
from stietime.tissue.interactions.clear import clear
from stietime.tissue.interactions.permuted_sums import Spread, permuted_sums, ratio_interval
from stietime.tissue.interactions.section import ALL, Senders, Tissue, total_by_type
from stietime.tissue.interactions.sums_around import sums_around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PROFILE_COLUMNS: Final = (
    *("axis", "ligand", "receptor", "type_a", "type_b", "from_um", "to_um", "n_pairs", "observed"),
    *("expected", "log2_ratio", "ci_low", "ci_high", "z", "p"),
)


def chosen_rows(table: pd.DataFrame, alpha: float, most: int = 100) -> pd.DataFrame:
    """Choose the rows whose profiles are worth a look: all cells together, and the clear ones.

    Parameters
    ----------
    table
        As `interactions` gives it.
    alpha
        Level of q_spatial of the clear ones.
    most
        At most as many clear rows, those with the smallest p_spatial.
    """
    tested = table[table["p"].notna()]
    whole = (tested["type_a"] == ALL) & (tested["type_b"] == ALL)
    sure = tested[clear(tested, alpha) & ~whole]
    best = sure.sort_values("p_spatial", kind="stable").index[:most]
    return tested.loc[[*tested.index[whole], *best]]


def profiles(
    tissue: Tissue,
    rows: pd.DataFrame,
    expression: Callable[[str], Floats],
    distances_um: Floats,
    how: Senders,
) -> pd.DataFrame:
    """Compare observed with expected bin by bin of distance, for chosen rows of `interactions`.

    Parameters
    ----------
    tissue, expression, how
        As in `interactions`.
    rows
        Rows of its table.
    distances_um
        Upper ends of the bins, micrometres.

    Returns
    -------
    `PROFILE_COLUMNS`, one row per row and bin; p is for this bin alone.
    """
    parts = list(_profiles(tissue, rows, expression, distances_um, how))
    empty = pd.DataFrame(columns=list(PROFILE_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(PROFILE_COLUMNS)] if parts else empty


def _profiles(
    tissue: Tissue, rows: pd.DataFrame, expression: Callable[[str], Floats], ends: Floats, how: Senders
) -> Iterator[pd.DataFrame]:
    place = {name: code for code, name in enumerate(tissue.names)}
    values = {name: expression(name) for name in dict.fromkeys(rows["ligand"])}
    for name, of_type in rows.groupby("type_b", sort=False):
        group = np.where((tissue.codes == place[str(name)]) | (name == ALL), 0, -1)
        one = np.ones(len(group))
        near = sums_around(tissue.positions, one, group, 1, ends, how.n_threads)[:, 0]
        n_pairs = total_by_type(near, tissue)
        for receptor, of_both in of_type.groupby("receptor", sort=False):
            heard = expression(str(receptor))
            sums = sums_around(tissue.positions, heard, group, 1, ends, how.n_threads)[:, 0]
            spread = Spread.of(sums, tissue.levels)
            for row in of_both.to_dict("records"):
                own = values[row["ligand"]]
                found = permuted_sums(own, sums, tissue.levels, spread)
                low, high = ratio_interval(own, sums, tissue.levels, found, tissue.blocks)
                a, b = np.full(len(ends), place[row["type_a"]]), np.arange(len(ends))
                kept = {key: row[key] for key in PROFILE_COLUMNS[:5]}
                shown = {"ci_low": low[a, b], "ci_high": high[a, b], "z": found.z[a, b], "p": found.p[a, b]}
                bins = {"from_um": np.concatenate([[0.0], ends[:-1]]), "to_um": ends}
                means = means_of(found, n_pairs, a, b)
                n = n_pairs[a, b].astype(np.int64)
                yield pd.DataFrame({**kept, **bins, "n_pairs": n, **means, **shown})
