"""Figures of states: each patient a line between its environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stietime.figures.style import (
    ENVIRONMENT_COLOURS,
    FAINT,
    MUTED,
    colours_of,
    empty_note,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _columns(fractions: pd.DataFrame, timepoints: Sequence[str]) -> dict[tuple[str, str], float]:
    """Give each time point and environment a place on the x axis, time points apart."""
    environments = list(dict.fromkeys(fractions["environment"]))
    places: dict[tuple[str, str], float] = {}
    for block, timepoint in enumerate(timepoints):
        for step, environment in enumerate(environments):
            places[timepoint, environment] = block * (len(environments) + 0.6) + step
    return places


def _paired_axes(axes: Axes, part: pd.DataFrame, places: Mapping[tuple[str, str], float]) -> None:
    colours = colours_of((environment for _, environment in places), ENVIRONMENT_COLOURS)
    for _, lines in part.groupby(["patient", "timepoint"], observed=True):
        x = [places[key] for key in zip(lines["timepoint"], lines["environment"], strict=True)]
        order = np.argsort(x)
        axes.plot(
            np.array(x)[order], lines["fraction"].to_numpy()[order] * 100, color=FAINT, lw=1.2, zorder=1
        )
    for (timepoint, environment), place in places.items():
        here = part[(part["timepoint"] == timepoint) & (part["environment"] == environment)]
        values = here["fraction"].to_numpy() * 100
        axes.scatter(
            np.full(len(values), place), values, color=colours[environment], s=26, zorder=3, linewidths=0
        )
        if len(values):
            axes.hlines(
                np.median(values), place - 0.28, place + 0.28, color=colours[environment], lw=2.2, zorder=2
            )
    labels = []
    for timepoint, environment in places:
        n = int(((part["timepoint"] == timepoint) & (part["environment"] == environment)).sum())
        labels.append(f"{environment}\nn = {n}")
    axes.set_xticks(list(places.values()), labels, fontsize=7.5)
    axes.set_xlim(min(places.values()) - 0.6, max(places.values()) + 0.6)


def _name_blocks(axes: Axes, places: Mapping[tuple[str, str], float], timepoints: Sequence[str]) -> None:
    if len(timepoints) < 2:
        return
    for timepoint in timepoints:
        middle = np.mean([place for (time, _), place in places.items() if time == timepoint])
        style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8, "color": MUTED}
        axes.text(float(middle), 1.0, timepoint, transform=axes.get_xaxis_transform(), **style)


@styled
def paired_states(fractions: pd.DataFrame, panels: Mapping[str, str], timepoints: Sequence[str]) -> Figure:
    """Draw the fraction of each state, a dot per sample and a line per patient and time point.

    Parameters
    ----------
    fractions
        One row per sample and state: entity, patient, environment, timepoint, fraction (0 to 1, empty where
        not measured). Rows in the order in which environments are drawn.
    panels
        For each state the title of its panel; the part after a line break names the parent.
    timepoints
        Values of `timepoint` in the order in which they are drawn.
    """
    measured = fractions[fractions["fraction"].notna()]
    n_columns = min(3, max(len(panels), 1))
    n_rows = -(-len(panels) // n_columns)
    figure = new_figure(9.2, 2.9 * n_rows)
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    places = _columns(fractions, timepoints)
    for axes, (state, title) in zip(grid.flat, panels.items(), strict=False):
        name, _, parent = title.partition("\n")
        axes.set_title(name, pad=16)
        part = measured[measured["entity"] == state]
        if part.empty:
            empty_note(axes, "not measured in any sample")
            continue
        _paired_axes(axes, part, places)
        _name_blocks(axes, places, timepoints)
        axes.set_ylabel(f"% of {parent}")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    return figure
