"""Figures of contrasts, claims and planted values: one row per entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime.figures.style import (
    ACCENT,
    INK,
    MUTED,
    VERDICT_COLOURS,
    WARNING,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@styled
def forest(contrasts: pd.DataFrame, *, x_label: str, alpha: float, sides: Sequence[str] = ()) -> Figure:
    """Draw estimates with their intervals, one row per entity.

    Parameters
    ----------
    contrasts
        One row per entity in the order to draw: label, estimate, ci_low, ci_high (may be empty), q, n; and,
        where the effect beside a reference is drawn too, beside, beside_low, beside_high (may be empty).
    x_label
        What the estimate is, with its unit.
    alpha
        Rows with q at or below it are filled, others hollow.
    sides
        What lies left and right of zero, as two short phrases.
    """
    figure = new_figure(8.6, 1.1 + 0.235 * max(len(contrasts), 2))
    axes = figure.subplots()
    positions = list(range(len(contrasts)))
    numbers = contrasts[["estimate", "ci_low", "ci_high", "q"]].to_numpy(dtype=float)
    for position, (estimate, low, high, q) in zip(positions, numbers, strict=True):
        colour = WARNING if estimate > 0 else ACCENT
        axes.hlines(position, low, high, color=colour, lw=1.5)
        filled = colour if q <= alpha else "white"
        axes.scatter([estimate], [position], s=34, color=filled, edgecolors=colour, linewidths=1.4, zorder=3)
    if "beside" in contrasts:
        _draw_beside(axes, contrasts[["beside", "beside_low", "beside_high"]].to_numpy(dtype=float))
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(positions, list(contrasts["label"]), fontsize=8)
    axes.set_ylim(len(contrasts) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_xlabel(x_label)
    right = [f"n = {int(n)}   q {_p_text(q)}" for n, q in zip(contrasts["n"], contrasts["q"], strict=True)]
    for position, text in zip(positions, right, strict=True):
        axes.text(
            1.01, position, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, color=MUTED
        )
    for text, x, side in zip(sides, (0.0, 1.0), ("left", "right"), strict=False):
        axes.text(x, 1.01, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=8.5, color=MUTED)
    return figure


def _draw_beside(axes: Axes, beside: NDArray[np.float64]) -> None:
    """Draw a second effect below the first, as a grey diamond with its interval, where there is one."""
    for position, (estimate, low, high) in enumerate(beside):
        if np.isfinite(estimate):
            axes.hlines(position + 0.32, low, high, color=MUTED, lw=1.0)
            axes.scatter([estimate], [position + 0.32], s=16, marker="D", color=MUTED, zorder=3)


def _p_text(p: float) -> str:
    if not np.isfinite(p):
        return "= n/a"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


@styled
def verdict_bars(counts: pd.DataFrame) -> Figure:
    """Draw the number of claims per verdict, one bar per group of claims.

    Parameters
    ----------
    counts
        Number of claims: groups as index, verdicts as columns.
    """
    figure = new_figure(8.6, 1.1 + 0.34 * len(counts))
    axes = figure.subplots()
    left = np.zeros(len(counts))
    positions = list(range(len(counts)))
    for verdict in counts.columns:
        width = counts[verdict].to_numpy()
        axes.barh(positions, width, left=left, color=VERDICT_COLOURS[verdict], height=0.72, label=verdict)
        for position, start, n in zip(positions, left, width, strict=True):
            if n >= max(3, 0.025 * counts.to_numpy().sum(axis=1).max()):
                dark = verdict in {"supported", "contradicted"}
                axes.text(
                    start + n / 2, position, str(n), ha="center", va="center", fontsize=8,
                    color="white" if dark else INK,
                )  # fmt: skip
        left += width
    axes.set_yticks(positions, list(counts.index))
    axes.invert_yaxis()
    axes.set_xlabel("number of claims")
    # from the right, so that the names of many verdicts stay within the figure
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=len(counts.columns), columnspacing=1.2)
    return figure


@styled
def planted_dumbbells(planted: pd.DataFrame) -> Figure:
    """Draw planted beside recovered fractions, joined by a line.

    Parameters
    ----------
    planted
        One row per comparison in the order to draw: label, planted, recovered (0 to 1).
    """
    figure = new_figure(8.6, 1.0 + 0.235 * max(len(planted), 2))
    axes = figure.subplots()
    positions = np.arange(len(planted))
    left, right = planted["planted"].to_numpy() * 100, planted["recovered"].to_numpy() * 100
    axes.hlines(positions, left, right, color=MUTED, lw=1.2)
    axes.scatter(
        left, positions, s=40, color="white", edgecolors=INK, linewidths=1.3, zorder=3, label="planted"
    )
    axes.scatter(right, positions, s=26, color=ACCENT, zorder=4, linewidths=0, label="recovered")
    axes.set_yticks(positions, list(planted["label"]), fontsize=8)
    axes.set_ylim(len(planted) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("fraction of the parent (%)")
    axes.grid(axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure
