"""Figures of what the calls of a state rest on: its genes by call, and the evidence of the parent's cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stietime import names
from stietime.figures.style import ENVIRONMENT_COLOURS, INK, MUTED, colours_of, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_DOT = 150.0
N_BINS = 60


@styled
def evidence_figure(
    genes: pd.DataFrame, evidence: pd.DataFrame, threshold: float, strict: float | None = None
) -> Figure:
    """Draw the dot plot of a state's genes and the distributions of its evidence.

    Parameters
    ----------
    genes
        One row per gene, environment and group (called, not called): gene, direction, environment, group,
        n_cells, share_detected, mean_per_10000.
    evidence
        One row per cell of the parent: environment, evidence, called.
    threshold
        Evidence from which a cell is called.
    strict
        The same for a cell without a gate gene, where it differs.
    """
    columns = genes.drop_duplicates([names.ENVIRONMENT, "group"])
    n_genes = genes["gene"].nunique()
    where = list(dict.fromkeys(evidence[names.ENVIRONMENT]))
    height = max(2.6, 0.24 * n_genes + 1.5, 1.25 * len(where) + 0.9)
    figure = new_figure(9.2, height)
    parts: Any = figure.subfigures(1, 2, width_ratios=(1.0, 1.15))
    left, right = parts
    _dots(left.subplots(), genes, columns)
    panels = right.subplots(len(where), 1, sharex=True, squeeze=False)[:, 0]
    _distributions(panels, evidence, where, threshold, strict)
    return figure


def _dots(axes: Axes, genes: pd.DataFrame, columns: pd.DataFrame) -> None:
    order = list(dict.fromkeys(genes["gene"]))
    keys = list(columns[[names.ENVIRONMENT, "group"]].itertuples(index=False, name=None))
    x = [keys.index(key) for key in zip(genes[names.ENVIRONMENT], genes["group"], strict=True)]
    y = [order.index(gene) for gene in genes["gene"]]
    # each gene against its own largest mean, or weak genes would all look alike
    largest = genes.groupby("gene")["mean_per_10000"].transform("max").to_numpy()
    means = genes["mean_per_10000"].to_numpy()
    colour = np.divide(means, largest, out=np.zeros(len(means)), where=largest > 0)
    drawn = axes.scatter(
        x,
        y,
        s=4 + LARGEST_DOT * genes["share_detected"].to_numpy(),
        c=colour,
        cmap="Blues",
        vmin=-0.15,
        vmax=1,
        edgecolors=MUTED,
        linewidths=0.4,
    )
    labels = [
        f"{place}\n{group}\nn = {n:,}" for (place, group), n in zip(keys, columns["n_cells"], strict=True)
    ]
    axes.set_xticks(range(len(keys)), labels, fontsize=7)
    low = set(genes.loc[genes["direction"] != "positive", "gene"])
    axes.set_yticks(range(len(order)), [f"{gene} (low)" if gene in low else gene for gene in order])
    axes.tick_params(axis="y", labelsize=7.5)
    axes.set_xlim(-0.6, len(keys) - 0.4)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_title("Genes of the rule")
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.5, aspect=16, pad=0.02)
    bar.set_ticks([0, 1], labels=["0", "most"])
    bar.set_label("mean expression", fontsize=7.5)
    bar.ax.tick_params(labelsize=7)


def _distributions(
    panels: Any,  # noqa: ANN401 - an array of axes
    evidence: pd.DataFrame,
    where: list[str],
    threshold: float,
    strict: float | None,
) -> None:
    colours = colours_of(where, ENVIRONMENT_COLOURS)
    values = evidence["evidence"].to_numpy(dtype=float)
    low, high = np.quantile(values, [0.001, 0.999]) if len(values) else (0.0, 1.0)
    high = max(high, threshold + 1) if np.isfinite(threshold) else high
    bins = np.linspace(low, high, N_BINS + 1)
    for axes, place in zip(panels, where, strict=True):
        here = evidence[evidence[names.ENVIRONMENT] == place]
        every = np.clip(here["evidence"].to_numpy(dtype=float), low, high)
        called = here["called"].to_numpy(dtype=bool)
        axes.hist([every[~called], every[called]], bins, stacked=True, color=["#c9c9c9", colours[place]])
        for line, style in ((threshold, "-"), (strict, "--")):
            if line is not None and np.isfinite(line):
                axes.axvline(line, color=INK, lw=1.1, ls=style)
        axes.set_yscale("symlog", linthresh=10)
        axes.set_ylabel("cells", fontsize=8)
        axes.set_title(f"{place}: {int(called.sum()):,} of {len(here):,} called", fontsize=9)
    panels[-1].set_xlabel("evidence: log odds of the counts with the state against without it")
