"""Figures of tissue structures: outlines, infiltration profiles, proximity and niches; micrometres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.figures.style import CATEGORIES, FAINT, INK, MUTED, WARNING, new_figure, styled
from stietime.figures.tissue import section_maps

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUTLINE_PIXEL_UM: Final = 20.0
LINE_STYLES: Final = ("-", "--", "-.", ":")


def structure_maps(
    spots: pd.DataFrame, panels: Mapping[str, Mapping[str, str]], cores: pd.DataFrame
) -> Figure:
    """Draw a section once per column, with every lymphoid structure outlined and numbered.

    Parameters
    ----------
    spots, panels
        See `stietime.figures.tissue.section_maps`.
    cores
        One row per cell in the core of a structure: x_um, y_um, structure and is_tls; others are dashed.
    """
    figure = section_maps(spots, panels, legend_columns=1)
    for axes in figure.axes[: len(panels)]:
        limits = axes.get_xlim(), axes.get_ylim()
        for name, core in cores.groupby("structure", sort=False):
            _outline(axes, core, str(name))
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])
    return figure


def _outline(axes: Axes, core: pd.DataFrame, name: str) -> None:
    """Draw the line around the cells of a core, one square of 20 um outside of them."""
    places = core[["x_um", "y_um"]].to_numpy(dtype=float)
    corner = places.min(axis=0) - 4 * OUTLINE_PIXEL_UM
    n_squares = np.ceil((places.max(axis=0) - corner) / OUTLINE_PIXEL_UM).astype(int) + 4
    edges = [corner[i] + OUTLINE_PIXEL_UM * np.arange(n_squares[i] + 1) for i in (0, 1)]
    held, _, _ = np.histogram2d(places[:, 0], places[:, 1], bins=edges)
    smooth = (held > 0).astype(float)
    for axis in (0, 1, 0, 1):  # the margin is empty, so that nothing comes in from the other side
        smooth = (np.roll(smooth, -1, axis) + 2 * smooth + np.roll(smooth, 1, axis)) / 4
    middles = [(edge[:-1] + edge[1:]) / 2 for edge in edges]
    line = "solid" if bool(core["is_tls"].iloc[0]) else "dashed"
    axes.contour(*middles, smooth.T, levels=[0.3], colors=INK, linewidths=1.2, linestyles=line)
    x, y = places[:, 0].max(), places[:, 1].min()
    axes.annotate(name, (x, y), xytext=(2, 2), textcoords="offset points", fontsize=8, fontweight="bold")


@styled
def infiltration_profiles(profiles: pd.DataFrame, colours: Mapping[str, str]) -> Figure:
    """Draw the density and the share of each group of cells by signed distance to the boundary.

    Parameters
    ----------
    profiles
        One row per group and bin: entity (text), from_um, to_um, per_mm2, share.
    colours
        Colour of each entity, in the order of the legend.
    """
    figure = new_figure(10.2, 3.6)
    panels = figure.subplots(1, 2)
    for axes, (column, text) in zip(
        panels, (("per_mm2", "cells per mm² of tissue"), ("share", "share of the cells")), strict=True
    ):
        for i, (entity, colour) in enumerate(colours.items()):
            curve = profiles[profiles["entity"] == entity]
            middle = (curve["from_um"] + curve["to_um"]) / 2
            style = LINE_STYLES[i % len(LINE_STYLES)]
            axes.plot(middle, curve[column], color=colour, ls=style, lw=1.8, label=entity)
        axes.axvline(0, color=MUTED, lw=0.9)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("inside  ←  distance to the tumour boundary (µm)  →  outside")
        axes.set_ylabel(text)
        axes.grid(axis="y")
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def proximity_dumbbells(pairs: pd.DataFrame) -> Figure:
    """Draw the median nearest distance of each pair beside the one expected, nearest first.

    Parameters
    ----------
    pairs
        One row per pair: pair (text), median_um, expected_um, is_sure (drawn filled).
    """
    figure = new_figure(8.2, 0.9 + 0.27 * len(pairs))
    axes = figure.subplots()
    places = np.arange(len(pairs))[::-1]
    axes.hlines(places, pairs["expected_um"], pairs["median_um"], color=FAINT, lw=2.2, zorder=1)
    axes.scatter(pairs["expected_um"], places, marker="|", s=90, color=INK, label="expected", zorder=2)
    for sure, label in ((True, "found"), (False, "found, not significant")):
        some = (pairs["is_sure"] == sure).to_numpy()
        nearer = (pairs["median_um"] < pairs["expected_um"]).to_numpy()[some]
        edge = [CATEGORIES[0] if near else WARNING for near in nearer]
        axes.scatter(
            pairs["median_um"].to_numpy()[some], places[some], s=36, edgecolors=edge,
            c=edge if sure else "white", linewidths=1.3, label=label, zorder=3,
        )  # fmt: skip
    axes.set_yticks(places, list(pairs["pair"]))
    axes.set_xlim(left=0)
    axes.set_xlabel("median distance to the nearest cell (µm)")
    axes.grid(axis="x")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def niche_composition(composition: pd.DataFrame) -> Figure:
    """Draw the share of each cell type in each niche.

    Parameters
    ----------
    composition
        Niches x types, 0 to 1, names for reading.
    """
    figure = new_figure(3.4 + 0.36 * composition.shape[1], 2.6 + 0.36 * len(composition))
    axes = figure.subplots()
    values = composition.to_numpy(dtype=float)
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=max(0.5, float(values.max(initial=0))))
    for (row, column), value in np.ndenumerate(values):
        if value >= 0.05:
            colour = "white" if value > 0.45 else INK
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(
        range(composition.shape[1]),
        list(composition.columns),
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(composition)), list(composition.index))
    axes.tick_params(length=0)
    for edge in axes.spines.values():
        edge.set_visible(False)
    figure.colorbar(image, ax=axes).set_label("share")
    return figure


@styled
def niche_bars(shares: pd.DataFrame, colours: Mapping[str, str]) -> Figure:
    """Draw the shares of the niches in each section as bars that sum to one.

    Parameters
    ----------
    shares
        Sections x niches, 0 to 1, sections in the order they are drawn.
    colours
        Colour of each niche, in the order of the legend.
    """
    figure = new_figure(9.2, 1.1 + 0.24 * len(shares))
    axes = figure.subplots()
    places = np.arange(len(shares))[::-1]
    start = np.zeros(len(shares))
    for niche, colour in colours.items():
        width = shares[niche].fillna(0).to_numpy(dtype=float)
        axes.barh(places, width, left=start, color=colour, height=0.8, label=niche)
        start += width
    axes.set_yticks(places, list(shares.index))
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the section's cells with a niche")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
