"""How much the scores of a set say of how deeply a cell was sequenced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MAX_CELLS: Final = 10_000  # a rank correlation of more cells says no more
MIN_CELLS: Final = 30
LARGE: Final = 0.5


def depth_correlations(
    scores: pd.DataFrame, cell_totals: NDArray[np.float64], members: Iterable[NDArray[np.bool_]]
) -> pd.Series:
    """Correlate the scores of each set with the counts of the cells.

    Parameters
    ----------
    scores
        Cells x sets.
    cell_totals
        Counts of each cell over all genes.
    members
        For each set whether a cell is one that it is looked at in, such as those of its parent.

    Returns
    -------
    Spearman's rank correlation by set, over at most 10,000 cells that are spread evenly over all; nan for
    fewer than 30 cells, and where scores or counts are all the same.
    """
    from scipy.stats import rankdata

    found = {}
    for name, own in zip(scores.columns, members, strict=True):
        cells = np.flatnonzero(own)
        cells = cells[:: max(1, -(-len(cells) // MAX_CELLS))]
        pair = np.stack([scores[name].to_numpy()[cells], cell_totals[cells]])
        if len(cells) < MIN_CELLS or (pair.min(axis=1) == pair.max(axis=1)).any():
            found[name] = float("nan")
        else:
            found[name] = float(np.corrcoef(rankdata(pair, axis=1))[0, 1])
    return pd.Series(found, dtype=np.float64)
