"""Figures of ligands and receptors: how far observed is from expected, and how that depends on distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.figures.style import ACCENT, CATEGORIES, INK, MUTED, WARNING, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

WIDEST: Final = 3.0  # log2 beyond which an interval is cut
LINE_STYLES: Final = ("-", "--", "-.", ":")


@styled
def interaction_dots(rows: pd.DataFrame) -> Figure:
    """Draw log2 of observed over expected with its interval, one row per pair, the first on top.

    Parameters
    ----------
    rows
        label (text), log2_ratio, ci_low, ci_high (may be missing), is_clear (drawn filled).
    """
    figure = new_figure(8.6, 1.2 + 0.25 * max(len(rows), 2))
    axes = figure.subplots()
    height = np.arange(len(rows))
    ratio, low, high = (
        np.clip(rows[name].to_numpy(dtype=float), -WIDEST, WIDEST)
        for name in ("log2_ratio", "ci_low", "ci_high")
    )
    sure = rows["is_clear"].to_numpy(dtype=bool)
    for side, colour in ((ratio > 0, WARNING), (ratio <= 0, ACCENT)):
        axes.hlines(height[side], low[side], high[side], color=colour, lw=1.5)
        for some, face in ((side & sure, colour), (side & ~sure, "white")):
            axes.scatter(ratio[some], height[some], s=34, c=face, edgecolors=colour, linewidths=1.4, zorder=3)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(height, list(rows["label"]), fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_xlabel("log2 (observed / expected ligand times receptor of near cells)")
    return figure


@styled
def interaction_profiles(profiles: pd.DataFrame) -> Figure:
    """Draw log2 of observed over expected by the distance between sender and receiver, a curve per pair.

    Parameters
    ----------
    profiles
        One row per pair and bin: pair (text, in the order of the legend), from_um, to_um, log2_ratio.
    """
    figure = new_figure(8.6, 3.4)
    axes = figure.subplots()
    for i, (pair, curve) in enumerate(profiles.groupby("pair", sort=False)):
        middle = (curve["from_um"] + curve["to_um"]) / 2
        colour, line = CATEGORIES[i % len(CATEGORIES)], LINE_STYLES[i % len(LINE_STYLES)]
        axes.plot(middle, curve["log2_ratio"], color=colour, ls=line, lw=1.8, marker="o", ms=3, label=pair)
    axes.axhline(0, color=MUTED, lw=0.9)
    axes.set_xlim(left=0)
    axes.set_xlabel("distance between sender and receiver (µm)")
    axes.set_ylabel("log2 (observed / expected)")
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
