"""Adjustment of the p-values of one section for their number."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats


def adjusted(p: pd.Series) -> pd.Series:
    """Adjust p-values by Benjamini and Hochberg's procedure (1995); missing ones are no tests.

    Parameters
    ----------
    p
        P-values; may be missing.
    """
    values = p.astype(float)
    q, tested = pd.Series(np.nan, index=p.index), values.notna()
    if tested.any():
        q[tested] = stats.false_discovery_control(values[tested].to_numpy())
    return q
