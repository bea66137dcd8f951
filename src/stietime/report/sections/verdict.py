"""The verdict on a sample and its numbers, on top of its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.report import design
from stietime.report.blocks import Block, Box, Tiles
from stietime.report.labels import VERDICT_NAMES
from stietime.report.section_makers import section
from stietime.report.sections.quality import measured_cells
from stietime.report.tables import MISSING, facts_table, format_number, format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stietime.report.results import Results

SOURCES = {"empty_droplets": "measured in empty droplets", "estimated": "estimated from the cells"}


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
    reasons = [text for text in design.BETWEEN_REASONS.split(told(row[names.REASON])) if text]
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


def _unbroken(text: str) -> str:
    """Keep a number and its percent sign on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _tiles(results: Results, row: Mapping[str, Any]) -> Tiles:
    measured, kept = int(row["n_measured"]), int(row["n_kept"])
    if results.has("quality"):  # without the empty droplets of an unfiltered file
        measured = len(measured_cells(results, [names.REASON]))
    share = format_percent(kept / measured) if measured else MISSING
    contamination = float(row.get("contamination", "nan"))
    source = SOURCES.get(told(row.get("contamination_source")), "not estimable")
    called = float(row.get("n_doublets", "nan"))
    expected = float(row.get("doublet_rate_expected", "nan"))
    tested = tested_for_doublets(kept, called, expected, removed=results.settings.quality.remove_doublets)
    is_tested = tested > 0  # not where it is not a number
    rate = f"{format_percent(called / tested)} of the tested cells" if is_tested else "not tested"
    rate += "" if pd.isna(expected) else f", {format_percent(expected)} expected"
    rate = _unbroken(rate)
    passed = "cells passed, then excluded" if row["verdict"] == names.EXCLUDED and kept else "cells kept"
    return Tiles(
        (
            (f"{kept:,}", passed, f"of {measured:,} measured ({_unbroken(share)})"),
            (_number(row, "median_counts"), "median counts", "per kept cell"),
            (_number(row, "median_genes"), "median genes", "per kept cell"),
            (f"{_number(row, 'median_pct_mito')} %", "mitochondrial counts", "median of the kept cells"),
            (
                format_percent(float(row.get("saturation", "nan"))),
                "saturation",
                "of the RNA is of genes seen",
            ),
            (
                format_percent(contamination),
                "ambient counts",
                _unbroken(f"{told_interval(row)} {source}".strip()),
            ),
            (format_number(called) if is_tested else MISSING, "doublets called", rate),
            (_number(row, "n_lineage_warnings"), "lineages warned of", "lost more than their share"),
        )
    )


def tested_for_doublets(n_kept: float, n_doublets: float, expected: float, *, removed: bool) -> float:
    """Count the cells that passed every other filter: doublets are looked for among them.

    Parameters
    ----------
    n_kept, n_doublets, expected
        Of `sample_quality.tsv`; expected is the rate.
    removed
        Whether doublets are dropped, so that they are not among the kept.

    Returns
    -------
    Their number; nan in a sample that was not tested, which has no expected rate and no doublet by label.
    """
    if pd.isna(expected) and not n_doublets > 0:
        return float("nan")
    return n_kept + n_doublets if removed else n_kept
