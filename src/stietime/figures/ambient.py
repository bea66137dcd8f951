"""Figure of ambient RNA: the genes that lead it, beside their share in cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stietime.figures.style import ACCENT, MUTED, WARNING, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ALIKE: Final = 0.02  # bars that differ by less cannot be told apart


def are_alike(genes: pd.DataFrame) -> bool:
    """Whether no gene's share in ambient RNA can be told from its share in the cells.

    Parameters
    ----------
    genes
        One row per gene: ambient_share and cell_share.
    """
    return bool(np.allclose(genes["ambient_share"], genes["cell_share"], rtol=ALIKE))


@styled
def ambient_bars(genes: pd.DataFrame) -> Figure:
    """Draw the share of each gene in ambient RNA beside that in the cells, one bar where they are alike.

    Parameters
    ----------
    genes
        One row per gene in the order of the bars: gene, ambient_share and cell_share (0 to 1), marker (what
        the gene marks, in words; empty when nothing).
    """
    figure = new_figure(8.4, 1.1 + 0.27 * len(genes))
    axes = figure.subplots()
    places = np.arange(len(genes), dtype=float)
    ambient, cells = 100 * genes["ambient_share"].to_numpy(), 100 * genes["cell_share"].to_numpy()
    if are_alike(genes):
        axes.barh(
            places, ambient, height=0.7, color=WARNING, label="in ambient RNA and in the kept cells alike"
        )
    else:
        axes.barh(places - 0.2, ambient, height=0.38, color=WARNING, label="in ambient RNA")
        axes.barh(places + 0.2, cells, height=0.38, color=ACCENT, label="in the kept cells")
    longest = np.fmax(ambient, cells)
    for place, end, marker in zip(places, longest, genes["marker"], strict=True):
        if marker:
            offset: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points"}
            axes.annotate(marker, (end, place), va="center", fontsize=7.5, color=MUTED, **offset)
    axes.set_yticks(places, genes["gene"], fontsize=8.5)
    axes.invert_yaxis()
    axes.margins(y=0.015)
    # room for the words beside the longest bars
    axes.set_xlim(0, max(float(np.nanmax(longest, initial=0)), 0.01) * 1.25)
    axes.set_xlabel("share of all counts (%)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure
