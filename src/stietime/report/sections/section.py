"""The report of one tissue section."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.figures.section_quality import REASON_COLOURS, measured_metrics, section_histograms
from stietime.figures.style import REGION_COLOURS, colours_of
from stietime.figures.tissue import co_occurrence_curves, enrichment_heatmap, section_maps
from stietime.report.blocks import Block, Box, Text
from stietime.report.labels import label, lineage_colours, reason_label
from stietime.report.pictures import caption_text, picture
from stietime.report.results import ingest_facts
from stietime.report.section_makers import section
from stietime.report.sections.cells import drawn_cells
from stietime.report.sections.tissue import (
    HEADERS,
    NO_REGION,
    SHARES,
    TISSUE_COLUMNS,
    lineage_map_colours,
    spots_of,
    square_of_pairs,
)
from stietime.report.tables import MISSING, facts_table, format_percent, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.report.results import Results

MOST_TYPES = 22
# pairs a reader asks for first, by lineage: tumour and its neighbours, then immune cells among themselves
KEY_PAIRS = (
    ("epithelial", "t_cell"),
    ("epithelial", "macrophage"),
    ("t_cell", "macrophage"),
    ("b_cell", "t_cell"),
    ("epithelial", "fibroblast"),
    ("epithelial", "epithelial"),
)
N_CURVES = 6
FEWEST_PAIRS = 10  # of cells, for a distance of a curve to be drawn
METRIC_NAMES = {
    "n_counts": "counts",
    "n_genes": "genes",
    "pct_negative": "control probes (%)",
    "area_um2": "area (µm²)",
    "counts_per_100um2": "counts per 100 µm²",
    "nucleus_ratio": "nucleus / cell area",
    "pct_mito": "mitochondrial counts (%)",
}
METRIC_HEADERS = {"n_cells": "cells measured", "n_removed": "removed", "mad": "MAD"}
CUT_COLUMNS = ("metric", "lower", "upper", "median", "mad", "n_cells", "n_removed", "note")
CUTS_CAPTION = "Cuts of the section; MAD is that of the logarithm. Every dropped cell is counted in one row."


@section("map", "Map of the section")
def section_map(results: Results) -> list[Block]:
    """Show the section coloured by lineage and by region."""
    every = spots_of(results, results.name)
    spots = drawn_cells(results, every)
    regions = colours_of([*REGION_COLOURS, NO_REGION], {**REGION_COLOURS, NO_REGION: "#D0D0D0"})
    panels = {"Lineage": lineage_map_colours(spots), "Region": regions}
    shares = every["Lineage"].value_counts(normalize=True)
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.head(3).items())
    alt = f"Map of {len(spots):,} cells coloured by lineage ({told}) and by region."
    caption = caption_text("map", n=len(every), drawn=len(spots), spatial=results.settings.spatial)
    return [picture(section_maps(spots, panels), alt, caption, (results.link("spots"),))]


@section("architecture", "Architecture")
def architecture(results: Results) -> list[Block]:
    """Show the class of the section with the scores and the cuts that decide it."""
    first = results.table("architecture", ["class"]).iloc[0]
    row = {str(name): value for name, value in first.items()}
    wanted = [column for column in TISSUE_COLUMNS if column in row and column != "section"]
    facts = {HEADERS.get(name, name.replace("_", " ")): _fact(name, row[name]) for name in wanted}
    spatial = results.settings.spatial
    cuts = {HEADERS[name]: value for name, value in spatial.model_dump().items() if name in HEADERS}
    caption = f"Scores of this section (n = {row.get('n_cells', 'all')} cells)."
    return [
        Text(caption_text("classes", spatial=spatial)),
        facts_table(facts, caption, (results.link("architecture"),)),
        facts_table(cuts, "Cut values of the settings (distances in µm)."),
        *_isolated(results, row),
    ]


def _fact(name: str, value: object) -> object:
    return SHARES[name](value) if name in SHARES and isinstance(value, float) else value


def _isolated(results: Results, row: dict[str, object]) -> list[Block]:
    n = row.get("n_isolated")
    if n is None or n != n:  # noqa: PLR0124 - nan is not itself
        return []
    radius = results.settings.spatial.radius_um
    some = f"{n:,} cells have no neighbour within {radius:g} µm. They are counted, but touch no other."
    text = some if n else f"None: every cell has a neighbour within {radius:g} µm."
    return [Box("note", "Isolated cells", (text,))]


@section("neighbourhoods", "Neighbourhoods: who lies beside whom")
def neighbourhoods(results: Results) -> list[Block]:
    """Enrichment of each pair of types among neighbours, exact."""
    pairs = results.table("neighbourhoods", ["type_a", "type_b", "observed", "expected", "z", "q"])
    if "log2_ratio" not in pairs.columns:
        positive = pairs["observed"].where(pairs["observed"] > 0) / pairs["expected"].where(
            pairs["expected"] > 0
        )
        pairs["log2_ratio"] = np.log2(positive)
    types = _frequent_types(results, sorted({*pairs["type_a"], *pairs["type_b"]}))
    alpha = results.settings.comparison.alpha
    ratios, q = (square_of_pairs(pairs, types, column) for column in ("log2_ratio", "q"))
    marks = q.map(lambda value: "*" if value < alpha else "")
    marks = marks.where(ratios.notna(), MISSING)
    tested = int(pairs["z"].notna().sum())
    facts = {"tested": tested, "n": len(pairs), "alpha": alpha, "radius": results.settings.spatial.radius_um}
    strongest = pairs[pairs["log2_ratio"].notna()].sort_values("log2_ratio")
    ends = zip(strongest["type_a"].tail(2), strongest["type_b"].tail(2), strict=True)
    told = ", ".join(f"{label(a)} with {label(b)}" for a, b in ends) or "none"
    alt = f"Heat map of the neighbourhood enrichment of {len(types)} types; most enriched: {told}."
    drawing = picture(
        enrichment_heatmap(ratios, marks),
        alt,
        caption_text("enrichment", **facts),
        (results.link("neighbourhoods"),),
    )
    return [drawing, _pairs_table(pairs, results)]


def _pairs_table(pairs: pd.DataFrame, results: Results) -> Block:
    order = pairs["z"].abs().sort_values(ascending=False, na_position="last").index
    shown = pairs.loc[order].copy()
    shown[["type_a", "type_b"]] = shown[["type_a", "type_b"]].map(label)
    caption = caption_text("pairs", n=len(pairs), radius=results.settings.spatial.radius_um)
    headers = {"radius_um": "radius (µm)", "log2_ratio": "log2 observed / expected"}
    fold = f"Show the numbers ({len(pairs)} pairs)"
    sources = (results.link("neighbourhoods"),)
    return table(shown, caption, headers=headers, folded=fold, searchable=True, sources=sources)


def _frequent_types(results: Results, types: list[str]) -> list[str]:
    """Keep the types that fit a figure, the most frequent ones, in the order of the lineages."""
    spots = results.table("spots", [names.LINEAGE, names.CELL_TYPE])
    if len(types) > MOST_TYPES:
        frequent = set(spots[names.CELL_TYPE].value_counts().index[:MOST_TYPES])
        types = [name for name in types if name in frequent]
    lineage = dict(zip(spots[names.CELL_TYPE].astype(str), spots[names.LINEAGE].astype(str), strict=True))
    places = {name: place for place, name in enumerate(lineage_colours())}
    return sorted(types, key=lambda name: (places.get(label(lineage.get(name) or name), len(places)), name))


@section("co-occurrence", "Co-occurrence by distance")
def co_occurrence(results: Results) -> list[Block]:
    """How much likelier than by chance the types of key pairs are found within each distance."""
    every = results.table("co_occurrence", ["type_a", "type_b", "distance_um", "ratio"])
    if "n_pairs" in every.columns:
        every = every[every["n_pairs"] >= FEWEST_PAIRS]
    curves = _key_curves(every[every["ratio"].notna()], results)
    if curves.empty:
        return [Box("note", "No pair of types can be drawn", ("No two cell types occur near each other.",))]
    alt = f"Curves of the co-occurrence ratio by distance for {curves['pair'].nunique()} pairs of cell types."
    facts = {"n": curves["pair"].nunique(), "fewest": FEWEST_PAIRS}
    caption = caption_text("co_occurrence", spatial=results.settings.spatial, **facts)
    return [picture(co_occurrence_curves(curves), alt, caption, (results.link("co_occurrence"),))]


def _key_curves(every: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Choose the pairs to draw: the most frequent types of each key pair of lineages, then frequent types."""
    spots = results.table("spots", [names.LINEAGE, names.CELL_TYPE])
    known = spots[spots[names.LINEAGE] != names.UNKNOWN]
    top = {str(k): str(part.mode().iloc[0]) for k, part in known.groupby(names.LINEAGE)[names.CELL_TYPE]}
    frequent = [name for name in spots[names.CELL_TYPE].value_counts().index if name != names.UNKNOWN][:4]
    wanted = [(top[a], top[b]) for a, b in KEY_PAIRS if a in top and b in top]
    wanted += [(a, b) for i, a in enumerate(frequent) for b in frequent[i:]]
    chosen = list(dict.fromkeys(tuple(sorted(pair)) for pair in wanted))[:N_CURVES]
    key = [tuple(sorted(pair)) for pair in zip(every["type_a"], every["type_b"], strict=True)]
    pair = pd.Series(key, index=every.index)
    found = every[pair.isin(chosen)].assign(pair=pair)
    found["_order"] = found["pair"].map(chosen.index)
    found["pair"] = found["pair"].map(lambda both: f"{label(both[0])} – {label(both[1])}")  # noqa: RUF001
    return found.drop_duplicates(["pair", "distance_um"]).sort_values(["_order", "distance_um"])


@section("facts", "What this section is")
def section_facts(results: Results) -> list[Block]:
    """Show the row of the sample sheet, and what was noted when the section was read."""
    row = results.row
    read = ingest_facts(results.path("section_counts"))
    notes = [
        Box("note", "Cell types only", ("The file holds cell types and no genes, so no score can be made.",))
    ]
    return [
        facts_table(row, "This section in the sample sheet."),
        *(notes if read["n_genes"] == 0 else []),
        facts_table(read, "What was read.", (results.link("section_counts"),)),
    ]


@section("cell-types", "Cell types")
def section_cell_types(results: Results) -> list[Block]:
    """Count the cells of each type."""
    spots = spots_of(results, results.name)
    inside = spots.assign(inside=spots["Region"] == "tumour").groupby(["Lineage", names.CELL_TYPE])["inside"]
    groups = inside.agg(["size", "sum"]).set_axis(["cells", "inside tumour regions"], axis=1).reset_index()
    groups[names.CELL_TYPE] = groups[names.CELL_TYPE].map(label)
    groups.insert(3, "share", groups["cells"] / len(spots))
    caption = f"Cell types of this section (n = {len(spots):,} cells)."
    sources = (results.link("section_cell_types"), results.link("spots"))
    ordered = groups.sort_values("cells", ascending=False)
    return [table(ordered, caption, formats={"share": format_percent}, sources=sources)]


@section("quality", "Quality: what was measured, and which cells can be judged")
def section_quality(results: Results) -> list[Block]:
    """Show the metrics with their cuts, the dropped cells by reason, and what was not measured."""
    cells = results.table("section_quality")
    cuts = pd.DataFrame(cells.attrs.get("cuts", []), columns=list(CUT_COLUMNS))
    is_missing = cuts["note"].fillna("").str.startswith("not measured")
    missing = _not_measured(cuts[is_missing])
    drawn = measured_metrics(cells)
    if not drawn:
        return missing
    n, kept = len(cells), int(cells[names.KEEP].sum())
    caption = caption_text(
        "section_quality", n=n, kept=kept, has_area="area_um2" in drawn, has_negative="pct_negative" in drawn,
        settings=results.settings.quality,
    )  # fmt: skip
    told = ", ".join(METRIC_NAMES[name] for name in drawn)
    alt = f"Histograms of {told}: {n:,} cells before, {kept:,} after the filter."
    sources = (results.link("section_quality"),)
    return [
        picture(section_histograms(cells, cuts), alt, caption, sources),
        _dropped_cells(cells, drawn),
        *_map_of_dropped(results, cells),
        _cuts_table(cuts[~is_missing], results),
        *missing,
    ]


def _cuts_table(cuts: pd.DataFrame, results: Results) -> Block:
    shown = cuts.assign(metric=cuts["metric"].replace(METRIC_NAMES).str.replace("_", " "))
    return table(shown, CUTS_CAPTION, headers=METRIC_HEADERS, sources=(results.link("section_quality"),))


def _not_measured(cuts: pd.DataFrame) -> list[Block]:
    """Say once for each cause what was not measured."""
    causes: dict[str, list[str]] = {}
    for metric, note in zip(cuts["metric"], cuts["note"], strict=True):
        if metric in METRIC_NAMES:
            causes.setdefault(note.removeprefix("not measured: "), []).append(METRIC_NAMES[metric])
    lines = tuple(f"{', '.join(metrics)}: {cause}." for cause, metrics in causes.items())
    title = "Not measured, and never held against a cell"
    return [Box("note", title, lines)] if lines else []


def _dropped_cells(cells: pd.DataFrame, metrics: Sequence[str]) -> Block:
    counts = cells[names.REASON].value_counts()
    medians = cells.groupby(names.REASON)[list(metrics)].median()
    frame = pd.DataFrame({"cells": counts, "share": counts / len(cells)}).join(medians).reset_index()
    frame[names.REASON] = frame[names.REASON].map(reason_label)
    caption = f"Cells by reason, with the median of each metric (n = {len(cells):,} cells, one reason each)."
    return table(frame, caption, headers=METRIC_NAMES, formats={"share": format_percent})


def _map_of_dropped(results: Results, cells: pd.DataFrame) -> list[Block]:
    """Show where the dropped cells lie: together they tell of a fold, an edge or a field of view."""
    dropped = cells[~cells[names.KEEP].astype(bool)]
    if dropped.empty or not results.has("spots"):
        return []
    spots = results.table("spots", [names.CELL, "x_um", "y_um"]).merge(cells[[names.CELL, names.REASON]])
    spots["Reason"] = spots[names.REASON].map(reason_label)
    kept = spots[names.REASON] == names.KEPT
    shown = pd.concat([drawn_cells(results, spots[kept]), spots[~kept]])
    colours = {reason_label(name): colour for name, colour in REASON_COLOURS.items()}
    alt = f"Map of the section with the {len(dropped):,} dropped cells coloured by reason."
    caption = (
        f"Where the {len(dropped):,} dropped cells lie among the kept (numbers of drawn cells in brackets). "
        "Those that lie together tell of a fold, an edge or a bad field of view."
    )
    return [
        picture(section_maps(shown, {"Reason": colours}), alt, caption, (results.link("section_quality"),))
    ]
