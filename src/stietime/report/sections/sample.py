"""The report of one sample of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.figures.composition import type_counts
from stietime.figures.embedding import embedding_highlight
from stietime.report.blocks import Block, Box, Text
from stietime.report.labels import label, parent_label, type_colours
from stietime.report.pictures import caption_text, picture
from stietime.report.results import ingest_facts
from stietime.report.section_makers import section
from stietime.report.sections.cells import COORDINATES, DRAWING_SEED
from stietime.report.tables import facts_table, format_percent, format_two_digits, table

if TYPE_CHECKING:
    from stietime.report.results import Results


@section("facts", "What this sample is")
def facts(results: Results) -> list[Block]:
    """Show the row of the sample sheet, and what was noted when the file was read."""
    row = results.row
    read = ingest_facts(results.path("counts"))
    links = (results.link("counts"),)
    return [
        facts_table(row, "This sample in the sample sheet."),
        facts_table(read, "What was read.", links),
    ]


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
