"""Figures of tissue sections: maps, neighbourhood enrichment and co-occurrence; lengths in micrometres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime.figures.style import CATEGORIES, INK, MUTED, bare, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALE_BARS_UM = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
LEGEND_COLUMNS = 3


def scale_bar(axes: Axes, width_um: float) -> None:
    """Draw a bar of a round length, about a fifth of the width, below the map.

    Parameters
    ----------
    axes
        The map; its limits must be set.
    width_um
        Width of the map, micrometres.
    """
    length = max((bar for bar in SCALE_BARS_UM if bar <= width_um / 4), default=SCALE_BARS_UM[0])
    (x0, x1), (y0, y1) = sorted(axes.get_xlim()), axes.get_ylim()
    below = y0 - 0.03 * (y1 - y0)
    axes.plot([x1 - length, x1], [below, below], color=INK, lw=2.5, clip_on=False, solid_capstyle="butt")
    label = f"{length:,} µm"
    axes.text(
        x1 - length / 2, y0 - 0.045 * (y1 - y0), label, ha="center", va="top", fontsize=8, clip_on=False
    )
    axes.set_xlim(x0, x1)
    axes.set_ylim(y0, y1)


def _map(axes: Axes, spots: pd.DataFrame, column: str, colours: Mapping[str, str], size: float) -> None:
    x, y = spots["x_um"].to_numpy(), spots["y_um"].to_numpy()
    axes.scatter(x, y, c=spots[column].map(colours).to_numpy(dtype=object), s=size, linewidths=0)
    axes.set_aspect("equal")
    edge = 0.015 * max(float(np.ptp(x)), float(np.ptp(y)), 1.0)  # so that no dot is cut
    axes.set_xlim(x.min() - edge, x.max() + edge)
    # images have their origin at the top
    axes.set_ylim(y.max() + edge, y.min() - edge)
    bare(axes)


def _map_dot(spots: pd.DataFrame, inches: float) -> float:
    """Return the area of a dot, in square points, so that dots of a dense tissue just touch."""
    span = max(float(np.ptp(spots["x_um"])), float(np.ptp(spots["y_um"])), 1.0)
    area = max(float(np.ptp(spots["x_um"]) * np.ptp(spots["y_um"])), 1.0)
    spacing_points = np.sqrt(area / max(len(spots), 1)) / span * inches * 72
    return float(np.clip((0.75 * spacing_points) ** 2, 0.4, 60))


@styled
def section_maps(
    spots: pd.DataFrame, panels: Mapping[str, Mapping[str, str]], *, legend_columns: int = LEGEND_COLUMNS
) -> Figure:
    """Draw a section once per column, each cell a dot at its place, with a scale bar.

    Parameters
    ----------
    spots
        One row per cell or spot: x_um, y_um and the columns to colour by (strings).
    panels
        For each column its values with their colours, in the order of the legend.
    legend_columns
        Columns of a legend; fewer for long names.
    """
    shape = float(np.ptp(spots["y_um"]) / max(float(np.ptp(spots["x_um"])), 1.0))
    height = float(np.clip(4.4 * shape, 2.0, 7.0))
    lines = max(-(-len(colours) // legend_columns) for colours in panels.values())
    legend_height = 0.25 + 0.19 * lines
    figure = new_figure(4.6 * len(panels), height + 0.6 + legend_height)
    grid = figure.subplots(2, len(panels), squeeze=False, height_ratios=[height + 0.6, legend_height])
    dot = _map_dot(spots, min(4.2, height / max(shape, 0.1)))
    for (axes, below), (column, colours) in zip(grid.T, panels.items(), strict=True):
        _map(axes, spots, column, colours, dot)
        scale_bar(axes, float(np.ptp(spots["x_um"])))
        axes.set_title(column)
        _map_legend(below, spots[column].value_counts(), colours, legend_columns)
    return figure


def _map_legend(axes: Axes, numbers: pd.Series, colours: Mapping[str, str], columns: int) -> None:
    bare(axes)
    for value, colour in colours.items():
        if numbers.get(value, 0):
            axes.scatter([], [], c=colour, s=28, linewidths=0, label=f"{value} ({numbers[value]:,})")
    axes.legend(loc="upper center", ncols=columns, fontsize=8, handletextpad=0.2, columnspacing=0.8)


@styled
def section_thumbnail(spots: pd.DataFrame, column: str, colours: Mapping[str, str]) -> Figure:
    """Draw a small map of a section with a scale bar and no legend.

    Parameters
    ----------
    spots
        One row per cell or spot: x_um, y_um and the column to colour by.
    column
        Column to colour by.
    colours
        Colour of each value.
    """
    shape = float(np.ptp(spots["y_um"]) / max(float(np.ptp(spots["x_um"])), 1.0))
    figure = new_figure(2.8, float(np.clip(2.7 * shape, 1.0, 4.0)) + 0.3)
    axes = figure.subplots()
    _map(axes, spots, column, colours, _map_dot(spots, 2.7))
    scale_bar(axes, float(np.ptp(spots["x_um"])))
    return figure


@styled
def enrichment_heatmap(
    ratios: pd.DataFrame,
    marks: pd.DataFrame,
    *,
    limit: float = 3.0,
    title: str = "log2 (observed / expected)",
) -> Figure:
    """Draw the neighbourhood enrichment of every pair of types.

    Parameters
    ----------
    ratios
        log2 of observed over expected contacts, types as index and columns; empty where not testable.
    marks
        Text drawn in each field, same shape, such as a star for a small q.
    limit
        Ratios beyond this are drawn in the deepest colour.
    title
        What the colours mean.
    """
    side = 1.9 + 0.36 * len(ratios)
    figure = new_figure(side + 1.3, side)
    axes = figure.subplots()
    values = ratios.to_numpy(dtype=float)
    axes.set_facecolor("#f3f3f3")
    finite = np.where(np.isfinite(values), np.clip(values, -limit, limit), np.nan)
    image = axes.imshow(finite, cmap="PuOr_r", vmin=-limit, vmax=limit)
    for (row, column), text in np.ndenumerate(marks.to_numpy(dtype=object)):
        strong = abs(finite[row, column]) > 0.5 * limit
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if strong else INK)
    axes.set_xticks(
        range(len(ratios.columns)), list(ratios.columns), rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(len(ratios)), list(ratios.index))
    axes.tick_params(length=0)
    for edge in axes.spines.values():
        edge.set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, extend="both")
    bar.set_label(title)
    return figure


@styled
def co_occurrence_curves(curves: pd.DataFrame) -> Figure:
    """Draw how much likelier than by chance one type is found at each distance from another.

    Parameters
    ----------
    curves
        One row per pair and distance: pair (text, in the order of the legend), distance_um, ratio.
    """
    figure = new_figure(8.6, 3.4)
    axes = figure.subplots()
    styles = ("-", "--", "-.", ":")
    for i, (pair, curve) in enumerate(curves.groupby("pair", sort=False, observed=True)):
        axes.plot(
            curve["distance_um"], curve["ratio"], label=str(pair), color=CATEGORIES[i % len(CATEGORIES)],
            ls=styles[i % len(styles)], lw=1.8,
        )  # fmt: skip
    axes.axhline(1, color=MUTED, lw=0.9)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("distance between cells (µm)")
    axes.set_ylabel("co-occurrence ratio\n(1 = as by chance)")
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
