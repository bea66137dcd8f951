"""Sections of the cohort's report: what this is, its design, and its quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.figures.quality import dropped_bars
from stietime.report import design
from stietime.report.blocks import Block, Box, Text, Tiles
from stietime.report.labels import ENVIRONMENT_NAMES, reason_label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.clusters import cluster_warnings
from stietime.report.sections.quality import named_cuts
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    from stietime.report.results import Results


MOST_CUTS = 150  # a cohort has a few for each sample and lineage; a page is to stay small


@section("summary", "What this cohort is")
def summary(results: Results) -> list[Block]:
    """Headline numbers, warnings on top, and the number of samples by environment and time point."""
    counts = design.count_cells(results)
    told = [*design.warnings(results, counts), *cluster_warnings(results)]
    boxes: list[Block] = [Box("warning", "Read this first", tuple(told))] if told else []
    rows = results.samples
    known = [e for e in design.environments(rows) if e in ENVIRONMENT_NAMES]
    meanings = "; ".join(f"<strong>{e}</strong>: {ENVIRONMENT_NAMES[e]}" for e in known)
    time = rows[names.TIMEPOINT].fillna("").replace("", "no time point")
    by_environment = pd.crosstab([rows[names.ENVIRONMENT].fillna(""), rows["modality"]], time)
    order = [moment or "no time point" for moment in design.timepoints(rows, results)]
    by_environment = by_environment[order].reset_index()
    caption = f"Number of samples by environment, kind and time point (n = {len(rows)} samples)."
    return [*boxes, _tiles(results, counts), Text(meanings + "."), table(by_environment, caption)]


def _tiles(results: Results, counts: pd.DataFrame) -> Tiles:
    rows = results.samples
    cells, sections = results.rows(names.CELLS), results.rows(names.SECTION)
    items = [(str(rows[names.PATIENT].nunique()), "patients", "the unit of every test")]
    if len(cells):
        total = int(counts.to_numpy().sum())
        kept = int(counts[names.KEPT].sum())
        share = f"of {total:,} measured ({format_percent(kept / total)})" if total else "none measured"
        items.append((str(len(cells)), "samples of cells", " and ".join(design.environments(cells))))
        items.append((f"{kept:,}", "cells kept", share))
        pairs = design.count_pairs(results)
        items.append(
            (str(max(pairs.values(), default=0)), "patients with blood and tumour", _pair_remark(pairs))
        )
    if len(sections):
        items.append(
            (str(len(sections)), "tissue sections", f"of {sections[names.PATIENT].nunique()} patients")
        )
    return Tiles(tuple(items))


def _pair_remark(pairs: dict[str, int]) -> str:
    told = [f"{timepoint}: {n}" for timepoint, n in pairs.items() if timepoint]
    return ", ".join(told) or "at the same time"


@section("samples", "Samples and design")
def samples(results: Results) -> list[Block]:
    """Show the sample sheet with the number of cells and a link to the report of each sample."""
    rows = design.in_order(results.samples, results)
    counts = design.count_cells(results)
    frame, common = _without_constant_columns(
        rows.drop(columns=["path", "format", "subset"], errors="ignore")
    )
    frame.insert(4, "cells measured", frame[names.SAMPLE].map(counts.sum(axis=1)))
    frame.insert(5, "cells kept", frame[names.SAMPLE].map(counts[names.KEPT]))
    if results.has("samples") and len(results.rows(names.CELLS)):
        verdicts = design.sample_table(results).set_index(names.SAMPLE)["verdict"]
        frame.insert(1, "verdict", frame[names.SAMPLE].astype(str).map(verdicts))
    links = {names.SAMPLE: lambda sample: f"{sample}.html"}
    caption = caption_text("samples", n=len(frame), common=common, has_cells=len(counts) > 0)
    tones = {"verdict": design.verdict_tone}
    return [table(frame, caption, links=links, tones=tones, filters=("verdict", names.ENVIRONMENT))]


def _without_constant_columns(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Take out columns that say the same of every sample, and say it once."""
    first = [names.SAMPLE, names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT, "modality"]
    filled = rows.astype(object).where(rows.notna(), "").astype(str)
    others = [column for column in rows.columns if column not in first]
    constant = [column for column in others if (filled[column] == filled[column].iloc[0]).all()]
    told = [f"{column} {filled[column].iloc[0]}" for column in constant if filled[column].iloc[0]]
    return rows[[*first, *(c for c in others if c not in constant)]].copy(), ", ".join(told)


@section("quality", "Quality: which cells were dropped, and why")
def quality(results: Results) -> list[Block]:
    """Cells kept and dropped by reason per sample, and the cuts."""
    results.need(names.CELLS)
    counts = design.count_cells(results)
    if counts.empty:
        results.table("quality", name=str(results.rows(names.CELLS)[names.SAMPLE].iloc[0]))
    rows = design.in_order(results.rows(names.CELLS), results)
    counts = counts.loc[[sample for sample in rows[names.SAMPLE] if sample in counts.index]]
    total, kept = int(counts.to_numpy().sum()), int(counts[names.KEPT].sum())
    facts = {"n_samples": len(counts), "total": total, "kept": kept, "settings": results.settings.quality}
    there = [len(results.table("quality", [names.REASON], name=sample)) for sample in counts.index]
    facts["droplets"] = sum(there) - total
    alt = f"Bars of cells kept and dropped by reason in {len(counts)} samples; {kept:,} of {total:,} kept."
    named = {reason: reason_label(reason) for reason in counts.columns}
    bars = picture(dropped_bars(counts, named), alt, caption_text("dropped", **facts))
    return [bars, _dropped_table(counts, results), *_cuts(results, list(counts.index))]


def _dropped_table(counts: pd.DataFrame, results: Results) -> Block:
    frame = counts.rename(
        columns=lambda name: name if name == names.KEPT else reason_label(name)
    ).reset_index()
    totals = counts.sum(axis=1).to_numpy()
    frame.insert(1, "measured", totals)
    frame.insert(3, "kept_share", counts[names.KEPT].to_numpy() / np.where(totals > 0, totals, np.nan))
    caption = f"Number of cells by reason (each dropped cell has one reason; n = {len(frame)} samples)."
    return table(
        frame, caption, headers={"kept_share": "share kept"}, formats={"kept_share": format_percent},
        links={names.SAMPLE: lambda sample: results.link("quality", sample).href},
    )  # fmt: skip


def _cuts(results: Results, measured: list[str]) -> list[Block]:
    found = [results.table("quality_cuts", name=s) for s in measured if results.has("quality_cuts", s)]
    if not found:
        return [
            Box("note", "The tables of cuts are missing", (str(results.path("quality_cuts", measured[0])),))
        ]
    cuts = pd.concat(found, ignore_index=True).sort_values("n_removed", ascending=False, kind="stable")
    cuts = named_cuts(cuts[cuts["n_removed"] > 0])
    shown = cuts.head(MOST_CUTS)
    caption = (
        f"{caption_text('cuts', settings=results.settings.quality)} {len(shown):,} of {len(cuts):,} cuts are "
    )
    caption += (
        "shown, those that dropped the most cells first; the report of each sample shows all of its own."
    )
    fold = f"Show the {len(shown)} cuts that dropped the most cells"
    return [table(shown, caption, folded=fold, searchable=True)]
