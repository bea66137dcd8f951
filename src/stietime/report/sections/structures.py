"""Structures, infiltration, proximity and niches in the reports of sections and of the cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.figures.structures import (
    infiltration_profiles,
    niche_bars,
    niche_composition,
    proximity_dumbbells,
    structure_maps,
)
from stietime.figures.style import REGION_COLOURS, colours_of
from stietime.report.blocks import Block, Box
from stietime.report.labels import label, lineage_colours, short_label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.cells import drawn_cells
from stietime.report.sections.tissue import NO_REGION, lineage_map_colours, spots_of
from stietime.report.tables import facts_table, format_percent, table
from stietime.tissue.regions.compartments import TUMOUR_LINEAGES

if TYPE_CHECKING:
    from stietime.report.results import Results

NO_NICHE: Final = "no niche"
GREY: Final = "#D0D0D0"
KIND_NAMES: Final = {"tls": "tertiary lymphoid structure", "b_cell_aggregate": "aggregate of B cells"}
# a tested pair is shown against other cells of its lineage where there are some, else of its region
BACKGROUNDS: Final = ("same lineage", "same region", "all cells")
MOST_CURVES: Final = 8
FEWEST_CELLS: Final = 30  # of a lineage, for its profile to be drawn
MOST_PAIRS: Final = 20
STRUCTURE_HEADERS: Final = {
    "x_um": "x (µm)",
    "y_um": "y (µm)",
    "n_core": "core cells",
    "n_b": "B",
    "n_t": "T",
    "n_dc": "DC",
    "b_share": "B share",
    "t_share": "T share",
    "area_mm2": "area (mm²)",
    "diameter_um": "diameter (µm)",
    "distance_to_boundary_um": "to the tumour (µm)",
}
PROXIMITY_HEADERS: Final = {
    "n_from": "cells from",
    "n_to": "cells to",
    "n_background": "cells compared with",
    "background": "compared with",
    "median_um": "median (µm)",
    "expected_um": "expected (µm)",
}
CAPSULE_SHARES: Final = (
    *("coverage", "barrier_share_at_boundary", "barrier_share_beyond"),
    *("immune_share_inside", "immune_share_at_boundary", "immune_share_beyond"),
)


def niche_label(name: str) -> str:
    """Name a niche for reading: `2: b_cell + cd4_t` becomes `2: B cell + CD4+ T`."""
    number, _, rich = name.partition(": ")
    return f"{number}: {' + '.join(label(kind) for kind in rich.split(' + '))}"


def niche_colours(results: Results) -> dict[str, str]:
    """Return the colour of each niche of the cohort by its label: the same in every section."""
    return colours_of(niche_label(name) for name in results.table("niches", ["name"])["name"])


@section("structures", "Niches, lymphoid structures and capsule")
def structures(results: Results) -> list[Block]:
    """Show the section by niche and region with its lymphoid structures outlined, and its capsule."""
    found = results.table("structures", ["structure", "kind"])
    return [_map(results, found), *_listed(results, found), *_capsule(results)]


def _map(results: Results, found: pd.DataFrame) -> Block:
    spots = spots_of(results, results.name)
    niche = results.table("section_niches", [names.CELL, "niche_name"])
    cells = results.table("structure_cells", [names.CELL, "structure", "structure_part", "in_tls"])
    spots = spots.merge(niche, on=names.CELL).merge(cells, on=names.CELL)
    spots["Niche"] = spots["niche_name"].map(niche_label, na_action="ignore").fillna(NO_NICHE)
    panels = {"Niche": niche_colours(results) | {NO_NICHE: GREY}}
    has_region = bool((spots["Region"] != NO_REGION).any())
    panels |= (
        {"Region": {**REGION_COLOURS, NO_REGION: GREY}}
        if has_region
        else {"Lineage": lineage_map_colours(spots)}
    )
    cores = spots.loc[spots["structure_part"] == "core", ["x_um", "y_um", "structure", "in_tls"]].rename(
        columns={"in_tls": "is_tls"}
    )
    drawn = drawn_cells(results, spots)
    n_tls = int((found["kind"] == "tls").sum())
    second = "region" if has_region else "lineage"
    alt = (
        f"Map of {len(drawn):,} cells coloured by {len(panels['Niche']) - 1} niches and by {second}; "
        f"{len(found)} aggregates of B cells are outlined, {n_tls} of them tertiary lymphoid structures."
    )
    caption = caption_text(
        "structure_map", has_region=has_region, n=len(spots), drawn=len(drawn),
        n_found=len(found), n_tls=n_tls,
        spatial=results.settings.spatial, options=results.settings.structures,
    )  # fmt: skip
    sources = tuple(results.link(output) for output in ("section_niches", "structure_cells"))
    return picture(structure_maps(drawn, panels, cores), alt, caption, sources)


def _listed(results: Results, found: pd.DataFrame) -> list[Block]:
    options = results.settings.structures
    if found.empty:
        told = (
            f"No place holds {options.min_b_cells} B cells or more that are at least "
            f"{options.min_b_share:.0%} of the cells around them and more than chance explains."
        )
        return [Box("note", "No aggregate of B cells", (told,))]
    shown = found.assign(kind=found["kind"].map(KIND_NAMES))
    caption = caption_text("structures", n=len(found), options=options, spatial=results.settings.spatial)
    shares = dict.fromkeys(("b_share", "t_share"), format_percent)
    sources = (results.link("structures"),)
    fold = f"Show the {len(found)} aggregates" if len(found) > 15 else ""
    return [table(shown, caption, headers=STRUCTURE_HEADERS, formats=shares, sources=sources, folded=fold)]


def _capsule(results: Results) -> list[Block]:
    row = results.table("capsule", ["capsule", "note"]).iloc[0].to_dict()
    if pd.isna(row["capsule"]):
        return [Box("note", "Capsule: not testable", (str(row["note"]),))]
    facts = {
        str(name).replace("_", " "): format_percent(value) if name in CAPSULE_SHARES else value
        for name, value in row.items()
        if name not in ("capsule", "note")
    }
    verdict = {"capsule": "yes" if str(row["capsule"]) == "True" else "no"}
    caption = caption_text("capsule", spatial=results.settings.spatial, options=results.settings.structures)
    return [facts_table(verdict | facts, caption, (results.link("capsule"),))]


@section("infiltration", "Infiltration by distance to the tumour boundary")
def infiltration(results: Results) -> list[Block]:
    """Draw who lies how deep inside the tumour or how far outside."""
    every = results.table("infiltration", ["level", "entity", "n", "share", "per_mm2"])
    if every.empty:
        why = "The section has no boundary of a tumour region, so nothing can be measured from it."
        return [Box("note", "No profile", (why,))]
    lineages = every[every["level"] == "lineage"]
    n = (
        lineages.groupby("entity")["n"]
        .sum()
        .drop([names.UNKNOWN, *TUMOUR_LINEAGES], errors="ignore")
        .sort_values(ascending=False)
    )
    chosen = list(n[n >= FEWEST_CELLS].index[:MOST_CURVES])
    shown = lineages[lineages["entity"].isin(chosen)].copy()
    shown["entity"] = shown["entity"].map(label)
    colours = colours_of([label(name) for name in chosen], lineage_colours())
    alt = f"Curves of density and share by distance to the tumour boundary for {', '.join(colours)}."
    caption = caption_text(
        "infiltration", n=int(n.sum()), n_lineages=len(chosen), fewest=FEWEST_CELLS,
        bin_um=results.settings.structures.bin_um, largest=results.settings.spatial.max_distance_um,
    )  # fmt: skip
    return [picture(infiltration_profiles(shown, colours), alt, caption, (results.link("infiltration"),))]


@section("proximity", "Who is near to tumour, vessels and each other")
def proximity(results: Results) -> list[Block]:
    """Compare nearest distances between groups with those of other cells of the section."""
    every = results.table("proximity", ["from", "to", "background", "median_um", "expected_um", "q"])
    every["pair"] = [
        f"{short_label(a)} → {short_label(b)}" for a, b in zip(every["from"], every["to"], strict=True)
    ]
    tested = every[every["q"].notna()].copy()
    rank = tested["background"].map({name: place for place, name in enumerate(BACKGROUNDS)})
    best = tested.assign(rank=rank).sort_values("rank", kind="stable").drop_duplicates("pair")
    if best.empty:
        reasons = tuple(sorted(set(every["note"].dropna()) - {""}))
        return [Box("note", "No pair can be tested", reasons)]
    alpha = results.settings.comparison.alpha
    best = best.assign(is_sure=best["q"] < alpha).nsmallest(MOST_PAIRS, "q").sort_values("median_um")
    facts = {"n": len(best), "n_all": every["pair"].nunique(), "alpha": alpha}
    told = best.iloc[0]
    alt = (
        f"Median nearest distances of {len(best)} pairs beside the expected; the nearest is {told['pair']}, "
        f"{told['median_um']:.0f} µm, expected {told['expected_um']:.0f} µm."
    )
    caption, sources = caption_text("proximity", **facts), (results.link("proximity"),)
    shown = every.drop(columns="pair")
    shown[["from", "to"]] = shown[["from", "to"]].map(short_label)
    fold = f"Show the numbers ({len(shown)} rows)"
    return [
        picture(proximity_dumbbells(best), alt, caption, sources),
        table(
            shown, "All pairs and what they were compared with.", headers=PROXIMITY_HEADERS, folded=fold,
            searchable=True, sources=sources,
        ),
    ]  # fmt: skip


@section("niches", "Niches across the sections")
def niches(results: Results) -> list[Block]:
    """Show what the niches are made of, and how much of each section they hold."""
    results.need(names.SECTION)
    found = results.table("niches", ["niche", "name", "n_cells", "jaccard"])
    numbers = results.table("niche_numbers", ["n_niches", "lowest_jaccard", "chosen"])
    options = results.settings.structures
    if found.empty:
        why = "; ".join(numbers["note"].dropna()) if "note" in numbers else ""
        return [Box("note", "No niches", (why,)), _numbers_table(numbers, results)]
    found["label"] = found["name"].map(niche_label)
    columns = [column for column in found.columns if column.startswith("share_")]
    composition = found.set_index("label")[columns]
    composition.columns = pd.Index([label(column.removeprefix("share_")) for column in columns])
    composition = composition.loc[:, composition.max() >= 0.05].rename_axis(None)
    shares = results.table("niche_shares", ["section", "niche", "share"])
    shares["niche"] = shares["niche"].map(found.set_index("niche")["label"])
    square = shares.pivot_table(index="section", columns="niche", values="share", sort=False, dropna=False)
    n_cells, told = int(found["n_cells"].sum()), "; ".join(found["label"])
    facts = {"n": len(found), "n_cells": n_cells, "n_sections": len(square), "options": options}
    alt = f"Heat map of the cell types in {len(found)} niches: {told}."
    bars = f"Bars of the shares of {len(found)} niches in {len(square)} sections."
    listed = found[["label", "n_cells", "share", "n_sections", "jaccard"]]
    return [
        picture(
            niche_composition(composition), alt, caption_text("niches", **facts), (results.link("niches"),)
        ),
        picture(
            niche_bars(square, niche_colours(results)), bars, caption_text("niche_bars", **facts),
            (results.link("niche_shares"),),
        ),
        table(
            listed, "The niches of all sections.", headers={"label": "niche"},
            formats={"share": format_percent}, sources=(results.link("niches"),),
        ),
        _numbers_table(numbers, results),
    ]  # fmt: skip


def _numbers_table(numbers: pd.DataFrame, results: Results) -> Block:
    caption = caption_text("niche_numbers", options=results.settings.structures)
    fold = f"Show the {len(numbers)} numbers of niches that were tried"
    return table(numbers, caption, folded=fold, sources=(results.link("niche_numbers"),))
