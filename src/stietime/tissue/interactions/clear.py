"""Which interactions are clear: against both nulls, with the autocorrelation of either gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def clear(table: pd.DataFrame, alpha: float) -> NDArray[np.bool_]:
    """Say which rows of a table of interactions hold against every doubt that was tested.

    More than expected, and more than two genes reach by chance that vary over the tissue as these do, each
    for a reason of its own, with the ligand permuted and with the receptor permuted (q_spatial).

    Parameters
    ----------
    table
        q_spatial and log2_ratio.
    alpha
        Level of q_spatial.
    """
    found = (table["q_spatial"] <= alpha) & (table["log2_ratio"] > 0)
    return found.to_numpy(dtype=bool)
