"""The report of a section of spots: shares of types, neighbouring types, genes that vary in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stietime import names
from stietime.figures.spots import share_maps
from stietime.figures.style import REGION_COLOURS, colours_of
from stietime.figures.tissue import enrichment_heatmap, section_maps
from stietime.report.blocks import Block, Box, Text
from stietime.report.labels import label
from stietime.report.pictures import caption_text, picture
from stietime.report.results import ingest_facts
from stietime.report.section_makers import section
from stietime.report.sections.tissue import NO_REGION, lineage_map_colours, spots_of, square_of_pairs
from stietime.report.tables import MISSING, facts_table, format_percent, table

if TYPE_CHECKING:
    from stietime.report.results import Results

N_GENES = 40
SHARE = "share_"
HOTSPOT_HEADERS = {
    "hotspot": "hot spot",
    "n_spots": "spots",
    "area_mm2": "area (mm²)",
    "b_share": "B cells (RNA)",
    "t_share": "T cells (RNA)",
    "dc_share": "dendritic cells (RNA)",
    "signature": "signature",
    "signature_elsewhere": "elsewhere",
    "z_signature": "z (signature)",
    "z_lymphoid": "z (B with T)",
    "distance_to_boundary_um": "from the tumour's boundary (µm)",
}


def _facts(results: Results) -> tuple[float, float]:
    read = ingest_facts(results.path("section_counts"))
    return float(read.get("spot_pitch_um", 100)), float(read.get("spot_diameter_um", 55))


@section("map", "Map of the section")
def spot_map(results: Results) -> list[Block]:
    """Show the regions, and what most of each spot is."""
    spots = spots_of(results, results.name)
    regions = colours_of([*REGION_COLOURS, NO_REGION], {**REGION_COLOURS, NO_REGION: "#D0D0D0"})
    spots["Most of its RNA"] = spots["Lineage"]
    panels = {"Region": regions, "Most of its RNA": lineage_map_colours(spots)}
    inside = float((spots["Region"] == "tumour").mean())
    pitch, diameter = _facts(results)
    alt = f"Map of {len(spots):,} spots coloured by region ({inside:.0%} tumour) and by their dominant type."
    caption = caption_text("spot_map", n=len(spots), pitch=pitch, diameter=diameter)
    return [picture(section_maps(spots, panels), alt, caption, (results.link("spots"),))]


@section("proportions", "Cell types in the spots")
def proportions(results: Results) -> list[Block]:
    """Show the share of every type as a map, and by region as a table."""
    parts = results.table("proportions")
    shares = [name for name in parts.columns if name.startswith(SHARE)]
    order = parts[shares].mean().sort_values(ascending=False).index
    places = results.table("spots", [names.CELL, "x_um", "y_um", "region"])
    spots = places.merge(parts, on=names.CELL, how="left")
    titles = {str(name): label(str(name).removeprefix(SHARE)) for name in order}
    told = ", ".join(f"{titles[str(name)]} {parts[name].mean():.0%}" for name in order[:3])
    alt = f"One map per cell type of its share in each spot; on average {told}."
    caption = caption_text("spot_shares", n=int(parts[order[0]].notna().sum()), n_all=len(parts))
    drawing = picture(
        share_maps(spots, titles, diameter_um=_facts(results)[0]),
        alt,
        caption,
        (results.link("proportions"),),
    )
    rows = [_row_of_type(spots, str(name).removeprefix(SHARE)) for name in order]
    formats = dict.fromkeys(
        ["of the RNA", "of the cells", "in tumour", "outside", "median error"], format_percent
    )
    caption = caption_text("spot_types", n=len(spots))
    return [
        drawing,
        table(pd.DataFrame(rows), caption, formats=formats, sources=(results.link("proportions"),)),
    ]


def _row_of_type(spots: pd.DataFrame, name: str) -> dict[str, object]:
    inside = spots["region"] == "tumour"
    share, cells = spots[f"{SHARE}{name}"], f"cells_{name}"
    return {
        "cell type": label(name),
        "of the RNA": share.mean(),
        "of the cells": spots[cells].mean() if cells in spots.columns else None,
        "in tumour": share[inside].mean() if inside.any() else None,
        "outside": share[~inside].mean() if (~inside).any() else None,
        "median error": spots[f"error_{name}"].median(),
    }


@section("architecture", "Architecture")
def spot_architecture(results: Results) -> list[Block]:
    """Show the class of the section with the shares that decide it."""
    row = results.table("architecture", ["class", "infiltration", "immune_share"]).iloc[0]
    named = {
        "class": row["class"] if isinstance(row["class"], str) else "not testable",
        "confidence": row["confidence"],
        "immune share inside tumour regions": format_percent(row["infiltration"]),
        "immune share of the section": format_percent(row["immune_share"]),
        "spots": row["n_cells"],
        "spots inside tumour regions": row["n_inside"],
        "spots that are mostly immune": row["n_immune"],
        "spots without a neighbour": row["n_isolated"],
        "area (mm²)": row["area_mm2"],
        "note": row["note"],
    }
    caption = f"Scores of this section (n = {row['n_cells']} spots); shares are those of cells where known."
    text = caption_text("spot_classes", spatial=results.settings.spatial)
    return [Text(text), facts_table(named, caption, (results.link("architecture"),))]


@section("lymphoid-hotspots", "Lymphoid hot spots")
def hotspots(results: Results) -> list[Block]:
    """Show where B cells, T cells and the signature of tertiary lymphoid structures concentrate together."""
    # scipy takes half a second, which pages of cells do without
    from stietime.tissue.structures.lymphoid_spots import ALPHA

    found = results.table("lymphoid_hotspots", ["hotspot", "n_spots", "b_share", "t_share"])
    row = results.table("architecture", ["n_hotspots", "note"]).iloc[0]
    if pd.isna(row["n_hotspots"]):
        return [Box("note", "Not testable", (str(row["note"]),))]
    options = results.settings.structures
    spots = results.table("spots", [names.CELL, "x_um", "y_um", "hotspot", "z_signature", "z_lymphoid"])
    panels = {"z_lymphoid": "B with T cells, z", "z_signature": "signature of structures, z"}
    inside = (spots["hotspot"] > 0).to_numpy(dtype=bool)
    alt = (
        f"Maps of {len(spots):,} spots: {len(found)} lymphoid hot spots ({inside.sum()} spots) are outlined."
    )
    facts = {"n": len(spots), "n_found": len(found), "options": options, "alpha": ALPHA}
    caption = caption_text("lymphoid_hotspots", **facts)
    drawing = picture(
        share_maps(
            spots.assign(**{name: spots[name].clip(lower=0) for name in panels}), panels,
            diameter_um=_facts(results)[0], plain=panels, outlined=inside,
        ),
        alt, caption, (results.link("spots"),),
    )  # fmt: skip
    if found.empty:
        told = "In no place do B cells, T cells and the signature concentrate together beyond chance."
        return [drawing, Box("note", "No lymphoid hot spot", (told,))]
    formats = dict.fromkeys(("b_share", "t_share", "dc_share"), format_percent)
    listed = "Means over the spots of each hot spot; largest z, smallest q."
    sources = (results.link("lymphoid_hotspots"),)
    return [drawing, table(found, listed, headers=HOTSPOT_HEADERS, formats=formats, sources=sources)]


@section("neighbouring-types", "Which types lie in neighbouring spots")
def neighbouring_types(results: Results) -> list[Block]:
    """Show the bivariate Moran's I of every pair of types."""
    pairs = results.table("proportion_pairs", ["type_a", "type_b", "moran", "z", "q", "correlation"])
    types = sorted({*pairs["type_a"], *pairs["type_b"]})
    if pairs["moran"].notna().sum() == 0:
        return [Box("note", "Not testable", tuple(pairs["note"].dropna().unique()))]
    values, q = (square_of_pairs(pairs, types, column) for column in ("moran", "q"))
    alpha = results.settings.comparison.alpha
    marks = q.map(lambda value: "*" if value < alpha else "").where(values.notna(), MISSING)
    strongest = pairs[pairs["type_a"] != pairs["type_b"]].sort_values("moran").tail(3)
    both = zip(strongest["type_a"], strongest["type_b"], strict=True)
    told = ", ".join(f"{label(a)} with {label(b)}" for a, b in both)
    alt = f"Heat map of how the shares of {len(types)} types go together in neighbouring spots; most: {told}."
    figure = enrichment_heatmap(values, marks, limit=0.5, title="Moran's I (bivariate)")
    caption = caption_text("spot_pairs", n=int(pairs["n_spots"].max()), alpha=alpha)
    shown = pairs.reindex(pairs["z"].abs().sort_values(ascending=False).index)
    shown = shown.assign(type_a=shown["type_a"].map(label), type_b=shown["type_b"].map(label))
    fold = f"Show the numbers ({len(pairs)} pairs)"
    sources = (results.link("proportion_pairs"),)
    return [
        picture(figure, alt, caption, sources),
        table(shown, "All pairs, the strongest first.", folded=fold, searchable=True, sources=sources),
    ]


@section("variable-genes", "Genes that vary in space")
def variable_genes(results: Results) -> list[Block]:
    """List the genes whose neighbouring spots are most alike."""
    genes = results.table("spatially_variable_genes", ["gene", "moran_i", "z", "q"])
    varying = int((genes["q"] < results.settings.comparison.alpha).sum())
    text = f"{varying:,} of {len(genes):,} genes are more alike in neighbouring spots than by chance."
    caption = f"The {min(N_GENES, len(genes))} genes with the highest Moran's I."
    sources = (results.link("spatially_variable_genes"),)
    return [Text(text), table(genes.head(N_GENES), caption, searchable=True, sources=sources)]
