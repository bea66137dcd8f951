"""Tissue sections in the report of the cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stietime import names
from stietime.figures.style import colours_of
from stietime.figures.tissue import section_thumbnail
from stietime.report.blocks import Block, Box, Gallery, Picture
from stietime.report.labels import label, lineage_colours
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.cells import drawn_cells
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    from stietime.report.results import Results

NO_REGION = "no tumour region"
THUMBNAIL_PIXELS_PER_INCH = 110
TISSUE_COLUMNS = (
    *("section", "patient", "class", "class_keren", "class_phenotype", "published_class", "agrees"),
    *("confidence", "mixing_score", "n_tumour_immune_contacts", "n_immune_immune_contacts", "infiltration"),
    *("immune_share", "immune_per_mm2", "n_cells", "n_tumour", "n_immune", "area_mm2", "n_isolated", "note"),
)
HEADERS = {
    "class_keren": "class (Keren 2018)",
    "class_phenotype": "class (immune phenotype)",
    "immune_per_mm2": "immune cells per mm²",
    "infiltration": "immune share inside tumour",
    "immune_share": "immune share of all cells",
    "area_mm2": "area (mm²)",
    "n_isolated": "isolated cells",
    "n_cells": "cells",
    "n_tumour": "tumour cells",
    "n_immune": "immune cells",
    "n_tumour_immune_contacts": "tumour-immune contacts",
    "n_immune_immune_contacts": "immune-immune contacts",
    "contact_um": "touching within (µm)",
    "mixed_above": "mixed from a mixing score of",
    "cold_below_immune_per_mm2": "cold below immune cells per mm²",
    "infiltrated_above": "infiltrated from an immune share inside of",
    "desert_below": "desert below an immune share of",
}
SHARES = dict.fromkeys(("infiltration", "immune_share"), format_percent)


def spots_of(results: Results, name: str) -> pd.DataFrame:
    """Read the places of a section's cells, names and regions in words.

    Parameters
    ----------
    results
        The results of a run.
    name
        The section.

    Returns
    -------
    One row per cell: x_um, y_um, Lineage, Region, and the further columns of the table.
    """
    spots = results.table("spots", name=name)
    if names.LINEAGE not in spots.columns:
        types = results.table("section_cell_types", [names.CELL, names.LINEAGE], name=name)
        spots = spots.merge(types, on=names.CELL, how="left")
    spots["Lineage"] = spots[names.LINEAGE].fillna(names.UNKNOWN).astype(str).map(label)
    region = (
        spots["region"] if "region" in spots.columns else pd.Series(None, index=spots.index, dtype=object)
    )
    spots["Region"] = (
        region.astype(object).where(region.notna(), NO_REGION).replace("", NO_REGION).astype(str)
    )
    return spots


def lineage_map_colours(spots: pd.DataFrame) -> dict[str, str]:
    """Return the colours of the lineages of a section, in the order of legends."""
    known = lineage_colours()
    order = [name for name in known if (spots["Lineage"] == name).any()]
    return colours_of([*order, *sorted(set(spots["Lineage"]) - set(order))], known)


@section("sections", "Tissue sections")
def sections(results: Results) -> list[Block]:
    """Show a small map of every section, and their architecture side by side."""
    results.need(names.SECTION)
    every = results.table("sections", ["section", "class"])
    listed = list(results.rows(names.SECTION)[names.SAMPLE])
    present = [name for name in listed if results.has("spots", name)]
    shown = present[: results.settings.report.max_sections_drawn]
    lost = [name for name in listed if name not in present]
    blocks: list[Block] = []
    if lost:
        reason = f"No table of places: {', '.join(lost)}."
        blocks.append(
            Box(
                "warning",
                "Sections without results",
                (reason, results.log_hint(str(results.path("spots", lost[0])))),
            )
        )
    classes = dict(zip(every["section"].astype(str), every["class"].fillna("not testable"), strict=True))
    items = tuple(_thumbnail(results, name, str(classes.get(name, ""))) for name in shown)
    present_lineages = {name for one in shown for name in spots_of(results, one)["Lineage"]}
    legend = tuple((name, colour) for name, colour in lineage_colours().items() if name in present_lineages)
    blocks.append(Gallery(items, caption_text("thumbnails", n=len(shown), n_all=len(listed)), legend))
    frame = every[[column for column in TISSUE_COLUMNS if column in every.columns]]
    links = {"section": lambda name: f"{name}.html"}
    caption = caption_text("architecture", n=len(every), spatial=results.settings.spatial)
    sources = (results.link("sections"),)
    return [*blocks, table(frame, caption, headers=HEADERS, formats=SHARES, links=links, sources=sources)]


def _thumbnail(results: Results, name: str, kind: str) -> tuple[Picture, str, str]:
    spots = drawn_cells(results, spots_of(results, name))
    figure = section_thumbnail(spots, "Lineage", lineage_map_colours(spots))
    alt = f"Map of section {name}: {len(spots):,} cells coloured by lineage, class {kind}."
    small = picture(figure, alt, "", pixels_per_inch=THUMBNAIL_PIXELS_PER_INCH)
    return small, f"{name}.html", f"{name}: {kind}"


def square_of_pairs(pairs: pd.DataFrame, types: list[str], column: str) -> pd.DataFrame:
    """Make a square of types, by their labels, from a table of unordered pairs.

    Parameters
    ----------
    pairs
        One row per pair: type_a, type_b and the column.
    types
        The types, in order.
    column
        The column to show.
    """
    there = pairs[["type_a", "type_b", column]]
    back = there.rename(columns={"type_a": "type_b", "type_b": "type_a"})
    both = pd.concat([there, back]).drop_duplicates(["type_a", "type_b"])
    square = both.pivot_table(index="type_a", columns="type_b", values=column, dropna=False)
    return square.reindex(index=types, columns=types).rename(index=label, columns=label)
