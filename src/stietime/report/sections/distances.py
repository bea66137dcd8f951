"""What is behind the enrichment of a section, and how far its cell types are from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.figures.tissue_pairs import ratio_dots
from stietime.report.blocks import Block, Box
from stietime.report.labels import label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    import pandas as pd

    from stietime.report.results import Results

MOST_PAIRS = 16
HEADERS = {
    "type": "cells of",
    "nearest_type": "to the nearest",
    "n_cells": "cells",
    "n_nearest": "of these",
    "median_um": "median (µm)",
    "median_others_um": "median of other cells (µm)",
    "share_within": "within reach",
    "share_within_others": "other cells within reach",
    "closer": "closer than other cells",
}
COLUMNS = (*HEADERS, "z", "p", "q", "note")
SHARES = dict.fromkeys(("share_within", "share_within_others"), format_percent)


@section("effects", "How strong the enrichment is, and what is behind it")
def effects(results: Results) -> list[Block]:
    """Show the ratio of the clearest pairs with its interval, and what is left of it within regions."""
    pairs = results.table("neighbourhoods", ["type_a", "type_b", "z", "log2_ratio"])
    if "log2_within" not in pairs.columns:
        return [Box("note", "Not measured", ("The table of neighbourhoods has no intervals.",))]
    known = (pairs["type_a"] != names.UNKNOWN) & (pairs["type_b"] != names.UNKNOWN)
    tested = pairs[known & pairs["z"].notna() & pairs["log2_ratio"].notna()]
    order = tested["z"].abs().sort_values(ascending=False).index[:MOST_PAIRS]
    shown = tested.loc[order].sort_values("log2_ratio", ascending=False)
    if shown.empty:
        return [Box("note", "No pair of types can be drawn", ("No pair of types is testable.",))]
    spatial = results.settings.spatial
    both = [f"{label(a)} – {label(b)}" for a, b in zip(shown["type_a"], shown["type_b"], strict=True)]  # noqa: RUF001
    caption = caption_text("effects", n=len(shown), n_all=len(pairs), spatial=spatial)
    alt = f"Ratios of the {len(shown)} clearest pairs with intervals; the highest: {both[0]}."
    figure = ratio_dots(shown.assign(pair=both))
    return [picture(figure, alt, caption, (results.link("neighbourhoods"),))]


@section("distances", "How far to the nearest cell")
def distances(results: Results) -> list[Block]:
    """Show the nearest distances between types, and whether they are shorter than those of other cells."""
    near = results.table("nearest_distances", ["type", "nearest_type", "median_um", "z"])
    order = near["z"].abs().sort_values(ascending=False, na_position="last").index
    shown: pd.DataFrame = near.loc[order, [name for name in COLUMNS if name in near.columns]]
    shown = shown.assign(type=shown["type"].map(label), nearest_type=shown["nearest_type"].map(label))
    caption = caption_text("nearest", n=len(near), radius=results.settings.spatial.radius_um)
    fold = f"Show the distances ({len(near)} ordered pairs)"
    sources = (results.link("nearest_distances"), results.link("cross_k"))
    return [
        table(shown, caption, headers=HEADERS, formats=SHARES, folded=fold, searchable=True, sources=sources)
    ]
