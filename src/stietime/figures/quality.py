"""Figures of quality control: what was dropped, and where the cuts lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter

from stietime.figures.style import (
    ACCENT,
    FAINT,
    MUTED,
    REASON_COLOURS,
    WARNING,
    colours_of,
    empty_note,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# metric, label with unit, whether the axis is logarithmic
METRICS = (
    ("n_counts", "counts per cell", True),
    ("n_genes", "genes per cell", True),
    ("pct_mito", "mitochondrial counts (%)", False),
    ("pct_ribo", "ribosomal counts (%)", False),
    ("pct_hb", "haemoglobin counts (%)", False),
)


@styled
def dropped_bars(counts: pd.DataFrame) -> Figure:
    """Draw one bar per sample: share of cells kept and dropped, by reason.

    Parameters
    ----------
    counts
        Number of cells, samples as index and reasons as columns (`kept` first).
    """
    figure = new_figure(9.2, 1.3 + 0.24 * len(counts))
    axes = figure.subplots()
    totals = counts.sum(axis=1)
    shares = counts.div(totals.where(totals > 0), axis=0).fillna(0) * 100
    positions = np.arange(len(counts))
    left = np.zeros(len(counts))
    for reason, colour in colours_of(counts.columns, REASON_COLOURS).items():
        width = shares[reason].to_numpy()
        axes.barh(positions, width, left=left, color=colour, height=0.78, label=reason.replace("_", " "))
        left += width
    labels = [f"{sample} (n = {int(n):,})" for sample, n in totals.items()]
    axes.set_yticks(positions, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("cells (% of those measured)")
    axes.margins(y=0.01)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(counts.columns), columnspacing=1.0)
    return figure


def _bins(values: np.ndarray, *, logarithmic: bool) -> list[float]:
    n_bins = int(np.clip(np.sqrt(len(values)) * 1.5, 12, 50))
    if logarithmic:
        low, high = np.log10(max(values.min(), 1)), np.log10(max(values.max(), 10))
        return list(np.logspace(low, max(high, low + 0.1), n_bins))
    return list(np.linspace(0, max(values.max(), 1.0), n_bins))


def _histogram(axes: Axes, values: pd.Series, keep: np.ndarray, *, logarithmic: bool) -> None:
    known = values.notna().to_numpy()
    numbers = values.to_numpy(dtype=float)
    if not known.any():
        empty_note(axes, "not measured")
        return
    bins = _bins(numbers[known], logarithmic=logarithmic)
    # a count of zero has no place on a logarithmic axis: it is drawn in the first bin
    numbers = np.maximum(numbers, bins[0])
    axes.hist(numbers[known], bins=bins, color=FAINT, label="before (all cells)")
    axes.hist(numbers[known & keep], bins=bins, color=ACCENT, alpha=0.75, label="after (kept cells)")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _draw_cuts(axes: Axes, cuts: pd.DataFrame, *, logarithmic: bool) -> None:
    for side in ("lower", "upper"):
        for value in cuts[side].dropna().unique():
            if (logarithmic and value <= 0) or not np.isfinite(value):
                continue
            axes.axvline(value, color=WARNING, lw=1.4, ls="--")


@styled
def quality_histograms(quality: pd.DataFrame, cuts: pd.DataFrame) -> Figure:
    """Draw the distribution of each metric before and after the filter, with the cuts.

    Parameters
    ----------
    quality
        One row per cell: n_counts, n_genes, pct_mito, pct_ribo, pct_hb, keep.
    cuts
        One row per metric: metric, lower, upper (empty where there is no cut).
    """
    figure = new_figure(9.2, 4.6)
    grid = figure.subplots(2, 3)
    keep = quality["keep"].to_numpy(dtype=bool)
    for axes, (metric, label, logarithmic) in zip(grid.flat, METRICS, strict=False):
        _histogram(axes, quality[metric], keep, logarithmic=logarithmic)
        _draw_cuts(axes, cuts[cuts["metric"] == metric], logarithmic=logarithmic)
        axes.set_xlabel(label)
        axes.set_ylabel("cells")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    handles.append(grid.flat[0].axvline(np.nan, color=WARNING, lw=1.4, ls="--"))
    last = grid.flat[-1]
    empty_note(last, "")
    last.legend(handles, [*labels, "cut"], loc="center", fontsize=10)
    return figure


@styled
def doublet_histogram(scores: Sequence[float], called: Sequence[bool]) -> Figure:
    """Draw the doublet scores of the tested cells, called doublets in another colour.

    Parameters
    ----------
    scores
        One score per tested cell, 0 to 1.
    called
        Whether the cell is called a doublet.
    """
    figure = new_figure(5.2, 2.6)
    axes = figure.subplots()
    values, is_doublet = np.asarray(scores, dtype=float), np.asarray(called, dtype=bool)
    bins = np.linspace(0, max(values.max(initial=0), 0.1), 45).tolist()
    groups = [values[~is_doublet], values[is_doublet]]
    labels = [f"single cells (n = {len(groups[0]):,})", f"called doublets (n = {len(groups[1]):,})"]
    colours = [FAINT, REASON_COLOURS["doublet"]]
    axes.hist(groups, bins=bins, stacked=True, color=colours, label=labels)
    axes.set_yscale("symlog", linthresh=10)
    axes.set_xlabel("doublet score (scrublet, 0 to 1)")
    axes.set_ylabel("cells")
    axes.legend()
    axes.tick_params(colors=MUTED)
    return figure
