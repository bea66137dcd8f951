"""Figures of gene expression between patients: regulators by the cells that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import matplotlib as mpl

from stietime.figures.style import FAINT, INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

LARGEST_AREA: Final = 150.0  # square points, of a type that makes all of a gene
SHARES: Final = (0.1, 0.4, 1.0)
LARGEST_FOLD: Final = 3.0  # log2; beyond, colours stay
PALETTE: Final = "RdBu_r"


@styled
def regulator_dots(
    rows: pd.DataFrame, genes: Sequence[str], types: Sequence[str], *, alpha: float, sides: tuple[str, str]
) -> Figure:
    """Draw genes by the types that make them: colour for the change, area for the share, ring for q.

    Parameters
    ----------
    rows
        One row per gene and type that makes it: gene, label (of the type), share_of_expression, estimate
        (log2 fold change; empty where it was not tested), p, q.
    genes
        Genes from top to bottom; one without a row stays empty.
    types
        Labels of the types from left to right.
    alpha
        Dots with q at or below it have a dark ring.
    sides
        What estimates below and above 0 mean.
    """
    figure = new_figure(1.9 + 0.42 * max(len(types), 8), 2.3 + 0.235 * max(len(genes), 4))
    axes = figure.subplots()
    x = rows["label"].map({label: place for place, label in enumerate(types)}).to_numpy(dtype=float)
    y = rows["gene"].map({gene: place for place, gene in enumerate(genes)}).to_numpy(dtype=float)
    tested = rows["p"].notna().to_numpy()
    strong = (rows["q"] <= alpha).to_numpy()
    areas = LARGEST_AREA * rows["share_of_expression"].to_numpy(dtype=float)
    axes.scatter(x[~tested], y[~tested], s=24, marker="x", color=MUTED, linewidths=1)
    norm = mpl.colors.Normalize(-LARGEST_FOLD, LARGEST_FOLD)
    drawn = axes.scatter(
        x[tested],
        y[tested],
        s=areas[tested],
        c=rows.loc[tested, "estimate"].to_numpy(dtype=float),
        cmap=PALETTE,
        norm=norm,
        edgecolors=[INK if one else "#b5b5b5" for one in strong[tested]],
        linewidths=[1.6 if one else 0.5 for one in strong[tested]],
        zorder=3,
    )
    axes.set_xticks(range(len(types)), types, rotation=45, ha="left", rotation_mode="anchor", fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(genes)), genes, fontsize=8, style="italic")
    axes.set_xlim(-0.6, max(len(types), 8) - 0.4)
    axes.set_ylim(len(genes) - 0.4, -0.6)
    axes.grid(color="#f0f0f0")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    _legends(figure, axes, drawn, alpha, sides)
    return figure


def _legends(figure: Figure, axes: Axes, drawn: PathCollection, alpha: float, sides: tuple[str, str]) -> None:
    bar = figure.colorbar(
        drawn, ax=axes, orientation="horizontal", shrink=0.55, aspect=32, pad=0.02, extend="both"
    )
    bar.set_label(f"log2 fold change: {sides[0]} (blue), {sides[1]} (red)", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    marks = [
        axes.scatter([], [], s=LARGEST_AREA * share, color="white", edgecolors="#b5b5b5", linewidths=0.8,
                     label=f"{share:.0%} of the gene's counts")
        for share in SHARES
    ]  # fmt: skip
    marks.append(
        axes.scatter([], [], s=60, color="white", edgecolors=INK, linewidths=1.6, label=f"q ≤ {alpha:g}")
    )
    marks.append(axes.scatter([], [], s=24, marker="x", color=MUTED, linewidths=1, label="not testable"))
    axes.legend(handles=marks, loc="upper left", bbox_to_anchor=(1.0, 1.0), labelspacing=0.9, fontsize=8)
