"""Figures of copy numbers that are inferred from expression: profiles along the genome, and cells by call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stietime import names
from stietime.figures.style import ACCENT, FAINT, INK, MUTED, WARNING, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MEGABASES_PER_FIELD: Final = 2.0
SCALE: Final = 0.2  # log ratios beyond are drawn as this; the loss of one of two copies is up to -0.7


def _lay_out(profile: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Give each chromosome its begin and end on one axis, in megabases, in the order of their numbers."""
    ends = profile.groupby(profile["chromosome"].astype(str))["stop"].max() / 1e6
    order = sorted(ends.index, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0))
    stops = np.cumsum(ends[order].to_numpy())
    return {name: (float(stop - ends[name]), float(stop)) for name, stop in zip(order, stops, strict=True)}


def _fields_of(rows: pd.DataFrame, layout: dict[str, tuple[float, float]], n: int) -> Floats:
    """Read a profile off at the middle of even fields of the axis."""
    values = np.full(n, np.nan)
    middles = (np.arange(n) + 0.5) * MEGABASES_PER_FIELD
    for name, part in rows.groupby(rows["chromosome"].astype(str)):
        begin, end = layout[str(name)]
        inside = (middles >= begin) & (middles < end)
        at = begin + (part["start"] + part["stop"]).to_numpy() / 2e6
        order = np.argsort(at)
        values[inside] = np.interp(middles[inside], at[order], part["log_ratio"].to_numpy()[order])
    return values


def _mark_chromosomes(axes: Axes, layout: dict[str, tuple[float, float]]) -> None:
    for begin, _ in list(layout.values())[1:]:
        axes.axvline(begin, color=MUTED, lw=0.6)
    axes.set_xticks([(begin + end) / 2 for begin, end in layout.values()], list(layout), fontsize=7)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(0, max(end for _, end in layout.values()))
    axes.set_xlabel("chromosome")


@styled
def profile_heatmap(profile: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """Draw the mean profile of each sample along the genome, one row per sample.

    Parameters
    ----------
    profile
        One row per sample and window: sample, chromosome, start, stop (base pairs), log_ratio.
    labels
        Label of each sample, in the order of the rows.
    """
    layout = _lay_out(profile)
    n_fields = int(max(end for _, end in layout.values()) / MEGABASES_PER_FIELD)
    rows = [_fields_of(profile[profile[names.SAMPLE] == name], layout, n_fields) for name in labels]
    figure = new_figure(9.6, 1.25 + 0.26 * len(labels))
    axes = figure.subplots()
    edges = np.arange(n_fields + 1) * MEGABASES_PER_FIELD
    # colours in steps: the page's images have few colours
    drawn = axes.pcolormesh(
        edges, np.arange(len(labels) + 1), np.stack(rows), cmap="RdBu_r", vmin=-SCALE, vmax=SCALE
    )
    axes.set_ylim(len(labels), 0)
    axes.set_yticks(np.arange(len(labels)) + 0.5, list(labels.values()), fontsize=7.5)
    _mark_chromosomes(axes, layout)
    bar = figure.colorbar(drawn, ax=axes, aspect=12, pad=0.01, extend="both", ticks=[-SCALE, 0, SCALE])
    bar.set_label("log ratio", fontsize=7.5)
    bar.ax.tick_params(labelsize=7)
    return figure


@styled
def sample_profile(profile: pd.DataFrame, cells: pd.DataFrame, thresholds: tuple[float, float]) -> Figure:
    """Draw the profile of one sample along the genome, and its cells by signal and correlation.

    Parameters
    ----------
    profile
        One row per window: chromosome, start, stop (base pairs), log_ratio.
    cells
        One row per measured cell: copy_number_signal, copy_number_correlation, and group (reference,
        epithelial or called malignant).
    thresholds
        Signal and correlation that a called cell exceeds.
    """
    figure = new_figure(9.6, 5.6)
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.5))
    above, below = parts
    _draw_profile(above.subplots(), profile)
    _draw_cells(below.subplots(), cells, thresholds)
    return figure


def _draw_profile(axes: Axes, profile: pd.DataFrame) -> None:
    layout = _lay_out(profile)
    for name, part in profile.groupby(profile["chromosome"].astype(str)):
        begin, _ = layout[str(name)]
        rows = part.sort_values("start")
        at, values = begin + (rows["start"] + rows["stop"]) / 2e6, rows["log_ratio"]
        # the windows of a short chromosome may be one, which a line would not show
        axes.plot(at, values, color=INK, lw=0.9, marker="." if len(rows) == 1 else "")
        axes.fill_between(at, values.clip(lower=0), color=WARNING, alpha=0.6, lw=0)
        axes.fill_between(at, values.clip(upper=0), color=ACCENT, alpha=0.6, lw=0)
    axes.axhline(0, color=MUTED, lw=0.6)
    largest = max(SCALE, 1.05 * float(profile["log_ratio"].abs().max()))
    axes.set_ylim(-largest, largest)
    axes.set_ylabel("log ratio")
    _mark_chromosomes(axes, layout)


def _draw_cells(axes: Axes, cells: pd.DataFrame, thresholds: tuple[float, float]) -> None:
    colours = {"reference": "#a8a8a8", "epithelial": ACCENT, "called malignant": WARNING}
    for group, colour in colours.items():
        part = cells[cells["group"] == group]
        axes.scatter(
            part[names.COPY_NUMBER_SIGNAL],
            part[names.COPY_NUMBER_CORRELATION],
            s=9,
            color=colour,
            alpha=0.75,
            linewidths=0,
            label=f"{group} (n = {len(part):,})",
        )
    signal, correlation = thresholds
    axes.axvline(signal, color=INK, lw=0.9, ls="--")
    axes.axhline(correlation, color=INK, lw=0.9, ls="--")
    axes.set_xscale("log")
    axes.grid(color=FAINT, lw=0.4)
    axes.set_xlabel("signal: mean square of the cell's profile")
    axes.set_ylabel("correlation with the\nepithelial cells of the sample")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
