"""Figures of the quality of cells: what was dropped, metrics without a cut, doublets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

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
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# metrics that no cut is set on, each with the label of its axis
DESCRIPTIVE_METRICS = {
    "pct_ribo": "ribosomal counts (%)",
    "pct_hb": "haemoglobin counts (%)",
    "pct_stress": "dissociation genes (%)",
    "pct_top_genes": "counts in the 20 top genes (%)",
    "complexity": "complexity, log genes / log counts",
    "pct_intronic": "intronic counts (%)",
}
FEW_SAMPLES = 40  # up to here a row has room for words of full size
LOGARITHMIC_COUNT = ("pct_hb",)  # a few cells stand out from nearly all others, which have none
FEW_CELLS = 100  # the axis of fewer cells has ticks at whole numbers only
LINEAR_UP_TO = 10  # cells of a bin, where the axis of cells is logarithmic
FROM_ZERO = 0.1  # a share of less than this of the range is not worth an axis that starts elsewhere
SCORE_KINDS = {
    "": ("single", FAINT),
    "score": ("called, by score", REASON_COLOURS["doublet"]),
    "score+label": ("called, by score and label", "#4B1233"),
    "label": ("called, by label only", "#CC79A7"),
    "protected": ("above the cut, protected", "#009E73"),
}


@styled
def dropped_bars(counts: pd.DataFrame, named: Mapping[str, str]) -> Figure:
    """Draw one bar per sample: share of cells kept and dropped, by reason.

    Parameters
    ----------
    counts
        Number of cells, samples as index and reasons as columns (`kept` first).
    named
        Names of the reasons.
    """
    has_room = len(counts) <= FEW_SAMPLES
    figure = new_figure(9.2, 1.3 + (0.24 if has_room else 0.155) * len(counts))
    axes = figure.subplots()
    totals = counts.sum(axis=1)
    shares = counts.div(totals.where(totals > 0), axis=0).fillna(0) * 100
    positions = np.arange(len(counts))
    left = np.zeros(len(counts))
    for reason, colour in colours_of(counts.columns, REASON_COLOURS).items():
        width = shares[reason].to_numpy()
        axes.barh(positions, width, left=left, color=colour, height=0.78, label=named[reason])
        left += width
    labels = [f"{sample} (n = {int(n):,})" for sample, n in totals.items()]
    axes.set_yticks(positions, labels, fontsize=8 if has_room else 6)
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("cells (% of those measured)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(len(counts.columns), 5), columnspacing=1)
    return figure


def _bins(values: np.ndarray) -> list[float]:
    """Divide the range of the values, from zero where they come near it."""
    n_bins = int(np.clip(np.sqrt(len(values)) * 1.5, 12, 50))
    low, high = values.min(), values.max()
    if low == high:
        return list(np.linspace(0, 2 * high if high > 0 else 1, n_bins))
    start = low if low > FROM_ZERO and low > high / 3 else 0.0
    return list(np.linspace(start, high, n_bins))


def _histogram(axes: Axes, values: pd.Series, keep: np.ndarray) -> None:
    known = values.notna().to_numpy()
    numbers = values.to_numpy(dtype=float)
    if not known.any():
        empty_note(axes, "not measured")
        return
    bins = _bins(numbers[known])
    axes.hist(numbers[known], bins=bins, color=FAINT, label="before (all cells)")
    axes.hist(numbers[known & keep], bins=bins, color=ACCENT, alpha=0.75, label="after (kept cells)")
    axes.set_ylabel("cells")
    if known.sum() < FEW_CELLS:
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def count_in_decades(axes: Axes) -> None:
    """Count cells on an axis that is linear up to 10 and logarithmic above, its numbers written in full."""
    top = axes.get_ylim()[1]
    axes.set_yscale("symlog", linthresh=LINEAR_UP_TO)
    decades = [float(LINEAR_UP_TO * 10**i) for i in range(int(np.log10(max(top, 1) / LINEAR_UP_TO)) + 1)]
    half = [LINEAR_UP_TO / 2] if top >= LINEAR_UP_TO / 2 else [1]
    axes.set_yticks([0, *half, *(value for value in decades if value <= top)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())


@styled
def metric_histograms(quality: pd.DataFrame, metrics: Mapping[str, str]) -> Figure:
    """Draw the distribution of each metric before and after the filter.

    Parameters
    ----------
    quality
        One row per cell: the metrics (nan where not measured) and keep.
    metrics
        Columns, each with the label of its axis; a column that is not there was not measured.
    """
    n_rows = -(-len(metrics) // 3)
    figure = new_figure(9.2, 0.35 + 2.0 * n_rows)
    grid = figure.subplots(n_rows, 3, squeeze=False)
    keep = quality["keep"].to_numpy(dtype=bool)
    legend: dict[str, Any] = {}
    for axes, (metric, label) in zip(grid.flat, metrics.items(), strict=False):
        values = quality[metric] if metric in quality.columns else quality["keep"].map(lambda _: np.nan)
        _histogram(axes, values, keep)
        axes.set_xlabel(label)
        if metric in LOGARITHMIC_COUNT and values.notna().any():
            count_in_decades(axes)
        legend |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    for axes in list(grid.flat)[len(metrics) :]:
        axes.set_visible(False)
    if legend:
        figure.legend(list(legend.values()), list(legend), loc="outside upper left", ncols=2)
    return figure


def _score_bins(values: np.ndarray, threshold: float) -> list[float]:
    """Divide the range of scores so that the threshold lies between two bins."""
    low, high = min(values.min(initial=0), 0.0), max(values.max(initial=0), 0.1)
    width = (high - low) / 44
    if not low < threshold < high:
        return list(np.linspace(low, high, 45))
    below, above = (int(np.ceil(part / width)) for part in (threshold - low, high - threshold))
    return list(threshold + width * np.arange(-below, above + 1))


@styled
def doublet_histogram(scores: pd.DataFrame, threshold: float) -> Figure:
    """Draw the doublet scores of the tested cells, stacked by what was made of them.

    Parameters
    ----------
    scores
        One row per tested cell: doublet_score and doublet_evidence (empty, score, label, score+label or
        protected).
    threshold
        Score from which on cells are called; nan when none was.
    """
    figure = new_figure(6.4, 2.9)
    axes = figure.subplots()
    values = scores["doublet_score"].to_numpy(dtype=float)
    evidence = scores["doublet_evidence"].fillna("").to_numpy()
    bins = _score_bins(values, threshold)
    present = [kind for kind in SCORE_KINDS if (evidence == kind).any()]
    groups = [values[evidence == kind] for kind in present]
    labels = [
        f"{SCORE_KINDS[kind][0]} (n = {len(group):,})" for kind, group in zip(present, groups, strict=True)
    ]
    axes.hist(groups, bins=bins, stacked=True, color=[SCORE_KINDS[kind][1] for kind in present], label=labels)
    if np.isfinite(threshold):
        axes.axvline(threshold, color=WARNING, lw=1.4, ls="--", label=f"threshold ({threshold:.2f})")
    count_in_decades(axes)
    axes.set_xlabel("doublet score (0 to 1)")
    axes.set_ylabel("cells")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    axes.tick_params(colors=MUTED)
    return figure
