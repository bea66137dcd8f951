"""Which interactions are clear: against both nulls, and in most parts of the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def clear(table: pd.DataFrame, alpha: float) -> NDArray[np.bool_]:
    """Say which rows of a table of interactions hold against every doubt that was tested.

    More than expected with the ligand permuted among senders (q) and with the receptor permuted among
    receivers (q_receptor), and over the blocks of the tissue (an interval above 0): permutations alone take
    two genes that vary smoothly over the tissue, each for a reason of its own, for an interaction.

    Parameters
    ----------
    table
        q, q_receptor and ci_low.
    alpha
        Level of both q.
    """
    found = (table["q"] <= alpha) & (table["q_receptor"] <= alpha) & (table["ci_low"] > 0)
    return found.to_numpy(dtype=bool)
