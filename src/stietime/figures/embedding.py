"""Figures of the embedding: one dot per cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stietime.figures.style import ACCENT, FAINT, INK, bare, dot_size, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER_SEED = 0  # of the drawing order, so that no group hides another
MOST_IN_LEGEND = 20
LEGEND_COLUMNS = 4
PANEL_HEIGHT = 4.5  # inches
SMALLEST_LABELLED = 0.004  # share of the cells; smaller groups are named in the legend only
# of a label, as shares of the panel
CHARACTER_WIDTH = 0.0165
LINE_HEIGHT = 0.036


def _arrows(axes: Axes) -> None:
    style = {"arrowstyle": "->", "color": INK, "lw": 0.8}
    for tip in ((0.12, 0.0), (0.0, 0.12)):
        axes.annotate("", xy=tip, xytext=(0, 0), xycoords="axes fraction", arrowprops=style)
    axes.text(0.14, 0.0, "UMAP 1", transform=axes.transAxes, fontsize=6.5, va="center")
    axes.text(0.0, 0.14, "UMAP 2", transform=axes.transAxes, fontsize=6.5, ha="center", rotation=90)


def _label_groups(axes: Axes, frame: pd.DataFrame, column: str) -> None:
    """Name the groups in the panel, the largest first; a name moves up or down rather than hide another."""
    spans = np.ptp(frame[["umap_1", "umap_2"]].to_numpy(dtype=float), axis=0)
    taken: list[tuple[float, float, float]] = []
    groups = [(str(name), part) for name, part in frame.groupby(column, observed=True)]
    for name, part in sorted(groups, key=lambda group: -len(group[1])):
        if len(part) < SMALLEST_LABELLED * len(frame):
            continue
        x, y = _middle_cell(part)
        width, height = spans[0] * CHARACTER_WIDTH * (len(name) + 1), spans[1] * LINE_HEIGHT
        steps = (0, 1, -1, 2, -2, 3, -3)
        free = [y + step * height for step in steps if _is_free(x, y + step * height, width, height, taken)]
        place = free[0] if free else y
        taken.append((x, place, width))
        box = {"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.7}
        axes.text(x, place, name, fontsize=6.5, ha="center", va="center", bbox=box)


def _middle_cell(part: pd.DataFrame) -> tuple[float, float]:
    """Find the cell nearest the median: a name never stands where the group has no cell."""
    places = part[["umap_1", "umap_2"]].to_numpy(dtype=float)
    nearest = int(((places - np.median(places, axis=0)) ** 2).sum(axis=1).argmin())
    return float(places[nearest, 0]), float(places[nearest, 1])


def _is_free(
    x: float, y: float, width: float, height: float, taken: list[tuple[float, float, float]]
) -> bool:
    return all(
        abs(y - other_y) >= height or abs(x - other_x) >= (width + w) / 2 for other_x, other_y, w in taken
    )


def _scatter(axes: Axes, frame: pd.DataFrame, colours: np.ndarray) -> None:
    order = np.random.default_rng(ORDER_SEED).permutation(len(frame))
    x, y = frame["umap_1"].to_numpy()[order], frame["umap_2"].to_numpy()[order]
    axes.scatter(x, y, c=colours[order], s=dot_size(len(frame)), linewidths=0)
    axes.set_box_aspect(1)
    bare(axes)
    _arrows(axes)


@styled
def embedding_panels(frame: pd.DataFrame, panels: Mapping[str, Mapping[str, str]]) -> Figure:
    """Draw the embedding once per column, coloured by it.

    Parameters
    ----------
    frame
        One row per cell: umap_1, umap_2 and the columns to colour by (strings).
    panels
        For each column its values with their colours, in the order of the legend. More than 20 values are
        named in the panel only.

    Returns
    -------
    Two panels per row.
    """
    n_rows = -(-len(panels) // 2)
    legends = [_shown(frame[column], colours) for column, colours in panels.items()]
    heights = [_legend_height(legends[row * 2 : row * 2 + 2]) for row in range(n_rows)]
    figure = new_figure(9.2, PANEL_HEIGHT * n_rows + sum(heights))
    ratios = [height for legend in heights for height in (PANEL_HEIGHT, legend)]
    grid = figure.subplots(2 * n_rows, 2, squeeze=False, height_ratios=ratios)
    places = zip(grid[::2].flat, grid[1::2].flat, strict=True)
    for axes in grid.flat:
        bare(axes)
    for (axes, below), (column, colours), shown in zip(places, panels.items(), legends, strict=False):
        _scatter(axes, frame, frame[column].map(colours).to_numpy(dtype=object))
        axes.set_title(column)
        if len(set(frame[column])) > 4:
            _label_groups(axes, frame, column)
        handles: list[Any] = [_dot(below, colour, value) for value, colour in shown.items()]
        style: dict[str, Any] = {"fontsize": 7, "handletextpad": 0.2, "columnspacing": 0.7}
        below.legend(handles=handles, loc="upper center", ncols=LEGEND_COLUMNS, **style)
    return figure


def _shown(values: pd.Series, colours: Mapping[str, str]) -> dict[str, str]:
    """Choose what the legend lists: the values that occur, or none when they are too many."""
    present = {value: colour for value, colour in colours.items() if (values == value).any()}
    return present if len(present) <= MOST_IN_LEGEND else {}


def _legend_height(legends: Sequence[Mapping[str, str]]) -> float:
    return 0.15 + 0.16 * max(-(-len(shown) // LEGEND_COLUMNS) for shown in legends)


def _dot(axes: Axes, colour: str, label: str) -> object:
    return axes.scatter([], [], c=[colour], s=26, linewidths=0, label=label)


@styled
def embedding_highlight(frame: pd.DataFrame, *, highlighted: np.ndarray, name: str, others: str) -> Figure:
    """Draw all cells grey and those of one sample on top.

    Parameters
    ----------
    frame
        One row per cell: umap_1, umap_2.
    highlighted
        Boolean, one per cell.
    name, others
        What the legend calls the highlighted and the grey cells.
    """
    figure = new_figure(5.2, 5.6)
    axes = figure.subplots()
    for mask, colour, size, label in (
        (~highlighted, FAINT, dot_size(len(frame)), others),
        (highlighted, ACCENT, dot_size(len(frame)) * 1.3, name),
    ):
        part = frame[mask]
        axes.scatter(part["umap_1"], part["umap_2"], c=colour, s=size, linewidths=0)
        _dot(axes, colour, f"{label} (n = {int(mask.sum()):,} cells)")
    axes.set_box_aspect(1)
    bare(axes)
    _arrows(axes)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure
