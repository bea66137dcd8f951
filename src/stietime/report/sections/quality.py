"""Quality in the report of one sample: the metrics with their cuts, and what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.figures.quality import DESCRIPTIVE_METRICS, metric_histograms
from stietime.figures.quality_lineages import ALL, CUT_METRICS, lineage_ridges
from stietime.figures.style import REASON_COLOURS
from stietime.report import design
from stietime.report.blocks import Block, Box, Cell, Table, Text
from stietime.report.labels import (
    METRIC_NAMES,
    STATES_OF_LINEAGE,
    label,
    lineages_in_order,
    reason_label,
    short_label,
)
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stietime.report.results import Results

ANY = "any"
METRICS = (*(metric.name for metric in CUT_METRICS), *DESCRIPTIVE_METRICS)
CELL_COLUMNS = (names.KEEP, names.REASON, names.PROVISIONAL_LINEAGE, *METRICS)
LOSS_COLUMNS = ("lineage", names.REASON, "n_cells", "n_removed", "fraction", "rest_fraction", "warning")
CUT_HEADERS = {"mad": "MAD", "n_cells": "cells judged", "n_removed": "cells dropped"}
HEAT_STEPS = (0.0, 0.02, 0.05, 0.1, 0.2)  # shares lost from which a field is darker
WARNING_SIGN = "\N{WARNING SIGN}"


@section("quality", "Quality before and after")
def quality(results: Results) -> list[Block]:
    """Show the metrics by lineage with the cuts of each, and the metrics that have no cut."""
    every, cells = results.table("quality", [names.REASON]), measured_cells(results, CELL_COLUMNS)
    cuts = results.table("quality_cuts", ["lineage", "metric", "lower", "upper", "n_removed"])
    found = lineages_in_order(cells[names.PROVISIONAL_LINEAGE])
    rows = {ALL: "All cells"} | {lineage: label(lineage) for lineage in found}
    kept, left_out = int(cells[names.KEEP].sum()), len(every) - len(cells)
    facts = {"n": len(cells), "kept": kept, "left_out": left_out, "settings": results.settings.quality}
    sources = (results.link("quality"), results.link("quality_cuts"))
    alt = (
        f"Distributions of counts, genes and mitochondrial share of {len(found)} lineages: {len(cells):,} "
        f"cells before, {kept:,} after the filter, with the cuts of each lineage."
    )
    ridges = picture(lineage_ridges(cells, cuts, rows), alt, caption_text("ridges", **facts), sources)
    alt = f"Histograms of the metrics without a cut: {len(cells):,} cells before, {kept:,} after the filter."
    measured = {name: told for name, told in DESCRIPTIVE_METRICS.items() if cells[name].notna().any()}
    caption = caption_text("histograms", **facts, measured=measured)
    histograms = [picture(metric_histograms(cells, measured), alt, caption, sources[:1])] if measured else []
    shown = named_cuts(cuts)
    listed = table(
        shown.drop(columns="sample", errors="ignore"),
        caption_text("cuts", settings=results.settings.quality),
        headers=CUT_HEADERS,
        sources=sources[1:],
        folded=f"Show the {len(shown)} cuts of this sample",
    )
    return [ridges, listed, *histograms, *_not_measured(cells), *_medians(cells, sources[:1])]


def measured_cells(results: Results, columns: Sequence[str]) -> pd.DataFrame:
    """Read the quality of the cells of the sample, without the empty droplets of an unfiltered file.

    Parameters
    ----------
    results
        The results of a run.
    columns
        Columns of `quality.parquet`, the reason among them.
    """
    cells = results.table("quality", columns)
    return cells.loc[design.without_droplets(results, cells[names.REASON], results.name).index]


def named_cuts(cuts: pd.DataFrame) -> pd.DataFrame:
    """Leave out the metrics that are described and never cut, and name the lineages.

    Parameters
    ----------
    cuts
        The rows of `quality_cuts.tsv`.
    """
    cut = cuts[["lower", "upper"]].notna().any(axis=1) | (cuts["n_removed"] > 0)
    shown = cuts[cut | cuts["metric"].isin([metric.name for metric in CUT_METRICS])]
    lineage = shown["lineage"].map(lambda name: "whole sample" if name == ALL else label(name))
    return shown.assign(lineage=lineage, metric=shown["metric"].replace(METRIC_NAMES))


def _medians(cells: pd.DataFrame, sources: tuple[Any, ...]) -> list[Block]:
    """List the median of each metric over the kept cells of each lineage."""
    kept = cells[cells[names.KEEP].astype(bool)]
    if kept.empty:
        return []
    groups = kept.groupby(names.PROVISIONAL_LINEAGE)
    medians = groups[list(METRICS)].median()
    medians.insert(0, "cells", groups.size())
    medians = medians.loc[lineages_in_order(medians.index)].rename(index=label).reset_index()
    caption = (
        f"Median of each metric over the kept cells of each provisional lineage (n = {len(kept):,} cells)."
    )
    fold = "Show the medians of each lineage"
    return [table(medians, caption, headers=METRIC_NAMES, sources=sources, folded=fold)]


def _not_measured(cells: pd.DataFrame) -> list[Block]:
    labels = {metric.name: metric.label for metric in CUT_METRICS} | DESCRIPTIVE_METRICS
    missing = [labels[name] for name in METRICS if len(cells) and cells[name].isna().all()]
    if not missing:
        return []
    why = "The file has no gene, or no layer of unspliced counts, to measure them by."
    return [Text(f"Not measured in this sample: {'; '.join(missing)}. {why}")]


@section("losses", "What was lost, by reason and lineage")
def losses(results: Results) -> list[Block]:
    """Say which populations to worry about, and count what each lineage lost for each reason."""
    cells = results.table("quality", CELL_COLUMNS)
    droplets = len(cells) - len(design.without_droplets(results, cells[names.REASON], results.name))
    frame = without_droplets_of(results.table("lineage_losses", LOSS_COLUMNS), droplets)
    frame["warning"] = frame["warning"].fillna("")
    worries = worry_lines(frame)
    settings = results.settings.quality
    share = f"{100 * settings.max_lineage_loss:g} %"
    excluded = bool((cells[names.REASON] == "sample_excluded").any())
    if worries:
        box = Box("warning", "Populations to worry about", tuple(worries))
    else:
        calm = f"No provisional lineage lost more than {share} of its cells and surely more than the others."
        calm = calm if frame["n_removed"].sum() else "No cell was dropped."
        box = Box("note", "No population stands out", (calm,))
    source = (results.link("lineage_losses"),)
    caption = caption_text("losses", n=len(cells) - droplets, settings=settings, excluded=excluded)
    return [box, _heat_table(frame, caption, source), _by_reason(cells, results)]


def without_droplets_of(losses: pd.DataFrame, droplets: int) -> pd.DataFrame:
    """Take the empty droplets of an unfiltered file, which have no lineage, off the cells that were lost.

    Parameters
    ----------
    losses
        The rows of `lineage_losses.tsv` of a sample.
    droplets
        Their number.
    """
    unclear = losses["lineage"] == names.UNCLEAR
    empty = unclear & losses[names.REASON].isin(("empty", ANY))
    off = min(droplets, int(losses.loc[unclear & (losses[names.REASON] == "empty"), "n_removed"].sum()))
    losses = losses.copy()
    losses.loc[unclear, "n_cells"] -= off
    losses.loc[empty, "n_removed"] -= off
    share = losses["n_removed"] / losses["n_cells"].where(losses["n_cells"] > 0)
    return losses.assign(fraction=losses["fraction"].where(~unclear, share))


def worry_lines(losses: pd.DataFrame) -> list[str]:
    """Put the warnings of a sample in words, a sentence or two for each lineage.

    Parameters
    ----------
    losses
        The rows of `lineage_losses.tsv`, `warning` empty where there is none.
    """
    lines = []
    for lineage in lineages_in_order(losses.loc[losses["warning"] != "", "lineage"]):
        here = losses[losses["lineage"] == lineage]
        warned = here[here["warning"] != ""].sort_values("fraction", ascending=False, kind="stable")
        reasons = warned[warned[names.REASON] != ANY]
        first = here[here[names.REASON] == ANY] if (here[names.REASON] == ANY).any() else warned
        line = f"{label(lineage)}: lost {_share_told(first.iloc[0])}"
        if len(reasons):
            parts = (
                f"{reason_label(row[names.REASON])} ({int(row['n_removed']):,}{_of_the_others(row)})"
                for _, row in reasons.iterrows()
            )
            line += f"; more than its share for {', '.join(parts)}"
        states = [short_label(state) for state in STATES_OF_LINEAGE.get(lineage, ())]
        if states:
            line += f". Fractions of {' and '.join(states)} in this sample rest on the cells that remain"
        lines.append(f"{line}.")
    return lines


def _share_told(row: pd.Series) -> str:
    counts = f"{int(row['n_removed']):,} of {int(row['n_cells']):,} cells"
    return f"{counts} ({format_percent(row['fraction'])}{_of_the_others(row)})"


def _of_the_others(row: pd.Series) -> str:
    rest = row["rest_fraction"]
    return "" if pd.isna(rest) else f", all other cells {format_percent(rest)}"


def _heat_table(losses: pd.DataFrame, caption: str, sources: tuple[Any, ...]) -> Block:
    """Make the table of reason by lineage: counts and shares, darker the more was lost, warnings ringed."""
    reasons = [reason for reason in dict.fromkeys(losses[names.REASON]) if reason != ANY]
    reasons = [ANY, *design.ordered(reasons, tuple(REASON_COLOURS))]
    sizes = losses.groupby("lineage")["n_cells"].max()
    lost = losses.pivot_table(index="lineage", columns=names.REASON, values="n_removed", aggfunc="sum")
    lost = lost.reindex(columns=reasons).fillna(0)
    lost = lost.loc[:, [reason for reason in reasons if reason == ANY or lost[reason].any()]]
    warned = {(row["lineage"], row[names.REASON]) for _, row in losses[losses["warning"] != ""].iterrows()}
    rows = [_heat_row("All cells", int(sizes.sum()), lost.sum().to_dict(), set())]
    for lineage in lineages_in_order(sizes.index):
        ringed = {reason for name, reason in warned if name == lineage}
        rows.append(_heat_row(label(lineage), int(sizes[lineage]), lost.loc[lineage].to_dict(), ringed))
    headers = [("provisional lineage", "plain"), ("cells before", "num"), ("kept", "num"), ("dropped", "num")]
    headers += [(reason_label(reason), "num") for reason in lost.columns if reason != ANY]
    fold = "" if lost[ANY].sum() else f"Show the {len(sizes)} provisional lineages"
    return Table(caption, tuple(headers), tuple(rows), sources, fold)


def _heat_row(name: str, n: int, lost: Mapping[Any, float], ringed: set[str]) -> tuple[Cell, ...]:
    kept = n - int(lost[ANY])
    fields = [Cell(name, name), Cell(f"{n:,}", n), Cell(f"{kept:,}", kept)]
    for reason, count in lost.items():
        share = count / n if n else 0.0
        tone = f"heat{sum(share > step for step in HEAT_STEPS)}" if share > 0 else ""
        text = f"{int(count):,} ({format_percent(share)})" if count else "0"
        if reason in ringed:
            text, tone = f"{WARNING_SIGN} {text}", f"{tone} warned"
        fields.append(Cell(text, share, tone=tone))
    return tuple(fields)


def _by_reason(cells: pd.DataFrame, results: Results) -> Block:
    medians = cells.groupby(names.REASON)[list(METRICS)].median()
    counts = cells[names.REASON].value_counts()
    frame = pd.DataFrame({"cells": counts, "share": counts / len(cells)}).join(medians).reset_index()
    frame[names.REASON] = frame[names.REASON].map(reason_label)
    caption = f"Cells by reason, with the median of each metric (n = {len(cells):,} cells, one reason each)."
    sources = (results.link("quality"),)
    fold = "Show the median of each metric by reason"
    formats = {"share": format_percent}
    return table(frame, caption, headers=METRIC_NAMES, formats=formats, sources=sources, folded=fold)
