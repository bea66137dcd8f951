"""Figures of pairs of cell types: how strong an enrichment is, how sure, and what is left within regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime.figures.style import CATEGORIES, MUTED, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@styled
def ratio_dots(pairs: pd.DataFrame) -> Figure:
    """Draw log2 ratios of pairs of types with their intervals, and the same within regions beside them.

    Parameters
    ----------
    pairs
        One row per pair, the first on top: pair (text), log2_ratio, log2_low, log2_high, log2_within (empty
        where it was not measured).
    """
    figure = new_figure(7.4, 1.3 + 0.27 * len(pairs))
    axes = figure.subplots()
    height = np.arange(len(pairs))
    axes.hlines(height, pairs["log2_low"], pairs["log2_high"], color=CATEGORIES[0], lw=1.6, alpha=0.6)
    axes.plot(pairs["log2_ratio"], height, "o", color=CATEGORIES[0], label="all cells, with 95 % interval")
    within = pairs["log2_within"].to_numpy(dtype=float)
    if np.isfinite(within).any():
        axes.plot(
            within, height, "D", mfc="white", color=CATEGORIES[1], label="types shuffled within strata only"
        )
    axes.axvline(0, color=MUTED, lw=0.9)
    axes.set_yticks(height, list(pairs["pair"]))
    axes.invert_yaxis()
    axes.set_xlabel("log2 (observed / expected contacts)")
    axes.grid(axis="x")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.6 / (1.3 + 0.27 * len(pairs)) * 1.6), ncols=2)
    return figure
