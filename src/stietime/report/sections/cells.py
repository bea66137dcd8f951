"""Sections of the cohort's report on cells: embedding, cell types, states."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.figures.composition import composition_bars
from stietime.figures.embedding import embedding_panels
from stietime.figures.states import paired_states
from stietime.figures.style import ENVIRONMENT_COLOURS, colours_of
from stietime.report import design
from stietime.report.labels import (
    STATE_NAMES,
    STATE_SHORT_NAMES,
    label,
    lineage_colours,
    parent_label,
    short_label,
)
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.mixing import mixing_blocks, n_fitted
from stietime.report.sections.validation import disagreement_blocks, untold_blocks, validation_blocks
from stietime.report.tables import format_percent, format_two_digits, table

if TYPE_CHECKING:
    from stietime.report.blocks import Block
    from stietime.report.results import Results

N_EVIDENCE = 5
COORDINATES = ("umap_1", "umap_2")
DRAWING_SEED = 0


def drawn_cells(results: Results, frame: pd.DataFrame) -> pd.DataFrame:
    """Take an even sample of the cells when there are more than are to be drawn; order is kept."""
    most = results.settings.report.max_cells_drawn
    if len(frame) <= most:
        return frame
    chosen = np.random.default_rng(DRAWING_SEED).choice(len(frame), most, replace=False)
    return frame.iloc[np.sort(chosen)]


def embedded_cells(results: Results, columns: list[str]) -> pd.DataFrame:
    """Join the drawn coordinates and the annotation of every kept cell.

    Parameters
    ----------
    results
        The results of a run.
    columns
        Columns of `cells.parquet`.

    Returns
    -------
    One row per cell that stands in both tables: umap_1, umap_2 and the columns.
    """
    places = results.table("embedding", [names.CELL, *COORDINATES]).set_index(names.CELL)
    cells = results.table("cells", [names.CELL, *columns]).set_index(names.CELL)
    return places.join(cells, how="inner")


@section("embedding", "Embedding: all cells in one picture")
def embedding(results: Results) -> list[Block]:
    """UMAP by batch, environment, cluster and lineage, and how well batches mix before and after Harmony."""
    results.need(names.CELLS)
    batch = results.settings.integration.batch_column
    every = embedded_cells(results, [batch, names.ENVIRONMENT, names.CLUSTER, names.LINEAGE])
    frame = drawn_cells(results, every)
    shown = pd.DataFrame(
        {
            "umap_1": frame["umap_1"],
            "umap_2": frame["umap_2"],
            "Batch": frame[batch].astype(str),
            "Environment": frame[names.ENVIRONMENT].astype(str),
            "Cluster": frame[names.CLUSTER].astype(str),
            "Lineage": frame[names.LINEAGE].astype(str).map(label),
        }
    )
    panels = {
        "Batch": colours_of(sorted(shown["Batch"].unique())),
        "Environment": colours_of(design.environments(every), ENVIRONMENT_COLOURS),
        "Cluster": colours_of(sorted(shown["Cluster"].unique(), key=lambda c: (len(c), c))),
        "Lineage": lineage_colours(),
    }
    facts = {"n": len(every), "drawn": len(frame), "n_fitted": n_fitted(results)}
    caption = caption_text("embedding", integration=results.settings.integration, **facts)
    alt = f"Four UMAP pictures of {len(frame):,} cells, coloured by batch, environment, cluster and lineage."
    sources = (results.link("embedding"), results.link("cells"))
    drawing = picture(embedding_panels(shown, panels), alt, caption, sources)
    return [drawing, *mixing_blocks(results)]


@section("cell-types", "Cell types")
def cell_types(results: Results) -> list[Block]:
    """Composition of each sample by lineage, and the evidence for each cell type."""
    results.need(names.CELLS)
    columns = [names.SAMPLE, names.LINEAGE, names.CELL_TYPE, names.CONFIDENCE]
    cells = results.table("cells", [names.CELL, *columns])
    rows = design.in_order(results.rows(names.CELLS), results)
    rows = rows[rows[names.SAMPLE].isin(set(cells[names.SAMPLE]))]
    counts = pd.crosstab(cells[names.SAMPLE], cells[names.LINEAGE].map(label)).loc[rows[names.SAMPLE]]
    groups = rows[names.ENVIRONMENT].fillna("") + _timepoint_suffix(rows)
    counts.index = pd.MultiIndex.from_arrays([groups, rows[names.SAMPLE]])
    colours = lineage_colours()
    counts = counts[[name for name in colours if name in counts.columns]]
    largest = counts.sum().sort_values(ascending=False).index[:3]
    alt = f"Bars of the lineages of {len(counts)} samples; the most frequent are {', '.join(largest)}."
    caption = caption_text("composition", n=len(cells), n_samples=len(counts))
    bars = picture(composition_bars(counts, colours), alt, caption, (results.link("composition"),))
    table_of_types = _evidence_table(results, cells)
    beside = [*validation_blocks(results), *disagreement_blocks(results)]
    return [bars, *untold_blocks(results), table_of_types, *beside]


def _timepoint_suffix(rows: pd.DataFrame) -> pd.Series:
    return rows[names.TIMEPOINT].fillna("").map(lambda timepoint: f", {timepoint}" if timepoint else "")


def _evidence_table(results: Results, cells: pd.DataFrame) -> Block:
    groups = cells.groupby([names.LINEAGE, names.CELL_TYPE], observed=True)
    frame = groups.agg(
        cells=(names.CELL, "size"),
        samples=(names.SAMPLE, "nunique"),
        median_confidence=(names.CONFIDENCE, "median"),
    ).reset_index()
    evidence = results.table("cell_types", [names.CELL, names.CELL_TYPE, "evidence"])
    genes = {
        kind: _most_common(part["evidence"])
        for kind, part in evidence.groupby(names.CELL_TYPE, observed=True)
    }
    frame.insert(3, "share", frame["cells"] / len(cells))
    frame["evidence"] = frame[names.CELL_TYPE].map(genes).fillna("")
    frame[names.LINEAGE] = frame[names.LINEAGE].map(label)
    frame[names.CELL_TYPE] = frame[names.CELL_TYPE].map(label)
    frame = frame.sort_values("cells", ascending=False)
    caption = caption_text("evidence", n=len(cells))
    headers = {"evidence": "genes that speak for it"}
    formats = {"share": format_percent, "median_confidence": format_two_digits}
    sources = (results.link("cell_types"), results.link("cells"))
    return table(frame, caption, headers=headers, formats=formats, sources=sources)


def _most_common(evidence: pd.Series) -> str:
    """Name the genes that stand most often in the evidence of the cells of a type."""
    counted = Counter[str]()
    for text, n in evidence.dropna().astype(str).value_counts().items():
        for gene in str(text).replace(";", ",").split(","):
            counted[gene.strip()] += int(n)
    del counted[""]
    return ", ".join(gene for gene, _ in counted.most_common(N_EVIDENCE))


@section("states", "States by environment")
def states(results: Results) -> list[Block]:
    """Show the fraction of each called state per sample, paired by patient, and the rules of the calls."""
    results.need(names.CELLS)
    composition = results.table(
        "composition", ["sample", "entity", "level", "n", "parent", "n_parent", "fraction"]
    )
    # a composition table may leave the sheet's columns to the cells
    known = [c for c in (names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT) if c not in composition.columns]
    sheet = results.samples[[names.SAMPLE, *known]]
    fractions = composition[composition["level"] == "state"].merge(sheet, on=names.SAMPLE, how="left")
    fractions = design.in_order(fractions[fractions["entity"].isin(names.STATES)], results)
    fractions[names.TIMEPOINT] = fractions[names.TIMEPOINT].fillna("")
    parents = fractions.drop_duplicates("entity").set_index("entity")["parent"].fillna("").map(parent_label)
    panels = {
        state: f"{STATE_SHORT_NAMES[state]}\n{parents.get(state, 'its parent')}" for state in names.STATES
    }
    moments = design.timepoints(fractions, results)
    drawing = paired_states(fractions, panels, moments)
    minimum = results.settings.comparison.min_parent_cells
    facts = {"n": fractions[names.PATIENT].nunique(), "minimum": minimum, "settings": results.settings.states}
    alt = f"Fraction of {', '.join(names.STATES)} per sample, a line per patient from blood to tumour."
    pictured = picture(drawing, alt, caption_text("states", **facts), (results.link("composition"),))
    return [pictured, _medians(fractions, moments), *_rules(results)]


def _medians(fractions: pd.DataFrame, moments: list[str]) -> Block:
    rows = [
        {
            "state": STATE_NAMES[state],
            "environment": environment,
            "timepoint": moment,
            "samples": len(here),
            "measured": int(here["fraction"].notna().sum()),
            "cells of the state": int(here["n"].sum()),
            "cells of the parent": int(here["n_parent"].sum()),
            "median": here["fraction"].median(),
            "lowest": here["fraction"].min(),
            "highest": here["fraction"].max(),
        }
        for state in names.STATES
        for environment in design.environments(fractions)
        for moment in moments
        if len(here := fractions[_at(fractions, state, environment, moment)])
    ]
    caption = (
        "Fraction of each state within its parent, over samples; a dash where no sample has enough cells."
    )
    formats = dict.fromkeys(("median", "lowest", "highest"), format_percent)
    return table(pd.DataFrame(rows), caption, formats=formats, folded="Show the numbers of the figure")


def _at(fractions: pd.DataFrame, state: str, environment: str, moment: str) -> pd.Series:
    return (
        (fractions["entity"] == state)
        & (fractions[names.ENVIRONMENT] == environment)
        & (fractions[names.TIMEPOINT] == moment)
    )


def _rules(results: Results) -> list[Block]:
    rules = results.table(
        "state_rules", ["set_id", "parent", "rule", "threshold", "n_parent", "n_called", "coverage"]
    )
    sources = (results.link("state_rules"),)
    is_state = rules["set_id"].isin(names.STATES)
    blocks: list[Block] = [
        table(
            _told(rules[is_state]),
            caption_text("rules"),
            formats={"coverage": format_percent},
            sources=sources,
        )
    ]
    others = _told(rules[~is_state & ~rules["set_id"].isin(names.FURTHER_STATES)])
    if len(others):
        caption = caption_text("other_sets", n=len(others), coverage=results.settings.states.min_coverage)
        fold = f"Show the {len(others)} other marker sets that were tried"
        listed = table(
            others,
            caption,
            formats={"coverage": format_percent},
            sources=sources,
            folded=fold,
            searchable=True,
        )
        blocks.append(listed)
    return blocks


def _told(rules: pd.DataFrame) -> pd.DataFrame:
    """Put the rules in words, what a reader asks first in front, the called states in their usual order."""
    renamed = {"set_id": "set", "parent": "among", "n_called": "cells called", "n_parent": "of parent cells"}
    order = {state: place for place, state in enumerate(names.STATES)}
    rules = rules.sort_values("set_id", key=lambda sets: sets.map(order), kind="stable")
    told = rules.assign(
        set_id=rules["set_id"].map(short_label), parent=rules["parent"].fillna("all").map(parent_label)
    )
    first = ["set_id", "rule", "n_called", "n_parent", "parent", "threshold", "coverage"]
    rest = [column for column in told.columns if column not in (*first, "called")]
    return told[[*first, *rest]].rename(columns=renamed)
