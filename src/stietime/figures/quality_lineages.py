"""Distributions of the metrics that cells are cut by, lineage by lineage, with the cuts of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from stietime.figures.style import ACCENT, FAINT, INK, WARNING, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

ALL: Final = "all"  # in the table of cuts: the whole sample, or the lineages too small to be judged alone
BEYOND: Final = "#FBE3D3"
FEWEST_FOR_RIDGE: Final = 30  # fewer cells are drawn one by one
RIDGE_HEIGHT: Final = 0.82
SHARE_TICKS: Final = (0, 1, 5, 10, 20, 30, 50, 75, 100)


@dataclass(frozen=True)
class Metric:
    """A metric that cells are cut by.

    Parameters
    ----------
    name
        Column of the quality table.
    label
        Label of the axis.
    scale
        `log` for counts, `root` for shares in percent: it keeps 1 % and 50 % apart from their like.
    """

    name: str
    label: str
    scale: Literal["log", "root"]

    def place(self, values: Any) -> Vector:  # noqa: ANN401 - a number or many
        """Return where values lie on the axis; a count of zero lies with one."""
        numbers = np.asarray(values, dtype=np.float64)
        return np.log10(np.maximum(numbers, 1)) if self.scale == "log" else np.sqrt(np.maximum(numbers, 0))


CUT_METRICS: Final = (
    Metric("n_counts", "counts per cell", "log"),
    Metric("n_genes", "genes per cell", "log"),
    Metric("pct_mito", "mitochondrial counts (%)", "root"),
)


def cut_of(cuts: pd.DataFrame, lineage: str, metric: str) -> tuple[float, float, bool]:
    """Find the cuts that a lineage was judged by.

    Parameters
    ----------
    cuts
        lineage, metric, lower, upper; the lineage `all` stands for all that have no row of their own.
    lineage, metric
        Whose cut, of what.

    Returns
    -------
    lower, upper (nan where there is none), and whether they are the lineage's own.
    """
    rows = cuts[cuts["metric"] == metric]
    own = rows[rows["lineage"] == lineage]
    found = own if len(own) else rows[rows["lineage"] == ALL]
    if found.empty:
        return float("nan"), float("nan"), False
    is_own = bool(len(own)) and lineage != ALL
    return float(found["lower"].iloc[0]), float(found["upper"].iloc[0]), is_own


def _limits(metric: Metric, values: Vector) -> tuple[float, float]:
    """Return the range of the axis: that of the cells, with room at the sides."""
    if not len(values):
        return (0.0, 4.0) if metric.scale == "log" else (0.0, 10.0)
    places = metric.place(values)
    low, high = float(places.min()), float(places.max())
    if metric.scale == "root":
        return 0.0, max(1.03 * high, float(np.sqrt(10)))
    room = max(0.05 * (high - low), 0.5 * (1 - (high - low)))  # at least one decade
    return low - room, high + room


def _ticks(metric: Metric, limits: tuple[float, float]) -> tuple[list[float], list[str]]:
    wanted: list[float] = list(SHARE_TICKS)
    if metric.scale == "log":
        decades = range(int(np.floor(limits[0])), int(np.ceil(limits[1])) + 1)
        steps = (1, 3) if limits[1] - limits[0] < 2.6 else (1,)
        wanted = [step * 10.0**decade for decade in decades for step in steps]
    shown = [value for value in wanted if limits[0] <= metric.place(value) <= limits[1]]
    return [float(metric.place(value)) for value in shown], [f"{value:,.0f}" for value in shown]


def _ridge(axes: Axes, row: float, places: Vector, keep: NDArray[np.bool_]) -> None:
    n_bins = int(np.clip(np.sqrt(len(places)) * 2, 12, 60))
    edges = np.linspace(*axes.get_xlim(), n_bins + 1)
    before = np.histogram(places, edges)[0]
    after = np.histogram(places[keep], edges)[0]
    factor = RIDGE_HEIGHT / max(int(before.max(initial=0)), 1)
    for heights, colour in ((before, FAINT), (after, ACCENT)):
        axes.stairs(row + heights * factor, edges, baseline=row, fill=True, color=colour, lw=0)


def _dots(axes: Axes, row: float, places: Vector, keep: NDArray[np.bool_]) -> None:
    """Draw each of a few cells, spread over the height of the row in turn."""
    heights = row + 0.14 + 0.5 * (np.arange(len(places)) * 0.618 % 1)
    axes.scatter(places[keep], heights[keep], s=11, color=ACCENT, linewidths=0, zorder=3)
    axes.scatter(places[~keep], heights[~keep], s=15, color=INK, marker="x", linewidths=0.9, zorder=3)


def _draw_cut(axes: Axes, row: float, cut: float, *, side: Literal["lower", "upper"], own: bool) -> None:
    """Shade what lies beyond a cut, and mark the cut."""
    low, high = axes.get_xlim()
    if not np.isfinite(cut) or not low < cut < high:
        return
    start, width = (low, cut - low) if side == "lower" else (cut, high - cut)
    axes.add_patch(Rectangle((start, row), width, 0.94, facecolor=BEYOND, edgecolor="none", zorder=0))
    axes.plot([cut, cut], [row, row + 0.94], color=WARNING, lw=1.5, ls="-" if own else (0, (2, 1.2)))


def _panel(
    axes: Axes, metric: Metric, quality: pd.DataFrame, cuts: pd.DataFrame, rows: Mapping[str, str]
) -> None:
    known = quality[metric.name].notna()
    values = quality.loc[known, metric.name].to_numpy(dtype=np.float64)
    keep = quality.loc[known, "keep"].to_numpy(dtype=bool)
    lineage = quality.loc[known, "provisional_lineage"].to_numpy()
    limits = _limits(metric, values)
    axes.set_xlim(*limits)
    axes.set_ylim(-len(rows), 0.05)
    axes.set_xticks(*_ticks(metric, limits))
    axes.set_xlabel(metric.label)
    for place, key in enumerate(rows):
        row = -1.0 - place
        ours = np.ones(len(values), dtype=bool) if key == ALL else lineage == key
        axes.axhline(row, color=FAINT, lw=0.7, zorder=0.5)
        draw = _ridge if ours.sum() >= FEWEST_FOR_RIDGE else _dots
        draw(axes, row, metric.place(values[ours]), keep[ours])
        lower, upper, own = cut_of(cuts, key, metric.name)
        # the row of all cells shows cuts only where every cell was judged by them
        if key != ALL or set(cuts["lineage"]) <= {ALL}:
            _draw_cut(axes, row, float(metric.place(lower)), side="lower", own=own)
            _draw_cut(axes, row, float(metric.place(upper)), side="upper", own=own)
    if not known.any():
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)


def _legend(figure: Figure, *, has_dots: bool) -> None:
    cross: dict[str, Any] = {"marker": "x", "color": INK, "ls": "", "ms": 4.5}
    entries: list[tuple[Any, str]] = [
        (Patch(color=FAINT), "before (all cells)"),
        (Patch(color=ACCENT), "after (kept cells)"),
        (Line2D([], [], color=WARNING, lw=1.5), "cut of this lineage"),
        (Line2D([], [], color=WARNING, lw=1.5, ls=(0, (2, 1.2))), "cut of the whole sample"),
        (Patch(color=BEYOND), "beyond the cut"),
    ]
    if has_dots:
        dot = Line2D([], [], marker="o", color=ACCENT, ls="", ms=3.5)
        entries += [(dot, "one cell, kept"), (Line2D([], [], **cross), "one cell, dropped")]
    handles, labels = zip(*entries, strict=True)
    figure.legend(handles, labels, loc="outside upper left", ncols=4, columnspacing=1.2)


@styled
def lineage_ridges(quality: pd.DataFrame, cuts: pd.DataFrame, rows: Mapping[str, str]) -> Figure:
    """Draw counts, genes and mitochondrial share of each provisional lineage, with its own cuts.

    Parameters
    ----------
    quality
        One row per cell: n_counts, n_genes, pct_mito, provisional_lineage, keep.
    cuts
        lineage, metric, lower, upper; the lineage `all` stands for those without a row of their own.
    rows
        Lineages in the order of the rows, with their names; `all` draws every cell.
    """
    figure = new_figure(9.6, 1.35 + (0.42 if len(rows) < 9 else 0.33) * len(rows))
    grid = figure.subplots(1, len(CUT_METRICS), sharey=True)
    counts = quality["provisional_lineage"].value_counts()
    sizes = [len(quality) if key == ALL else int(counts.get(key, 0)) for key in rows]
    for axes, metric in zip(grid, CUT_METRICS, strict=True):
        _panel(axes, metric, quality, cuts, rows)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    labels = [f"{name} ({n:,})" for name, n in zip(rows.values(), sizes, strict=True)]
    grid[0].set_yticks(-1.0 - np.arange(len(rows)) + 0.35, labels, fontsize=8.5)
    _legend(figure, has_dots=min(sizes, default=0) < FEWEST_FOR_RIDGE)
    return figure
