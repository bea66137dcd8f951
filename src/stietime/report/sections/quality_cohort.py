"""Quality across the samples of a cohort: verdicts, numbers side by side, and lost lineages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stietime import names
from stietime.figures.quality_samples import Measure, loss_heatmap, sample_strips
from stietime.report import design
from stietime.report.blocks import Block, Box
from stietime.report.labels import ENVIRONMENT_SHORT_NAMES, label, lineages_in_order, reason_label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.quality import ANY, LOSS_COLUMNS, without_droplets_of
from stietime.report.sections.verdict import tested_for_doublets
from stietime.report.tables import format_number, format_percent, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from stietime.report.results import Results
    from stietime.settings import Quality

NUMBERS = (
    *("n_measured", "n_kept", "median_counts", "median_genes", "median_pct_mito", "saturation"),
    *("contamination", "contamination_low", "contamination_high", "doublet_rate_expected", "n_doublets"),
    *("sex_expressed", "sex_sheet", "n_lineage_warnings"),
)
HEADERS = {
    "n_measured": "measured",
    "n_kept": "kept",
    "share_kept": "share kept",
    "median_pct_mito": "mito (%)",
    "share_doublets": "doublets",
    "contamination": "ambient RNA",
    "median_counts": "counts",
    "median_genes": "genes",
    "n_lineage_warnings": "lineages warned of",
    "sex_expressed": "expressed sex",
    "sex_sheet": "sex in the sheet",
    names.REASON: "why",
}
SHARES = ("share_kept", "share_doublets", "saturation", "contamination")
MOST_TOLD = 4  # samples named in one line of a warning


def measures(settings: Quality) -> tuple[Measure, ...]:
    """Return the numbers that samples are compared by, with the limits of the verdicts."""
    ambient = (100 * settings.max_contamination_caution, 100 * settings.max_contamination_usable)
    depth = (100 * settings.min_saturation_usable, 100 * settings.min_saturation_caution)
    cells = (float(settings.min_cells_usable), float(settings.min_cells_caution))
    return (
        Measure("n_kept", "cells kept", logarithmic=True, limits=cells),
        Measure("median_counts", "median counts", logarithmic=True),
        Measure("median_genes", "median genes", logarithmic=True),
        Measure("median_pct_mito", "median mito (%)"),
        Measure("contamination", "ambient (%)", factor=100, limits=ambient),
        Measure("share_doublets", "doublets (%)", factor=100),
        Measure("saturation", "saturation (%)", factor=100, limits=depth),
    )


def _compared(results: Results) -> pd.DataFrame:
    frame = design.in_order(design.sample_table(results), results)
    frame = frame.reindex(columns=list(dict.fromkeys([*frame.columns, *NUMBERS])))
    counts = design.count_cells(results).sum(axis=1).reindex(frame[names.SAMPLE]).to_numpy()
    removed = results.settings.quality.remove_doublets
    facts = frame[["n_kept", "n_doublets", "doublet_rate_expected"]].astype(float)
    tested = np.array([tested_for_doublets(*row, removed=removed) for row in facts.to_numpy()])
    return frame.assign(
        share_kept=frame["n_kept"] / np.where(counts > 0, counts, np.nan),
        share_doublets=facts["n_doublets"] / np.where(tested > 0, tested, np.nan),
    )


@section("sample-quality", "Samples compared: verdicts and numbers")
def sample_quality(results: Results) -> list[Block]:
    """Say which samples can be used, and show their numbers side by side."""
    results.need(names.CELLS)
    frame = _compared(results)
    settings = results.settings.quality
    counts = frame["verdict"].value_counts()
    spread = ", ".join(f"{int(n)} {verdict}" for verdict, n in counts.items())
    alt = f"Dots of seven numbers of {len(frame)} samples, a row per sample: {spread}."
    drawn = sample_strips(frame, measures(settings))
    source = (results.link("samples"),)
    caption = caption_text("sample_strips", n=len(frame), spread=spread)
    return [*_boxes(frame), _samples_table(frame, source), picture(drawn, alt, caption, source)]


def _boxes(frame: pd.DataFrame) -> list[Block]:
    found: list[Block] = []
    titles: dict[Any, str] = {
        names.EXCLUDED: "Excluded: no cell of these samples is used",
        names.CAUTION: "To be used with caution",
    }
    for verdict, title in titles.items():
        rows = frame[frame["verdict"] == verdict]
        lines = [f"{row[names.SAMPLE]}: {_why(row) or 'no reason given'}." for _, row in rows.iterrows()]
        rest = len(lines) - design.MOST_NAMED
        lines = lines[: design.MOST_NAMED] + [f"And {rest} more, in the table below."] * (rest > 0)
        found += [Box(verdict, title, tuple(lines))] if lines else []
    swaps = [f"{words[:1].upper()}{words[1:]}." for words in dict.fromkeys(frame["swap"]) if words]
    if swaps:
        found.append(Box("warning", "Suspected swaps", tuple(swaps)))
    return found or [Box(names.USABLE, "Every sample is usable", ("No rule was broken.",))]


def _whole(value: float) -> str:
    return format_number(round(value, 0))


def _why(row: pd.Series) -> str:
    """Give the reasons of a verdict, without remarks, and without what has a box of its own: a swap."""
    reason = str(row[names.REASON])
    if row["swap"]:
        reason = reason.replace(row["swap"], "suspected swap, see below")
    return "; ".join(design.broken_rules(reason))


def _samples_table(frame: pd.DataFrame, sources: tuple[Any, ...]) -> Block:
    first = ["verdict", names.SAMPLE, names.ENVIRONMENT, names.TIMEPOINT]
    judged = ["n_kept", "share_kept", "contamination", "share_doublets", "n_lineage_warnings"]
    medians = ["median_counts", "median_genes", "median_pct_mito", "saturation"]
    last = [names.REASON, "n_measured", "sex_expressed", "sex_sheet", names.PATIENT]
    shown = frame[[*first, *judged, *medians, *last]]
    why = [_why(row) if row[names.REASON] else "" for _, row in frame.iterrows()]
    shown = shown.assign(**{names.REASON: why})
    formats: dict[str, Callable[[float], str]] = dict.fromkeys(SHARES, format_percent)
    formats |= dict.fromkeys(("median_counts", "median_genes"), _whole)
    return table(
        shown,
        caption_text("sample_verdicts", n=len(frame)),
        headers=HEADERS,
        formats=formats,
        links={names.SAMPLE: lambda sample: f"{sample}.html"},
        tones={"verdict": design.verdict_tone},
        sources=sources,
        filters=("verdict", names.ENVIRONMENT, names.TIMEPOINT),
        searchable=True,
    )


@section("lineage-losses", "What each lineage lost in each sample")
def lineage_losses(results: Results) -> list[Block]:
    """Name the lineages that quality control took more of than of others, and show them all."""
    results.need(names.CELLS)
    rows = design.in_order(results.rows(names.CELLS), results)
    listed = [str(sample) for sample in rows[names.SAMPLE]]
    there = [sample for sample in listed if results.has("lineage_losses", sample)]
    missing = [sample for sample in listed if sample not in there]
    # none at all: say which table is missing, as every section does
    tables = [_losses_of(results, sample) for sample in there or listed[:1]]
    frame = pd.concat(tables, ignore_index=True)
    frame["warning"] = frame["warning"].fillna("")
    told = _warning_lines(frame)
    quiet = "No lineage lost more than its share in any sample."
    blocks: list[Block] = [
        Box("warning", "Lineages that lost more than their share", tuple(told))
        if told
        else Box("note", "No lineage stands out", (quiet,))
    ]
    if missing:
        line = f"No table of lineage losses: {design.told_samples(missing)}."
        blocks.append(Box("note", "Samples that are not shown", (line,)))
    return [*blocks, *_heat_map(results, frame, there)]


def _losses_of(results: Results, sample: str) -> pd.DataFrame:
    losses = results.table("lineage_losses", LOSS_COLUMNS, name=sample)
    if results.has("quality", sample):
        reasons = results.table("quality", [names.REASON], name=sample)[names.REASON]
        losses = without_droplets_of(
            losses, len(reasons) - len(design.without_droplets(results, reasons, sample))
        )
    return losses.assign(sample=sample)


def _warning_lines(losses: pd.DataFrame) -> list[str]:
    """Tell for each lineage in how many samples it was warned of, the worst samples by name."""
    lines = []
    warned = losses[losses["warning"] != ""]
    for lineage in lineages_in_order(warned["lineage"]):
        samples = warned.loc[warned["lineage"] == lineage, names.SAMPLE].unique()
        here = losses[(losses["lineage"] == lineage) & losses[names.SAMPLE].isin(samples)]
        every = here[here[names.REASON] == ANY].sort_values("fraction", ascending=False, kind="stable")
        worst = [
            f"{row[names.SAMPLE]} {format_percent(row['fraction'])} of {int(row['n_cells']):,}"
            for _, row in every.head(MOST_TOLD).iterrows()
        ]
        rest = f" and {len(samples) - MOST_TOLD} more" if len(samples) > MOST_TOLD else ""
        n = losses.loc[losses["lineage"] == lineage, names.SAMPLE].nunique()
        lines.append(f"{label(lineage)}: in {len(samples)} of {n} samples ({', '.join(worst)}{rest}).")
    return lines


def _lost_to_filters(losses: pd.DataFrame) -> pd.DataFrame:
    """Return the loss of each lineage for all reasons that are properties of cells."""
    key = [names.SAMPLE, "lineage"]
    excluded = losses[losses[names.REASON] == "sample_excluded"].set_index(key)["n_removed"]
    every = losses[losses[names.REASON] == ANY].set_index(key)
    every["n_removed"] -= excluded.reindex(every.index).fillna(0)
    return every.assign(fraction=every["n_removed"] / every["n_cells"]).reset_index()


def _heat_map(results: Results, losses: pd.DataFrame, samples: list[str]) -> list[Block]:
    if losses.empty:
        return [Box("note", "No cell was measured", ("The tables of lineage losses are empty.",))]
    warned = set(
        losses.loc[losses["warning"] != "", [names.SAMPLE, "lineage"]].itertuples(index=False, name=None)
    )
    every = _lost_to_filters(losses)
    pairs = zip(every[names.SAMPLE], every["lineage"], strict=True)
    every = every.assign(warned=[pair in warned for pair in pairs])
    lineages = {lineage: label(lineage) for lineage in lineages_in_order(every["lineage"])}
    rows = results.rows(names.CELLS).set_index(names.SAMPLE)[names.ENVIRONMENT]
    named = {
        sample: f"{sample}  {ENVIRONMENT_SHORT_NAMES.get(rows[sample], rows[sample])}" for sample in samples
    }
    facts = {"n": len(samples), "n_lineages": len(lineages), "settings": results.settings.quality}
    alt = (
        f"Heat map of the share of cells lost of {len(lineages)} lineages in {len(samples)} samples, "
        f"{len(warned)} warnings ringed."
    )
    figure = loss_heatmap(every, named, lineages)
    pictured = picture(figure, alt, caption_text("loss_map", **facts))
    told = losses[(losses["warning"] != "")].drop(columns="p", errors="ignore")
    if told.empty:
        return [pictured]
    return [pictured, _warned_table(told, results)]


def _warned_table(warned: pd.DataFrame, results: Results) -> Block:
    shown = warned[[names.SAMPLE, *LOSS_COLUMNS]].sort_values("fraction", ascending=False, kind="stable")
    shown = shown.assign(lineage=shown["lineage"].map(label), reason=shown[names.REASON].map(reason_label))
    headers = {"n_cells": "cells before", "n_removed": "cells lost", "fraction": "share lost"}
    return table(
        shown,
        f"Every warning, the largest loss first (n = {len(shown)}); the name leads to the whole table.",
        headers={**headers, "rest_fraction": "lost of all other cells"},
        formats=dict.fromkeys(("fraction", "rest_fraction"), format_percent),
        links={names.SAMPLE: lambda sample: results.link("lineage_losses", sample).href},
        folded=f"Show the {len(shown)} warnings",
        searchable=True,
    )
