"""The report of one sample of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.figures.composition import type_counts
from stietime.figures.embedding import embedding_highlight
from stietime.figures.quality import doublet_histogram, quality_histograms
from stietime.report.blocks import Block, Box, Text, Tiles, section
from stietime.report.labels import label, parent_label, type_colours
from stietime.report.pictures import caption_text, picture
from stietime.report.results import ingest_facts
from stietime.report.sections_cells import COORDINATES, DRAWING_SEED
from stietime.report.sections_overview import kept_of
from stietime.report.tables import facts_table, format_percent, format_two_digits, table

if TYPE_CHECKING:
    from stietime.report.results import Results

METRICS = ("n_counts", "n_genes", "pct_mito", "pct_ribo", "pct_hb")


@section("facts", "What this sample is")
def facts(results: Results) -> list[Block]:
    """Show the row of the sample sheet, and what was noted when the file was read."""
    kept, measured = kept_of(results, results.name)
    row = results.row
    share = f"of {measured:,} measured ({format_percent(kept / measured)})"
    environment = str(row.get(names.ENVIRONMENT, ""))
    tiles = Tiles(
        (
            (f"{kept:,}", "cells kept", share),
            (str(row.get(names.PATIENT, "")), "patient", ""),
            (environment, "environment", str(row.get(names.TIMEPOINT, ""))),
        )
    )
    read = ingest_facts(results.path("counts"))
    links = (results.link("counts"),)
    return [
        tiles,
        facts_table(row, "This sample in the sample sheet."),
        facts_table(read, "What was read.", links),
    ]


@section("quality", "Quality before and after")
def quality(results: Results) -> list[Block]:
    """Show the distribution of each metric with the cuts, and the cells dropped by reason."""
    cells = results.table("quality", [names.KEEP, names.REASON, *METRICS])
    cuts = results.table("quality_cuts", ["metric", "lower", "upper"])
    kept = int(cells[names.KEEP].sum())
    settings = results.settings.quality
    caption = caption_text("histograms", n=len(cells), kept=kept, settings=settings)
    alt = f"Histograms of counts, genes and shares: {len(cells):,} cells before, {kept:,} after the filter."
    sources = (results.link("quality"), results.link("quality_cuts"))
    pictured = picture(quality_histograms(cells, cuts), alt, caption, sources)
    return [
        pictured,
        _dropped(cells),
        table(
            cuts.drop(columns="sample", errors="ignore"),
            caption_text("cuts", settings=settings),
            sources=sources[1:],
        ),
    ]


def _dropped(cells: pd.DataFrame) -> Block:
    medians = cells.groupby(names.REASON)[list(METRICS)].median()
    counts = cells[names.REASON].value_counts()
    frame = pd.DataFrame({"cells": counts, "share": counts / len(cells)}).join(medians).reset_index()
    caption = f"Cells by reason, with the median of each metric (n = {len(cells):,} cells, one reason each)."
    return table(frame, caption, formats={"share": format_percent})


@section("doublets", "Doublets")
def doublets(results: Results) -> list[Block]:
    """Doublet scores, or why they were not looked for."""
    cells = results.table("quality", ["doublet_score", "is_doublet"])
    settings = results.settings.quality
    tested = cells[cells["doublet_score"].notna()]
    if tested.empty:
        small = len(cells) < settings.min_cells_for_doublets
        why = f"a sample needs {settings.min_cells_for_doublets} cells, this one has {len(cells):,}"
        reason = (
            "switched off in the settings" if not settings.find_doublets else why if small else "see the log"
        )
        return [Box("note", "Not tested for doublets", (f"No doublet score: {reason}.",))]
    called = tested["is_doublet"].astype(bool)
    numbers = {"n": len(tested), "called": int(called.sum()), "n_all": len(cells), "settings": settings}
    alt = f"Histogram of the doublet scores of {len(tested):,} cells, {int(called.sum())} called doublets."
    figure = doublet_histogram(tested["doublet_score"].tolist(), called.tolist())
    return [picture(figure, alt, caption_text("doublets", **numbers), (results.link("quality"),))]


@section("embedding", "Where its cells lie in the cohort")
def embedding(results: Results) -> list[Block]:
    """Show the cohort's embedding with the cells of this sample on top."""
    places = results.table("embedding", [names.CELL, *COORDINATES])
    ours = places[names.CELL].str.rpartition(":")[0] == results.name
    if not ours.any():
        return [Box("note", "No cell of this sample is in the embedding", ("No cell was kept.",))]
    most = results.settings.report.max_cells_drawn
    rest = np.flatnonzero(~ours)
    if len(rest) > most:
        rest = np.random.default_rng(DRAWING_SEED).choice(rest, most, replace=False)
    drawn = np.sort(np.concatenate([np.flatnonzero(ours)[:most], rest]))
    frame, highlighted = places.iloc[drawn], ours.to_numpy()[drawn]
    figure = embedding_highlight(frame, highlighted=highlighted, name=results.name, others="other samples")
    caption = caption_text("highlight", n=int(ours.sum()), n_all=len(places), drawn=len(drawn))
    alt = f"UMAP of the cohort; the {int(ours.sum()):,} cells of {results.name} stand out from the others."
    return [picture(figure, alt, caption, (results.link("embedding"),))]


def _cells_of(results: Results, columns: list[str]) -> pd.DataFrame:
    cells = results.table("cells", [names.SAMPLE, *columns])
    return cells[cells[names.SAMPLE] == results.name]


@section("cell-types", "Cell types")
def cell_types(results: Results) -> list[Block]:
    """Count the cells of each type, with the confidence of the calls."""
    cells = _cells_of(results, [names.LINEAGE, names.CELL_TYPE, names.CONFIDENCE])
    if cells.empty:
        return [Box("note", "No cell types", ("No cell of this sample was kept.",))]
    counts = cells[names.CELL_TYPE].value_counts()
    first = cells.drop_duplicates(names.CELL_TYPE).set_index(names.CELL_TYPE)[names.LINEAGE]
    colours = type_colours({kind: str(first[kind]) for kind in counts.index})
    figure = type_counts(counts.rename(index=label), colours)
    alt = f"Bars of the number of cells of {len(counts)} types; most frequent: {label(str(counts.index[0]))}."
    caption = f"Kept cells of this sample by type, with their share (n = {len(cells):,} cells)."
    pictured = picture(figure, alt, caption, (results.link("cells"),))
    groups = cells.groupby([names.LINEAGE, names.CELL_TYPE], observed=True)[names.CONFIDENCE]
    frame = groups.agg(
        cells="size", median="median", lowest_decile=lambda values: values.quantile(0.1)
    ).reset_index()
    frame[[names.LINEAGE, names.CELL_TYPE]] = frame[[names.LINEAGE, names.CELL_TYPE]].map(label)
    headers = {"median": "median confidence", "lowest_decile": "confidence of the lowest tenth"}
    title = f"Confidence of the calls, 0 to 1 (n = {len(cells):,} cells)."
    formats = dict.fromkeys(headers, format_two_digits)
    frame = frame.sort_values("cells", ascending=False)
    return [pictured, table(frame, title, headers=headers, formats=formats)]


@section("states", "States")
def states(results: Results) -> list[Block]:
    """Cells of each called state, within their parent."""
    columns = ["sample", "entity", "level", "n", "parent", "n_parent", "fraction"]
    composition = results.table("composition", columns)
    ours = composition[(composition["sample"] == results.name) & (composition["level"] == "state")]
    if ours.empty:
        return [Box("note", "No states", ("The table of fractions holds no state of this sample.",))]
    notes = ours["note"].fillna("") if "note" in ours.columns else ""
    frame = pd.DataFrame(
        {
            "state": ours["entity"].map(label),
            "cells": ours["n"],
            "counted among": ours["parent"].map(parent_label),
            "cells of the parent": ours["n_parent"],
            "fraction": ours["fraction"],
            "note": notes,
        }
    )
    minimum = results.settings.comparison.min_parent_cells
    caption = f"Called states of this sample; a dash: not measured, with fewer than {minimum} parent cells."
    sources = (results.link("composition"), results.link("state_rules"))
    text = Text("A state is called among cells of its parent type only; see the rules in the cohort report.")
    return [text, table(frame, caption, formats={"fraction": format_percent}, sources=sources)]
