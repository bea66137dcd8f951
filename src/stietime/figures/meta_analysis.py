"""Forest plots of several cohorts: a square per cohort, a diamond for all, a bar for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stietime.figures.style import ACCENT, FAINT, INK, MUTED, WARNING, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_INCHES: Final = 0.225
BESIDE: Final = 1.06  # of the widest cohort interval: what is drawn of wider ones ends in an arrow
LARGEST_SQUARE: Final = 90.0  # square points, at a weight of 1
SMALLEST_SQUARE: Final = 8.0


@styled
def forest_of_cohorts(
    cohorts: pd.DataFrame, combined: pd.DataFrame, *, x_label: str, sides: Sequence[str] = ()
) -> Figure:
    """Draw the estimates of the cohorts and their combination, one block of rows per entity.

    Parameters
    ----------
    cohorts
        One row per entity and cohort: label (of the entity), cohort, estimate, ci_low, ci_high, weight (0 to
        1, empty where it does not enter), remark (why it does not).
    combined
        One row per entity in the order to draw: label, estimate, ci_low, ci_high, prediction_low,
        prediction_high (may be empty), common_estimate, common_low, common_high, remark.
    x_label
        What the estimate is, with its unit.
    sides
        What lies left and right of zero, as two short phrases.
    """
    blocks = [(row, cohorts[cohorts["label"] == row["label"]]) for row in combined.to_dict("records")]
    n_rows = sum(len(of) + 3.8 for _, of in blocks)
    figure = new_figure(9.6, 1.0 + ROW_INCHES * n_rows)
    axes = figure.subplots()
    axes.set_xlim(*_limits(cohorts, combined))
    ticks: list[tuple[float, str]] = []
    y = 0.0
    for row, of in blocks:
        y = _block(axes, row, of, y, ticks)
    axes.axvline(0, color=INK, lw=0.8, zorder=0.5)
    axes.set_ylim(y - 0.4, -0.9)
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=8)
    for tick in axes.get_yticklabels():
        tick.set_fontweight("bold" if tick.get_text() in set(combined["label"]) else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(x_label)
    for text, x, side in zip(sides, (0.0, 1.0), ("left", "right"), strict=False):
        axes.text(x, 1.005, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=8.5, color=MUTED)
    return figure


def _limits(cohorts: pd.DataFrame, combined: pd.DataFrame) -> tuple[float, float]:
    """Leave room for the intervals of the cohorts; combined ones of two cohorts can be far wider."""
    ends = cohorts[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float).ravel()
    ends = np.append(ends, combined[["common_low", "common_high", "estimate"]].to_numpy(dtype=float).ravel())
    ends = np.append(ends[np.isfinite(ends)], 0.0)
    low, high = float(ends.min()), float(ends.max())
    room = (high - low) * (BESIDE - 1) + 1e-6
    return low - room, high + room


def _block(
    axes: Axes, row: dict[Any, Any], of: pd.DataFrame, y: float, ticks: list[tuple[float, str]]
) -> float:
    """Draw one entity from row `y` on; return the row after it."""
    ticks.append((y, row["label"]))
    _beside(axes, y, row["remark"])
    for cohort in of.to_dict("records"):
        y += 1
        ticks.append((y, str(cohort["cohort"])))
        _cohort(axes, y, cohort)
    y += 1
    ticks.append((y, "all cohorts (random effects)"))
    _bar(axes, y, row["prediction_low"], row["prediction_high"], colour=FAINT, width=6.0)
    _bar(axes, y, row["ci_low"], row["ci_high"], colour=INK, width=1.2)
    _diamond(axes, y, row["ci_low"], row["estimate"], row["ci_high"], filled=True)
    _beside(axes, y, _interval(row["estimate"], row["ci_low"], row["ci_high"]))
    y += 1
    ticks.append((y, "average of these cohorts"))
    _diamond(axes, y, row["common_low"], row["common_estimate"], row["common_high"], filled=False)
    _beside(axes, y, _interval(row["common_estimate"], row["common_low"], row["common_high"]))
    return y + 1.8


def _cohort(axes: Axes, y: float, row: dict[Any, Any]) -> None:
    if not np.isfinite(row["weight"]):
        _beside(axes, y, f"left out: {row['remark']}")
        return
    colour = WARNING if row["estimate"] > 0 else ACCENT
    _bar(axes, y, row["ci_low"], row["ci_high"], colour=colour, width=1.4)
    size = max(SMALLEST_SQUARE, LARGEST_SQUARE * row["weight"])
    axes.scatter([row["estimate"]], [y], s=size, marker="s", color=colour, linewidths=0, zorder=3)
    _beside(axes, y, f"{_interval(row['estimate'], row['ci_low'], row['ci_high'])}  {row['remark']}")


def _bar(axes: Axes, y: float, low: float, high: float, *, colour: str, width: float) -> None:
    """Draw an interval as far as the axes reach, with arrows where it goes on."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return
    left, right = axes.get_xlim()
    axes.hlines(y, max(low, left), min(high, right), color=colour, lw=width, zorder=1.5)
    for beyond, x, marker in ((low < left, left, "<"), (high > right, right, ">")):
        if beyond:
            axes.scatter([x], [y], s=26, marker=marker, color=colour, linewidths=0, zorder=3, clip_on=False)


def _diamond(axes: Axes, y: float, low: float, middle: float, high: float, *, filled: bool) -> None:
    """Draw a diamond as wide as the interval, as far as the axes reach."""
    left, right = axes.get_xlim()
    x = [max(low, left), middle, min(high, right), middle]
    face = INK if filled else "white"
    axes.fill(x, [y, y - 0.32, y, y + 0.32], facecolor=face, edgecolor=INK, linewidth=1.0, zorder=2.5)


def _beside(axes: Axes, y: float, text: str) -> None:
    axes.text(1.01, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, color=MUTED)


def _interval(estimate: float, low: float, high: float) -> str:
    return f"{_short(estimate)} [{_short(low)}, {_short(high)}]"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
