"""Figures of cell types: what each sample is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime.figures.style import new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure


@styled
def composition_bars(counts: pd.DataFrame, colours: Mapping[str, str]) -> Figure:
    """Draw one bar per sample, split by cell type.

    Parameters
    ----------
    counts
        Number of cells: samples as index in the order to draw (an index of two levels, group and sample,
        leaves a gap between groups), types as columns.
    colours
        Colour of each type.
    """
    groups = counts.index.get_level_values(0)
    gaps = np.cumsum([0, *(groups[1:] != groups[:-1])]) * 0.7
    positions = np.arange(len(counts)) + gaps
    figure = new_figure(9.2, 1.5 + 0.24 * (positions[-1] + 1 if len(positions) else 1))
    axes = figure.subplots()
    totals = counts.sum(axis=1)
    shares = counts.div(totals.where(totals > 0), axis=0).fillna(0) * 100
    left = np.zeros(len(counts))
    for name in counts.columns:
        width = shares[name].to_numpy()
        axes.barh(positions, width, left=left, color=colours[name], height=0.8, label=name)
        left += width
    samples = counts.index.get_level_values(-1)
    labels = [f"{sample} (n = {int(n):,})" for sample, n in zip(samples, totals, strict=True)]
    axes.set_yticks(positions, labels, fontsize=8)
    for group in dict.fromkeys(groups):
        middle = positions[groups == group].mean()
        axes.text(101, middle, str(group), va="center", fontsize=9, fontweight="bold")
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("cells (% of those kept)")
    axes.margins(y=0.01)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=6, columnspacing=1.0)
    return figure


@styled
def type_counts(counts: pd.Series, colours: Mapping[str, str]) -> Figure:
    """Draw the number of cells of each type as bars, the number beside each.

    Parameters
    ----------
    counts
        Number of cells, type names as index, in the order to draw.
    colours
        Colour of each type.
    """
    figure = new_figure(6.6, 0.8 + 0.25 * max(len(counts), 1))
    axes = figure.subplots()
    positions = np.arange(len(counts))
    axes.barh(positions, counts.to_numpy(), color=[colours[name] for name in counts.index], height=0.75)
    axes.set_yticks(positions, list(counts.index))
    total = counts.sum()
    for position, n in zip(positions, counts, strict=True):
        axes.annotate(
            f"{n:,} ({n / total:.1%})", (n, position), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=8,
        )  # fmt: skip
    axes.margins(x=0.2, y=0.01)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("number of cells")
    return figure
