"""Figure of tissue preference: kinds of cells against environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime.figures.style import INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LIMIT = 2.0  # log2, where the colours end


@styled
def preference_matrix(log2_roe: pd.DataFrame, sure: pd.DataFrame, n_patients: pd.DataFrame) -> Figure:
    """Draw Ro/e of each kind of cell in each environment as a coloured number.

    Parameters
    ----------
    log2_roe
        log2 of Ro/e: kinds as index in the order to draw, environments as columns; nan where not measured.
    sure
        Whether the interval leaves 1 out; of the same shape. Such numbers are set bold.
    n_patients
        Patients that each number rests on; of the same shape.
    """
    n_rows, n_columns = log2_roe.shape
    figure = new_figure(4.6 + 1.25 * n_columns, 1.5 + 0.26 * n_rows)
    axes = figure.subplots()
    values, patients = log2_roe.to_numpy(dtype=float), n_patients.to_numpy(dtype=float)
    image = axes.imshow(values, cmap="RdBu_r", vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value):
            axes.text(column, row, "not measured", ha="center", va="center", fontsize=7, color=MUTED)
            continue
        bold = bool(sure.iloc[row, column])
        dark = abs(value) > 0.7 * LIMIT
        axes.text(
            column, row, f"{2.0**value:.2g}  (n = {patients[row, column]:.0f})", ha="center", va="center",
            fontsize=8, fontweight="bold" if bold else "normal", color="white" if dark else INK,
        )  # fmt: skip
    axes.set_xticks(range(n_columns), list(log2_roe.columns))
    axes.set_yticks(range(n_rows), list(log2_roe.index), fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 4.0 / (1 + 0.26 * n_rows)), ticks=[-2, -1, 0, 1, 2])
    bar.ax.set_yticklabels(["1/4", "1/2", "1", "2", "4"])
    bar.set_label("observed / expected cells")
    return figure
