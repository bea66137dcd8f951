"""The verdict on a sample and its numbers, on top of its report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.report import design
from stietime.report.blocks import Block, Box, Tiles, section
from stietime.report.labels import VERDICT_NAMES
from stietime.report.tables import MISSING, facts_table, format_number, format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stietime.report.results import Results

SOURCES = {"empty_droplets": "measured in empty droplets", "estimated": "estimated from the cells"}
# of a reason: the separator, unless it stands in brackets
BETWEEN_REASONS = re.compile(r";\s+(?![^()]*\))")


def sample_row(results: Results) -> dict[str, Any]:
    """Read the verdict and the numbers of the sample that the page is about.

    The comparison of the samples may have found a swap, so its verdict goes before the sample's own.

    Raises
    ------
    InputError
        The sample's table is missing or lacks a column.
    """
    own = results.table("sample_quality", ["verdict", names.REASON, "n_measured", "n_kept"])
    row = {str(key): value for key, value in own.iloc[0].items()}
    if results.has("samples"):
        together = design.sample_table(results).set_index(names.SAMPLE)
        known = results.name in together.index and together.loc[results.name, "verdict"]
        if known in names.SAMPLE_VERDICTS:
            row |= dict(together.loc[results.name, ["verdict", names.REASON, "swap"]])
    return row


def told(value: object) -> str:
    """Return a text of a table, nothing where it is empty."""
    return value if isinstance(value, str) else ""


def told_interval(row: Mapping[str, Any]) -> str:
    """Say the interval of the contamination, where there is one."""
    low, high = row.get("contamination_low"), row.get("contamination_high")
    return "" if pd.isna(low) or pd.isna(high) else f"{100 * low:.1f} to {100 * high:.1f} %"


@section("verdict", "Can this sample be used?")
def verdict(results: Results) -> list[Block]:
    """Say the verdict with its reasons, and the sample's numbers."""
    row = sample_row(results)
    found = str(row["verdict"])
    reasons = [text for text in BETWEEN_REASONS.split(told(row[names.REASON])) if text]
    lines = [f"{text[:1].upper()}{text[1:]}." for text in reasons] or ["No rule was broken."]
    if found == names.EXCLUDED:
        lines.append("Its rows stand in every table of the cohort, without numbers.")
    tone: Any = found if found in VERDICT_NAMES else "note"
    notes = {
        "expressed sex": row.get("sex_expressed"),
        "sex in the sample sheet": row.get("sex_sheet"),
        "empty droplets in the file": row.get("n_empty_droplets"),
    }
    box = Box(tone, VERDICT_NAMES.get(found, found), tuple(lines))
    links = (results.link("sample_quality"),)
    caption = "Further facts; the rules of the verdict are options of the group quality."
    return [box, _tiles(results, row), facts_table(notes, caption, links)]


def _number(row: Mapping[str, Any], name: str) -> str:
    value = float(row.get(name, "nan"))
    return format_number(round(value) if value >= 100 else value)


def _tiles(results: Results, row: Mapping[str, Any]) -> Tiles:
    measured, kept = int(row["n_measured"]), int(row["n_kept"])
    share = format_percent(kept / measured) if measured else MISSING
    contamination = float(row.get("contamination", "nan"))
    source = SOURCES.get(told(row.get("contamination_source")), "not estimable")
    called = float(row.get("n_doublets", "nan"))
    tested = tested_for_doublets(kept, called, removed=results.settings.quality.remove_doublets)
    expected = float(row.get("doublet_rate_expected", "nan"))
    rate = f"{format_percent(called / tested)} of the tested cells" if tested > 0 else ""
    rate = "not tested" if pd.isna(expected) and not called else rate
    rate += "" if pd.isna(expected) else f", {format_percent(expected)} expected"
    passed = "cells passed, then excluded" if row["verdict"] == names.EXCLUDED and kept else "cells kept"
    return Tiles(
        (
            (f"{kept:,}", passed, f"of {measured:,} measured ({share})"),
            (_number(row, "median_counts"), "median counts", "per kept cell"),
            (_number(row, "median_genes"), "median genes", "per kept cell"),
            (f"{_number(row, 'median_pct_mito')} %", "mitochondrial counts", "median of the kept cells"),
            (format_percent(float(row.get("saturation", "nan"))), "saturation", "Good's coverage"),
            (format_percent(contamination), "ambient counts", f"{told_interval(row)} {source}".strip()),
            (format_number(called), "doublets called", rate),
            (_number(row, "n_lineage_warnings"), "lineages warned of", "lost more than their share"),
        )
    )


def tested_for_doublets[Numbers: (float, pd.Series)](
    n_kept: Numbers, n_doublets: Numbers, *, removed: bool
) -> Numbers:
    """Count the cells that passed every other filter: doublets are looked for among them.

    Parameters
    ----------
    n_kept, n_doublets
        Of `sample_quality.tsv`.
    removed
        Whether doublets are dropped, so that they are not among the kept.
    """
    return n_kept + n_doublets if removed else n_kept
