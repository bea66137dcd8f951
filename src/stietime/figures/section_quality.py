"""Figures of the quality of a section: the metrics its method gives, and where the dropped cells lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stietime import names
from stietime.figures.quality import count_in_decades
from stietime.figures.style import ACCENT, FAINT, WARNING, empty_note, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# metric, label with unit, scale of its axis
METRICS: Final = (
    ("n_counts", "counts per cell", "whole log"),
    ("n_genes", "genes per cell", "whole"),
    ("pct_negative", "counts of control probes (%)", "share"),
    ("area_um2", "area of the cell (µm²)", "log"),
    ("counts_per_100um2", "counts per 100 µm²", "log"),
    ("nucleus_ratio", "area of the nucleus / of the cell", "linear"),
    ("pct_mito", "mitochondrial counts (%)", "linear"),
)
N_COLUMNS: Final = 3
MAX_BINS: Final = 45

# each reason a colour of its own; kept cells stay in the background of a map
REASON_COLOURS: Final = {
    names.KEPT: FAINT,
    "no_counts": "#5C5C5C",
    "low_counts": "#E69F00",
    "large_area": "#8C6BB1",
    "high_negative": "#D55E00",
}


def measured_metrics(quality: pd.DataFrame) -> tuple[str, ...]:
    """Name the metrics that hold a number in any cell, in the order they are drawn."""
    drawn = (name for name, _, _ in METRICS)
    return tuple(name for name in drawn if name in quality.columns and quality[name].notna().any())


def bins_of(values: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Choose the edges of bins.

    Parameters
    ----------
    values
        What is drawn, without nan.
    scale
        whole or whole log (whole numbers; edges lie between them, so that every bin can hold one), log, share
        (from 0 to 1 at least) or linear.
    """
    n_bins = int(np.clip(np.sqrt(len(values)), 12, MAX_BINS))
    low, high = float(values.min()), float(values.max())
    if scale == "whole":
        step = max(1, round((high - low) / n_bins))
        return np.arange(low, high + step + 1, step) - 0.5
    if scale == "whole log":
        return _whole_edges(max(low, 1.0), max(high, 10.0), n_bins)
    if scale == "log":
        low = float(values[values > 0].min(initial=high)) or 1.0
        return np.geomspace(low, max(high, 1.1 * low), n_bins)
    return np.linspace(0, max(high, 1.0 if scale == "share" else 1e-9), n_bins)


def _whole_edges(low: float, high: float, n_bins: int) -> NDArray[np.float64]:
    """Give edges whose distance grows with the number and never shrinks, so that the bars are even."""
    growth = (high / low) ** (1 / n_bins) - 1
    edges, step = [np.floor(low)], 1.0
    while edges[-1] <= high:
        step = max(step, np.floor(edges[-1] * growth))
        edges.append(edges[-1] + step)
    return np.array(edges) - 0.5


def _histogram(axes: Axes, values: NDArray[np.float64], keep: NDArray[np.bool_], scale: str) -> None:
    known = np.isfinite(values)
    edges = bins_of(values[known], scale)
    # a zero has no place on a logarithmic axis: it is drawn in the first bin
    shown = np.clip(values, edges[0], edges[-1])
    axes.hist(shown[known], bins=list(edges), color=FAINT, label="before (all cells)")
    axes.hist(shown[known & keep], bins=list(edges), color=ACCENT, alpha=0.75, label="after (kept cells)")
    if scale.endswith("log"):
        axes.set_xscale("log")
    if scale == "share":
        count_in_decades(axes)


def _draw_cuts(axes: Axes, cuts: pd.DataFrame, *, margin: float) -> None:
    low, high = axes.get_xlim()
    for side in ("lower", "upper"):
        for value in cuts[side].dropna().astype(float):
            axes.axvline(value, color=WARNING, lw=1.4, ls="--")
            low, high = min(low, value / margin), max(high, value * margin)
    axes.set_xlim(low, high)


def _name_decades(axes: Axes) -> None:
    """Write the numbers of a logarithmic axis in full, more of them where it spans few decades."""
    low, high = axes.get_xlim()
    if axes.get_xscale() == "log":
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high < 50 * low else (1.0,)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


@styled
def section_histograms(quality: pd.DataFrame, cuts: pd.DataFrame) -> Figure:
    """Draw the distribution of every metric that was measured, before and after the filter, with the cuts.

    Parameters
    ----------
    quality
        One row per cell: the metrics of `METRICS` that the section has (nan where one is not measured), keep.
    cuts
        One row per metric: metric, lower, upper (empty where there is no cut).
    """
    drawn = measured_metrics(quality)
    n_rows = -(-len(drawn) // N_COLUMNS)
    figure = new_figure(9.2, 2.3 * n_rows + 0.35)
    panels: Sequence[Axes] = list(figure.subplots(n_rows, N_COLUMNS, squeeze=False).flat)
    keep = quality["keep"].to_numpy(dtype=bool)
    told = {name: (label, scale) for name, label, scale in METRICS}
    for axes, name in zip(panels, drawn, strict=False):
        label, scale = told[name]
        _histogram(axes, quality[name].to_numpy(dtype=np.float64), keep, scale)
        margin = 1.3 if scale.endswith("log") else 1.05
        _draw_cuts(axes, cuts[cuts["metric"] == name], margin=margin)
        _name_decades(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("cells")
    for axes in panels[len(drawn) :]:
        empty_note(axes, "")
    handles, labels = panels[0].get_legend_handles_labels()
    handles.append(panels[0].axvline(np.nan, color=WARNING, lw=1.4, ls="--"))
    figure.legend(handles, [*labels, "cut"], loc="outside lower center", ncols=3)
    return figure
