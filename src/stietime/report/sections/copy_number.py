"""Sections on copy numbers that are inferred from expression, of the cohort and of one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stietime import names
from stietime.figures.copy_number import profile_heatmap, sample_profile
from stietime.report import design
from stietime.report.blocks import Block, Box
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import format_p, format_percent, format_two_digits, table

if TYPE_CHECKING:
    from stietime.report.results import Results

MOST_ROWS = 60  # of the heat map
TITLE = "Copy numbers: which epithelial cells are malignant"
LIMITS = (
    "Gains and losses are relative to the rest of the genome: a doubling of all chromosomes, changes of a "
    "few dozen genes and a tumour with a normal karyotype do not show.",
    "A cell that is not called is not shown to be normal: a cell of few counts, or of a small clone, often "
    "does not reach the thresholds.",
    "A run of neighbouring genes that the epithelium expresses together can pass for a gain. A call deserves "
    "belief where the same arms are gained and lost in most called cells, and where DNA agrees.",
)
TESTED = "signal_threshold"


@section("copy-numbers", TITLE)
def copy_number(results: Results) -> list[Block]:
    """Show the mean profile of each sample along the genome, the share of cells called, and the limits."""
    results.need(names.CELLS)
    samples = _samples(results)
    order = design.in_order(results.rows(names.CELLS), results)
    samples = order[[names.SAMPLE]].merge(samples, on=names.SAMPLE)
    tested = samples[samples[TESTED].notna()]
    blocks: list[Block] = []
    if tested.empty:
        most = int(samples["n_epithelial"].max()) if len(samples) else 0
        least = results.settings.copy_number.min_epithelial_cells
        lines = (f"A sample needs {least} epithelial cells; the most that one has are {most}.",)
        blocks.append(Box("note", "Not testable", lines))
    else:
        blocks += [_heatmap(results, tested), Box("note", "What this cannot tell", LIMITS)]
    return [*blocks, _sample_table(results, samples), *_arm_table(results)]


def _samples(results: Results) -> pd.DataFrame:
    columns = ["sample", "n_epithelial", "n_reference", "reference", "n_genes", "n_called", "share_called"]
    columns += [TESTED, "correlation_threshold", "p_order", "note"]
    return results.table("copy_number_samples", columns)


def _heatmap(results: Results, tested: pd.DataFrame) -> Block:
    profile = results.table("copy_number_profile", [names.SAMPLE, "chromosome", "start", "stop", "log_ratio"])
    shown = tested.sort_values("share_called", ascending=False, kind="stable").head(MOST_ROWS)
    shown = tested[tested[names.SAMPLE].isin(shown[names.SAMPLE])]
    counts = zip(shown[names.SAMPLE], shown["n_called"], shown["n_epithelial"], strict=True)
    labels = {str(name): f"{name}: {int(called):,} of {int(n):,} called" for name, called, n in counts}
    n_called, n_cells = int(tested["n_called"].sum()), int(tested["n_epithelial"].sum())
    caption = caption_text(
        "copy_number",
        n_shown=len(shown),
        n_tested=len(tested),
        n_cells=n_cells,
        n_called=n_called,
        settings=results.settings.copy_number,
    )
    alt = f"Mean profiles of {len(shown)} samples along the genome; {n_called:,} of {n_cells:,} cells called."
    sources = (results.link("copy_number_profile"), results.link("copy_number_samples"))
    return picture(profile_heatmap(profile, labels), alt, caption, sources)


def _sample_table(results: Results, samples: pd.DataFrame) -> Block:
    shown = [names.SAMPLE, "n_epithelial", "n_reference", "reference"]
    shown += ["n_called", "share_called", "p_order", "note"]
    headers = {
        "n_epithelial": "epithelial cells",
        "n_reference": "reference cells",
        "reference": "reference of",
        "n_called": "called malignant",
        "share_called": "share called",
        "p_order": "p of the order",
    }
    listed = samples[samples["n_epithelial"] > 0]
    facts = {"rate": results.settings.copy_number.false_call_rate, "n_without": len(samples) - len(listed)}
    return table(
        listed[shown],
        caption_text("copy_number_samples", **facts),
        headers=headers,
        formats={"share_called": format_percent, "p_order": format_p},
        sources=(results.link("copy_number_samples"),),
    )


def _arm_table(results: Results, sample: str = "") -> list[Block]:
    """List the arms that are gained or lost, in all samples or in one."""
    columns = ["sample", "cells", "n_cells", "chromosome", "arm", "n_genes", "mean_log_ratio", "z", "state"]
    arms = results.table("copy_number_arms", columns)
    arms = arms[arms["state"].isin(["gain", "loss"])]
    if sample:
        arms = arms[arms[names.SAMPLE] == sample].drop(columns=names.SAMPLE)
    if arms.empty:
        return []
    arms = arms.assign(arm=arms["chromosome"].astype(str) + arms["arm"].astype(object).fillna(""))
    return [
        table(
            arms.drop(columns="chromosome"),
            caption_text("copy_number_arms", n=len(arms)),
            headers={"arm": "chromosome arm", "mean_log_ratio": "mean log ratio"},
            formats={"mean_log_ratio": format_two_digits},
            sources=(results.link("copy_number_arms"),),
            folded="" if sample else "Show the arms that are gained or lost",
        )
    ]


@section("copy-numbers", TITLE)
def copy_number_of_sample(results: Results) -> list[Block]:
    """Show the profile of the sample, and its cells with the thresholds; or why it is not testable."""
    samples = _samples(results).set_index(names.SAMPLE)
    if results.name not in samples.index:
        return [Box("note", "Not testable", ("No cell of this sample was kept.",))]
    row = samples.loc[results.name]
    if pd.isna(row[TESTED]):
        return [Box("note", "Not testable", (str(row["note"]).removeprefix("not testable: "),))]
    columns = [names.CELL, names.COPY_NUMBER_SIGNAL, names.COPY_NUMBER_CORRELATION, names.IS_MALIGNANT]
    cells = results.table("copy_number", columns)
    cells = cells[cells[names.CELL].str.rpartition(":")[0] == results.name]
    cells = cells[cells[names.COPY_NUMBER_SIGNAL].notna()]
    calls = cells[names.IS_MALIGNANT].astype("boolean")
    groups = calls.map({True: "called malignant", False: "epithelial"}).astype(object)
    profile = results.table("copy_number_profile", [names.SAMPLE, "chromosome", "start", "stop", "log_ratio"])
    figure = sample_profile(
        profile[profile[names.SAMPLE] == results.name],
        cells.assign(group=groups.where(calls.notna(), "reference")),
        (float(row[TESTED]), float(row["correlation_threshold"])),
    )
    n_called, n = int(row["n_called"]), int(row["n_epithelial"])
    facts = {
        "n_called": n_called,
        "n": n,
        "n_reference": int(row["n_reference"]),
        "own": row["reference"] == "sample",
        "n_genes": int(row["n_genes"]),
        "p": float(row["p_order"]),
        "settings": results.settings.copy_number,
    }
    alt = (
        f"Profile along the genome, and {len(cells):,} cells by signal and correlation; {n_called:,} called."
    )
    sources = (results.link("copy_number_profile"), results.link("copy_number"))
    drawn = picture(figure, alt, caption_text("copy_number_sample", **facts), sources)
    told = (
        [Box("note", "To know", (str(row["note"]),))] if isinstance(row["note"], str) and row["note"] else []
    )
    limits = Box("note", "What this cannot tell", LIMITS)
    return [drawn, *told, *_arm_table(results, results.name), limits]
