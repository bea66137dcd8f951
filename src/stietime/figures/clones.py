"""Figures of clones: indices by type, sharing with blood, where new clones come from; patients as points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.figures.style import ACCENT, FAINT, INK, MUTED, WARNING, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OLD, FROM_BLOOD, NEW = "#B8BEC4", "#D55E00", "#0072B2"
ORIGINS: Final = (
    ("old", OLD, "clones of the tumour before"),
    ("from_blood", FROM_BLOOD, "new, seen in blood before"),
    ("new", NEW, "new, not seen in blood before"),
)


@styled
def indices_by_type(values: pd.DataFrame, order: list[str], titles: Mapping[str, str]) -> Figure:
    """Draw one panel per index: a row per type, a point per patient, a bar at their mean.

    Parameters
    ----------
    values
        One row per patient, type and index: label (of the type), index, value.
    order
        Labels of the types from top to bottom.
    titles
        Heading of each index, in the order of the panels.
    """
    figure = new_figure(9.2, 1.2 + 0.27 * max(len(order), 3))
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (index, title) in zip(panels, titles.items(), strict=True):
        own = values[values["index"] == index]
        for position, label in enumerate(order):
            _points(axes, position, own.loc[own["label"] == label, "value"].to_numpy(dtype=float))
        axes.set_title(title)
        axes.set_xlim(left=-0.02 * max(1e-9, axes.get_xlim()[1]))
        axes.grid(axis="x")
    panels[0].set_yticks(range(len(order)), order, fontsize=8)
    panels[0].set_ylim(len(order) - 0.4, -0.6)
    return figure


def _points(axes: Axes, position: int, values: np.ndarray) -> None:
    """Draw the patients of a row, spread a little so that equal values show."""
    if not len(values):
        return
    spread = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
    axes.scatter(values, position + spread, s=11, color=ACCENT, alpha=0.55, linewidths=0)
    axes.vlines(values.mean(), position - 0.36, position + 0.36, color=INK, lw=2)


@styled
def sharing_dumbbells(patients: pd.DataFrame) -> Figure:
    """Draw, for every patient, the share of tumour cells in clones of the blood, beside that by chance.

    Parameters
    ----------
    patients
        One row per patient in the order to draw: label, value and expected (0 to 1).
    """
    figure = new_figure(8.6, 1.1 + 0.25 * max(len(patients), 3))
    axes = figure.subplots()
    positions = np.arange(len(patients))
    found, chance = (100 * patients[name].to_numpy(dtype=float) for name in ("value", "expected"))
    axes.hlines(positions, np.minimum(found, chance), np.maximum(found, chance), color=FAINT, lw=2)
    axes.scatter(chance, positions, s=42, color="white", edgecolors=MUTED, linewidths=1.3, zorder=3,
                 label="were cells dealt to blood and tumour within their type")  # fmt: skip
    axes.scatter(found, positions, s=30, color=WARNING, linewidths=0, zorder=4, label="found")
    axes.set_yticks(positions, list(patients["label"]), fontsize=8)
    axes.set_ylim(len(patients) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("tumour cells in clones that are also in the blood (%)")
    axes.grid(axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure


@styled
def origins_of_clones(patients: pd.DataFrame) -> Figure:
    """Draw, for every patient, the cells of the tumour after treatment by where their clones were before.

    Parameters
    ----------
    patients
        One row per patient in the order to draw: label, old, from_blood and new (shares that add up to 1;
        from_blood is missing where blood was not measured), expected (share new by chance).
    """
    figure = new_figure(8.6, 1.1 + 0.3 * max(len(patients), 3))
    axes = figure.subplots()
    positions = np.arange(len(patients))
    left = np.zeros(len(patients))
    for name, colour, label in ORIGINS:
        width = 100 * patients[name].fillna(0.0).to_numpy(dtype=float)
        axes.barh(positions, width, left=left, color=colour, height=0.7, label=label)
        left += width
    chance = 100 * (1 - patients["expected"].to_numpy(dtype=float))
    axes.vlines(chance, positions - 0.42, positions + 0.42, color=INK, lw=1.6, linestyles="--",
                label="end of the grey by chance")  # fmt: skip
    axes.set_yticks(positions, list(patients["label"]), fontsize=8)
    axes.set_ylim(len(patients) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("cells of the tumour after treatment (%)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure
