"""Figures of sections of spots: how much of each type, and which types are neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime.figures.style import WARNING, bare, new_figure, styled
from stietime.figures.tissue import scale_bar

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

COLUMNS = 3
WIDTH = 3.0  # inches of a panel


@styled
def share_maps(
    spots: pd.DataFrame,
    panels: Mapping[str, str],
    *,
    diameter_um: float,
    plain: Container[str] = (),
    outlined: NDArray[np.bool_] | None = None,
) -> Figure:
    """Draw a section once per type, each spot a disc of its size, darker with a larger share.

    Every panel has its own colour scale, from 0 to the 99th percentile of its shares, as types differ a
    hundredfold: the bar says how much.

    Parameters
    ----------
    spots
        One row per spot: x_um, y_um, and shares from 0 to 1.
    panels
        Column of each panel, with its title.
    diameter_um
        How large a spot is drawn, micrometres; larger than it is, so that the map can be read.
    plain
        Columns whose values are no shares: their bars are not in per cent.
    outlined
        Spots with an edge in a warm colour.
    """
    x, y = spots["x_um"].to_numpy(), spots["y_um"].to_numpy()
    edge = diameter_um
    span = float(np.ptp(x)) + 2 * edge, float(np.ptp(y)) + 2 * edge
    height = float(np.clip(WIDTH * span[1] / span[0], 1.4, 3.6))
    rows = -(-len(panels) // COLUMNS)
    figure = new_figure(COLUMNS * (WIDTH + 0.35), rows * (height + 0.75))
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    inches = min(WIDTH / span[0], height / span[1])
    dot = float(np.clip((diameter_um * inches * 72 * 0.8) ** 2, 0.5, 200))
    for axes, (column, title) in zip(grid, panels.items(), strict=False):
        values = spots[column].to_numpy(dtype=float)
        top = max(float(np.nanquantile(values, 0.99)), 0.01)
        drawn = axes.scatter(x, y, c=values, s=dot, cmap="YlGnBu", vmin=0, vmax=top, linewidths=0)
        if outlined is not None:
            edges = {"facecolors": "none", "edgecolors": WARNING, "linewidths": 1.6}
            axes.scatter(x[outlined], y[outlined], s=dot, **edges)
        axes.set_aspect("equal")
        axes.set_xlim(x.min() - edge, x.max() + edge)
        axes.set_ylim(y.max() + edge, y.min() - edge)  # images have their origin at the top
        bare(axes)
        scale_bar(axes, span[0])
        axes.set_title(title, fontsize=9)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, pad=0.01, aspect=14, ticks=[0, top])
        bar.ax.set_yticklabels(["0", f"{top:.2g}" if column in plain else f"{top:.0%}"], fontsize=7)
        bar.outline.set_visible(False)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure
