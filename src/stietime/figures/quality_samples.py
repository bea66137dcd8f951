"""Figures that compare the quality of the samples of a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

from stietime import names
from stietime.figures.style import (
    ENVIRONMENT_COLOURS,
    FAINT,
    INK,
    MUTED,
    bare,
    colours_of,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW_ROWS: Final = 40  # up to here a row has room for words of full size
MOST_LOST: Final = 0.5  # share of a lineage at which the colour is darkest
FEW_CELLS: Final = 10  # the lost share of fewer cells says little: a small square
NO_CELLS: Final = "\N{MIDDLE DOT}"


@dataclass(frozen=True)
class Measure:
    """A number of each sample, drawn in a panel of its own.

    Parameters
    ----------
    column
        Column of the table of samples.
    label
        Title of the panel, with the unit.
    logarithmic
        Whether the axis is.
    factor
        What the numbers are multiplied by for the axis, such as 100 for percent.
    limits
        Values that decide a verdict, in the unit of the axis.
    """

    column: str
    label: str
    logarithmic: bool = False
    factor: float = 1.0
    limits: tuple[float, ...] = ()


def _strip(axes: Axes, samples: pd.DataFrame, measure: Measure, colours: Mapping[str, str]) -> None:
    values = samples[measure.column].to_numpy(dtype=float) * measure.factor
    if measure.logarithmic:
        values = np.where(values > 0, values, np.nan)
    places = np.arange(len(samples))
    verdicts = samples["verdict"].to_numpy()
    shades = np.array([colours[name] for name in samples["environment"]], dtype=object)
    known = np.isfinite(values)
    out = known & (verdicts == names.EXCLUDED)
    dots, flagged = known & ~out, known & (verdicts == names.CAUTION)
    size = 30 if len(samples) <= FEW_ROWS else 16
    axes.scatter(values[dots], places[dots], c=list(shades[dots]), s=size, linewidths=0, zorder=3)
    ring: dict[str, Any] = {
        "s": size * 3,
        "facecolors": "none",
        "edgecolors": INK,
        "linewidths": 1.0,
        "zorder": 4,
    }
    axes.scatter(values[flagged], places[flagged], **ring)
    axes.scatter(values[out], places[out], c=list(shades[out]), s=size, marker="x", linewidths=1.4, zorder=3)
    missing: Any = {"ha": "center", "va": "center", "fontsize": 7, "color": MUTED}
    for place in places[~known]:
        axes.text(0.5, place, "n/a", transform=axes.get_yaxis_transform(), **missing)
    _axis(axes, measure, values[known])


def _few_ticks(low: float, high: float) -> list[float]:
    """Choose up to four round numbers of a logarithmic axis that do not run into each other."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**decade for decade in decades for step in steps]
        found = [value for value in found if low <= value <= high]
        if len(found) <= 3:
            return found
    return found[:: -(-len(found) // 4)]


def _axis(axes: Axes, measure: Measure, values: np.ndarray) -> None:
    axes.set_title(measure.label, fontsize=8, weight="normal", loc="center")
    axes.grid(axis="y", color=FAINT, lw=0.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7)
    if not len(values):
        axes.set_xticks([])
    elif measure.logarithmic:
        low, high = np.log10(values.min()), np.log10(values.max())
        room = 0.15 * max(high - low, 1)
        axes.set_xscale("log")
        axes.set_xlim(10 ** (low - room), 10 ** (high + room))
        ticks = _few_ticks(*axes.get_xlim())
        axes.set_xticks(ticks, [f"{value:,.0f}" for value in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(-0.06 * max(values.max(), 1), 1.12 * max(values.max(), 1))
        axes.xaxis.set_major_locator(MaxNLocator(3))
    low_end, high_end = axes.get_xlim()
    for limit in measure.limits:
        if low_end < limit < high_end and len(values):
            axes.axvline(limit, color=INK, lw=0.9, ls="--", zorder=1)


def _strip_legend(figure: Figure, colours: Mapping[str, str], *, has_limits: bool) -> None:
    dot: dict[str, Any] = {"ls": "", "marker": "o"}
    handles = [Line2D([], [], color=colour, ms=6, **dot) for colour in colours.values()]
    handles.append(Line2D([], [], mfc="none", mec=INK, ms=9, **dot))
    handles.append(Line2D([], [], color=INK, ls="", marker="x", ms=6))
    labels = [*colours, "caution", "excluded"]
    if has_limits:
        handles.append(Line2D([], [], color=INK, lw=0.9, ls="--"))
        labels.append("limit between verdicts")
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), columnspacing=1.2)


@styled
def sample_strips(samples: pd.DataFrame, measures: Sequence[Measure]) -> Figure:
    """Draw one row per sample and one panel per number, the rows aligned.

    Parameters
    ----------
    samples
        One row per sample in the order of the rows: sample, environment, verdict, and the column of each
        measure (nan where not measured).
    measures
        The panels, from left to right.
    """
    n = len(samples)
    figure = new_figure(10.2, 1.25 + (0.24 if n <= FEW_ROWS else 0.155) * n)
    grid = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    colours = colours_of(samples["environment"], ENVIRONMENT_COLOURS)
    for axes, measure in zip(grid, measures, strict=True):
        _strip(axes, samples, measure, colours)
    if n > FEW_ROWS:  # the axis is far from the first rows
        for axes in grid:
            axes.tick_params(axis="x", top=True, labeltop=True)
    grid[0].set_yticks(np.arange(n), samples["sample"], fontsize=8 if n <= FEW_ROWS else 6)
    grid[0].set_ylim(n - 0.4, -0.6)
    _strip_legend(figure, colours, has_limits=any(measure.limits for measure in measures))
    return figure


def _tile(axes: Axes, place: tuple[int, int], row: pd.Series, *, has_room: bool) -> None:
    x, y = place
    few = row["n_cells"] < FEW_CELLS
    side = 0.42 if few else 0.94
    strength = min(row["fraction"] / MOST_LOST, 1)
    shade = to_hex(colormaps["YlOrBr"](0.04 + 0.86 * strength))
    edge: dict[str, Any] = (
        {"edgecolor": INK, "linewidth": 1.8, "zorder": 4}
        if row["warned"]
        else {"edgecolor": "#e4e4e4", "lw": 0.5}
    )
    axes.add_patch(Rectangle((x - side / 2, y - side / 2), side, side, facecolor=shade, **edge))
    if has_room and not few and row["n_removed"] > 0:
        colour = "white" if strength > 0.6 else INK
        text: Any = {"ha": "center", "va": "center", "fontsize": 7, "color": colour, "zorder": 5}
        axes.text(x, y, f"{100 * row['fraction']:.0f}", **text)


@styled
def loss_heatmap(losses: pd.DataFrame, samples: Mapping[str, str], lineages: Mapping[str, str]) -> Figure:
    """Draw the share of each lineage that each sample lost, warnings ringed.

    Parameters
    ----------
    losses
        One row per sample and lineage: sample, lineage, n_cells (before), n_removed, fraction (0 to 1) and
        warned (bool).
    samples, lineages
        Rows and columns in their order, with their names.
    """
    n, has_room = len(samples), len(samples) <= FEW_ROWS
    figure = new_figure(2.6 + 0.36 * len(lineages), 1.75 + (0.25 if has_room else 0.16) * n)
    axes = figure.subplots()
    bare(axes)
    axes.set_xlim(-0.55, len(lineages) - 0.45)
    axes.set_ylim(n - 0.45, -0.55)
    axes.set_xticks(range(len(lineages)), list(lineages.values()), rotation=60, ha="left", fontsize=8)
    axes.set_yticks(range(n), list(samples.values()), fontsize=8 if has_room else 6)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.set_xticks(axes.get_xticks(), list(lineages.values()), rotation_mode="anchor")
    found = {(row["sample"], row["lineage"]): row for _, row in losses.iterrows() if row["n_cells"] > 0}
    for y, sample in enumerate(samples):
        for x, lineage in enumerate(lineages):
            if (sample, lineage) in found:
                _tile(axes, (x, y), found[sample, lineage], has_room=has_room)
            else:
                axes.text(x, y, NO_CELLS, ha="center", va="center", color=MUTED, fontsize=7)
    shades = ScalarMappable(Normalize(0, 100 * MOST_LOST), colormaps["YlOrBr"])
    bar = figure.colorbar(shades, ax=axes, shrink=min(1.0, 2.2 / (0.2 * n + 1)), aspect=12, pad=0.02)
    bar.set_label(f"cells lost (%), {100 * MOST_LOST:.0f} or more darkest", fontsize=8)
    bar.outline.set_visible(False)
    return figure
